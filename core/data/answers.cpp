// SPDX-License-Identifier: Apache-2.0
#include "core/data/answers.h"

#include "core/data/py_text.h"

namespace crest::data {
namespace {

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"; // string.punctuation

/// The harness holds the texts in NumPy arrays, where zeros at the end do not exist.
void dropZeros(std::string& text) {
    while (text.ends_with('\0'))
        text.pop_back();
}

} // namespace

Result<AnswerJudge> AnswerJudge::compile(const AnswerRules& rules) {
    AnswerJudge judge;
    judge.m_rules = rules;
    for (const AnswerFilter& filter : rules.filters) {
        std::optional<PyRegex> regex;
        if (!filter.regex.empty()) {
            CREST_TRY(compiled, PyRegex::compile(filter.regex));
            regex = std::move(compiled);
        }
        judge.m_filters.emplace_back(filter, std::move(regex));
    }
    for (const std::string& pattern : rules.ignore) {
        CREST_TRY(compiled, PyRegex::compile(pattern));
        judge.m_ignore.push_back(std::move(compiled));
    }
    return judge;
}

std::string AnswerJudge::metricName(std::size_t filter) const {
    const std::string& name = m_filters.at(filter).first.name;
    return name.empty() ? "exact_match" : "exact_match," + name;
}

Result<std::string> AnswerJudge::extract(std::size_t filter, const std::string& text) const {
    const auto& [rule, regex] = m_filters.at(filter);
    if (!regex)
        return text;
    CREST_TRY(found, regex->findAll(text));
    const auto count = static_cast<std::int64_t>(found.size());
    const std::int64_t at = rule.group < 0 ? rule.group + count : rule.group;
    if (at < 0 || at >= count)
        return rule.fallback;
    const std::vector<std::string>& groups = found[static_cast<std::size_t>(at)];
    if (groups.size() == 1)
        return std::string(pyStrip(groups.front()));
    for (const std::string& group : groups)
        if (!group.empty())
            return std::string(pyStrip(group));
    return std::string(pyStrip(rule.fallback));
}

Result<std::string> AnswerJudge::normalized(std::string text) const {
    dropZeros(text);
    for (const PyRegex& regex : m_ignore) {
        CREST_TRY(without, regex.substitute(text, ""));
        text = std::move(without);
        dropZeros(text);
    }
    if (m_rules.ignoreCase)
        text = pyLower(text);
    if (m_rules.ignorePunctuation)
        std::erase_if(text, [](char c) { return kPunctuation.find(c) != std::string_view::npos; });
    if (m_rules.ignoreNumbers)
        std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
    return text;
}

Result<bool> AnswerJudge::matches(const std::string& answer, const std::vector<std::string>& references) const {
    CREST_TRY(ours, normalized(answer));
    for (const std::string& reference : references) {
        CREST_TRY(theirs, normalized(reference));
        if (ours == theirs)
            return true;
    }
    return false;
}

} // namespace crest::data
