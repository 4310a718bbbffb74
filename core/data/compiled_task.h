// SPDX-License-Identifier: Apache-2.0
// A task definition with its templates parsed: what makes items. Inside of suite.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/rows.h"
#include "core/data/suite.h"
#include "core/data/template.h"

namespace crest::data {

/// One form in which the rows of a split may lie there.
struct DataSource {
    std::string pattern;
    RowOptions rows;
    std::string labels;     ///< pattern of a file with one label a line, "" for none
    std::string labelField; ///< where a row gets its label
};

struct ShotRules {
    std::string from;   ///< split; "" with fixed rows
    bool first = false; ///< the first ones, else drawn
    std::uint32_t seed = 1234;
    std::vector<Json> rows; ///< fixed ones
    /// The harness draws one more and takes the question's own row away where the split of its shots and its test split
    /// are the same, and where neither is named.
    bool withoutSelf = false;
};

struct CompiledTask {
    std::string name;
    TaskKind kind = TaskKind::MultipleChoice;
    std::map<std::string, std::vector<DataSource>> data;
    std::string evaluate;
    std::vector<std::pair<std::string, Template>> fields;
    std::optional<Template> description, context, contexts, continuation, choices, gold, document, counted, answer;
    std::vector<Template> choiceList; ///< where the choices are written out one by one
    std::vector<Template> references;
    std::string delimiter = " ", shotDelimiter = "\n\n";
    ShotRules shots;
    ChatSettings chat;
    std::string system; ///< instruction in front of the description
    std::vector<Json> parts; ///< each an object with "name"; empty: the task is of one set
};

Result<CompiledTask> compileTask(const Json& definition, const std::string& where);
Result<ChatSettings> chatSettings(const Json& definition, const std::string& where);

/// How a generated text becomes an answer, and when two answers are the same (exact_match of the harness).
struct AnswerFilter {
    std::string name;       ///< "" for the text as it is
    std::string regex;      ///< "" for none
    std::int64_t group = 0; ///< which match: 0 the first, -1 the last
    std::string fallback = "[invalid]";
};
struct AnswerRules {
    std::vector<AnswerFilter> filters;
    std::vector<std::string> ignore; ///< regular expressions that are taken out of both sides
    bool ignoreCase = false, ignorePunctuation = false, ignoreNumbers = false;
};
Result<AnswerRules> answerRules(const Json& definition, const std::string& where);

/// The metrics that a kind has; the first is its usual one.
const std::vector<std::string>& metricsOf(TaskKind kind);

} // namespace crest::data
