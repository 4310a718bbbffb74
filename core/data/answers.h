// SPDX-License-Identifier: Apache-2.0
// Generated texts as answers: the harness's regex filter and its exact_match. Inside of task_metrics.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/compiled_task.h"
#include "core/data/py_regex.h"

namespace crest::data {

class AnswerJudge {
public:
    static Result<AnswerJudge> compile(const AnswerRules& rules);

    std::size_t filters() const { return m_filters.size(); }
    /// "exact_match,strict-match", or "exact_match" where the filter has no name.
    std::string metricName(std::size_t filter) const;
    /// What the filter finds in the text: matches, the chosen one, its first group that is not empty, stripped.
    Result<std::string> extract(std::size_t filter, const std::string& text) const;
    /// Whether the answer equals one of the references after what is ignored has been taken out of both.
    Result<bool> matches(const std::string& answer, const std::vector<std::string>& references) const;

private:
    std::vector<std::pair<AnswerFilter, std::optional<PyRegex>>> m_filters;
    std::vector<PyRegex> m_ignore;
    AnswerRules m_rules;
    Result<std::string> normalized(std::string text) const;
};

} // namespace crest::data
