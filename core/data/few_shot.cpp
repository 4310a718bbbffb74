// SPDX-License-Identifier: Apache-2.0
#include "core/data/few_shot.h"

#include <numeric>

#include <fmt/format.h>

namespace crest::data {
namespace {

constexpr std::uint64_t kMostPoolBytes = 1'000'000'000;

} // namespace

Result<void> FewShot::add(const Json& row) {
    m_pool.push_back(canonicalJson(row));
    m_shots.emplace_back();
    m_bytes += m_pool.back().size();
    if (m_bytes > kMostPoolBytes)
        return fail(ErrorKind::OutOfRange, "the rows that shots are drawn from are larger than 1 GB together");
    return {};
}

/// Indices into the pool; `self` is the question's own row where that must not be among them.
Result<std::vector<std::int64_t>> FewShot::draw(const std::string* self) {
    const auto different = [&](std::int64_t i) { return !self || m_pool[static_cast<std::size_t>(i)] != *self; };
    const auto tooSmall = [&]() {
        return fail(ErrorKind::OutOfRange,
                    fmt::format("{} shots cannot be chosen from {} rows", m_count, m_pool.size()));
    };
    const auto count = static_cast<std::size_t>(m_count);
    std::vector<std::int64_t> others;
    const auto findOthers = [&] {
        for (std::int64_t i = 0; i < poolSize(); ++i)
            if (different(i))
                others.push_back(i);
    };
    if (m_rules.first) {
        findOthers();
        if (others.size() < count)
            return tooSmall();
        others.resize(count);
        return others;
    }
    if (poolSize() < m_count + (self ? 1 : 0))
        return tooSmall();
    std::vector<std::int64_t> drawn = m_random.sample(poolSize(), m_count + (self ? 1 : 0));
    std::erase_if(drawn, [&](std::int64_t i) { return !different(i); });
    if (drawn.size() < count) { // rows equal to the question were drawn twice: again, from the others
        findOthers();
        if (others.size() < count)
            return tooSmall();
        drawn = m_random.sample(static_cast<std::int64_t>(others.size()), m_count);
        for (std::int64_t& i : drawn)
            i = others[static_cast<std::size_t>(i)];
    }
    drawn.resize(count);
    return drawn;
}

Result<std::vector<const Shot*>> FewShot::before(const Json& document) {
    std::vector<const Shot*> shots;
    if (m_count == 0)
        return shots;
    const std::string self = m_rules.withoutSelf ? canonicalJson(document) : std::string();
    CREST_TRY(drawn, draw(m_rules.withoutSelf ? &self : nullptr));
    for (const std::int64_t index : drawn) {
        auto& shot = m_shots[static_cast<std::size_t>(index)];
        if (!shot) {
            CREST_TRY(row, parseJson(m_pool[static_cast<std::size_t>(index)], ""));
            auto rendered = m_render(row);
            if (!rendered)
                return fail(rendered.error().kind,
                            fmt::format("row {} of the shots: {}", index + 1, rendered.error().message));
            shot = std::move(*rendered);
        }
        shots.push_back(&*shot);
    }
    return shots;
}

} // namespace crest::data
