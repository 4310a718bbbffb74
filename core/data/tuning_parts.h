// SPDX-License-Identifier: Apache-2.0
// Inside of tuning_template.h: what its files hold, and how a row becomes the turns of a dialogue.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/py_text.h"
#include "core/data/template.h"
#include "core/data/tuning_template.h"

namespace crest::data {

namespace tuning {

/// How the turns of one role are written: prompt, completion (learned), end token, after. The last two are learned
/// where there is a completion.
struct TurnRules {
    std::optional<Template> prompt, completion, after;
    bool end = false;
};

struct Turns {
    std::map<std::string, TurnRules> roles;
    bool isLesson(const DialogueTurn& turn) const {
        const auto rules = roles.find(turn.role);
        return rules != roles.end() && rules->second.completion && !pyStrip(turn.content).empty();
    }
};

/// A text that is cut into turns where a mark stands.
struct Dialogue {
    Template text;
    std::vector<std::pair<std::string, std::string>> marks; ///< mark, role
};

struct Messages {
    Template list;
    std::string role, content;
    std::map<std::string, std::string> roles; ///< names that mean system, user or assistant
};

struct Form {
    std::optional<Template> when, prompt, completion, text;
    std::vector<std::pair<std::string, Template>> fields;
    std::optional<Dialogue> dialogue;
    std::optional<Messages> messages;
    std::optional<ChatStyle> own; ///< how its dialogues are written without a style
};

/// The turns of a row's dialogue; the form has one.
Result<std::vector<DialogueTurn>> dialogueTurns(const Form& form, const Json& row);
/// The text of a template; `key` says which where it fails.
Result<std::string> rendered(const Template& from, const Json& row, const char* key);
/// One turn, put behind what is there; neighbours of one kind become one.
Result<void> writeTurn(const TurnRules& rules, const Json& variables, bool blank, std::vector<TuningSegment>& out);
void addText(std::vector<TuningSegment>& to, std::string text, bool learned);

} // namespace tuning

} // namespace crest::data
