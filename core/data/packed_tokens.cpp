// SPDX-License-Identifier: Apache-2.0
#include "core/data/packed_tokens.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "core/base/hash.h"

namespace crest::data {
namespace {

static_assert(std::endian::native == std::endian::little, "ids are hashed as little-endian");

template<class T> std::string_view bytesOf(const std::vector<T>& ids) {
    return {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(T)};
}

} // namespace

void PackedTokens::finish() {
    Sha256 hash;
    hash.update("crest ids 1\n");
    // Equal ids have equal hashes, whatever their width.
    if (m_narrow.empty()) {
        hash.update(bytesOf(m_wide));
    } else {
        std::vector<std::uint32_t> part;
        for (std::size_t at = 0; at < m_narrow.size(); at += part.size()) {
            const std::size_t end = std::min(m_narrow.size(), at + kNarrowIds);
            part.assign(m_narrow.begin() + static_cast<std::ptrdiff_t>(at),
                        m_narrow.begin() + static_cast<std::ptrdiff_t>(end));
            hash.update(bytesOf(part));
        }
    }
    m_contentHash = hash.finishHex();
}

Result<PackedTokens> PackedTokens::fromIds(std::span<const std::int32_t> ids, std::int32_t idLimit) {
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || ids[i] >= idLimit)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("id {} at place {} is not from 0 to {}", ids[i], i, idLimit - 1));
    PackedTokens packed;
    if (static_cast<std::size_t>(idLimit) <= kNarrowIds)
        packed.m_narrow.assign(ids.begin(), ids.end());
    else
        packed.m_wide.assign(ids.begin(), ids.end());
    packed.finish();
    return packed;
}

Result<PackedTokens> PackedTokens::build(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                         const JobContext& job) {
    return buildCached(texts, tokenizer, endToken, {}, job);
}

Result<PackedTokens> PackedTokens::buildCached(const Texts& texts, const text::Tokenizer& tokenizer,
                                               std::int32_t endToken, const TokenCache& cache, const JobContext& job) {
    if (!tokenizer.idToToken(endToken))
        return fail(ErrorKind::OutOfRange, fmt::format("the end token {} is no id of the tokenizer", endToken),
                    texts.name);
    CREST_TRY(lists, TokenLists::of(texts.documents, texts.contentHash, tokenizer, TokenMode::Plain, cache, job));
    PackedTokens packed;
    packed.m_fromCache = lists.fromCache();
    const auto fill = [&](auto& ids) {
        using Id = typename std::decay_t<decltype(ids)>::value_type;
        ids.reserve(lists.idCount() + lists.size());
        std::size_t document = 0; // whose end token is still to come
        lists.forEach([&](std::size_t of, std::int32_t id) {
            for (; document < of; ++document)
                ids.push_back(static_cast<Id>(endToken));
            ids.push_back(static_cast<Id>(id));
        });
        for (; document < lists.size(); ++document)
            ids.push_back(static_cast<Id>(endToken));
    };
    if (tokenizer.idLimit() <= kNarrowIds)
        fill(packed.m_narrow);
    else
        fill(packed.m_wide);
    packed.finish();
    return packed;
}

void PackedTokens::copyTo(std::int64_t begin, std::span<std::int64_t> out) const {
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = (*this)[begin + static_cast<std::int64_t>(i)];
}

} // namespace crest::data
