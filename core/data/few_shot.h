// SPDX-License-Identifier: Apache-2.0
// Worked examples in front of a question, drawn as the harness draws them (formats.md 4.3): one generator for a task,
// advancing from document to document. Inside of suite.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/data/compiled_task.h"
#include "core/data/py_random.h"

namespace crest::data {

/// A worked example.
struct Shot {
    std::string question, answer;
    bool answered = true; ///< an answer may be empty
};

class FewShot {
public:
    /// Gives a row of the pool as a shot.
    using Render = std::function<Result<Shot>(const Json& row)>;

    FewShot(const ShotRules& rules, std::int64_t count, Render render)
        : m_rules(rules)
        , m_count(count)
        , m_render(std::move(render))
        , m_random(rules.seed) {}

    /// OutOfRange where the pool becomes larger than memory should hold (1 GB of text).
    Result<void> add(const Json& row);
    std::int64_t poolSize() const { return static_cast<std::int64_t>(m_pool.size()); }

    /// The shots in front of `document`, valid as long as this. OutOfRange where the pool is too small.
    Result<std::vector<const Shot*>> before(const Json& document);

private:
    const ShotRules& m_rules;
    std::int64_t m_count;
    Render m_render;
    PyRandom m_random;
    std::vector<std::string> m_pool; ///< rows as canonical JSON: compact, and equal where the rows are
    std::vector<std::optional<Shot>> m_shots;
    std::uint64_t m_bytes = 0;

    Result<std::vector<std::int64_t>> draw(const std::string* self);
};

} // namespace crest::data
