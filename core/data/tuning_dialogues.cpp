// SPDX-License-Identifier: Apache-2.0
// Rows to dialogues, and turns to segments.
#include <string_view>

#include <fmt/format.h>

#include "core/data/cell_value.h"
#include "core/data/template_parts.h"
#include "core/data/tuning_parts.h"

namespace crest::data::tuning {
namespace {

constexpr std::size_t kMostTurns = 10'000;

/// Finds the marks of a text in their order; looks at each stretch once for each mark.
class MarkFinder {
public:
    MarkFinder(const Dialogue& dialogue, const std::string& text)
        : m_dialogue(dialogue)
        , m_text(text)
        , m_next(dialogue.marks.size(), 0) {
        for (std::size_t i = 0; i < m_next.size(); ++i)
            m_next[i] = text.find(dialogue.marks[i].first);
    }
    /// The mark that stands first at or after `from`, of two at one place the longer; null where there is none.
    const std::pair<std::string, std::string>* next(std::size_t from, std::size_t& at) {
        const std::pair<std::string, std::string>* found = nullptr;
        at = m_text.size();
        for (std::size_t i = 0; i < m_next.size(); ++i) {
            const auto& mark = m_dialogue.marks[i];
            if (m_next[i] < from)
                m_next[i] = m_text.find(mark.first, from);
            if (m_next[i] < at || (found && m_next[i] == at && mark.first.size() > found->first.size())) {
                at = m_next[i];
                found = &mark;
            }
        }
        return found;
    }

private:
    const Dialogue& m_dialogue;
    const std::string& m_text;
    std::vector<std::size_t> m_next;
};

Result<std::vector<DialogueTurn>> turnsInText(const Dialogue& dialogue, const Json& row) {
    CREST_TRY(text, rendered(dialogue.text, row, "text"));
    std::vector<DialogueTurn> turns;
    MarkFinder marks(dialogue, text);
    std::size_t at = 0;
    const auto* mark = marks.next(0, at);
    if (!mark || !pyStrip(std::string_view(text).substr(0, at)).empty())
        return fail(ErrorKind::Malformed, fmt::format("the dialogue does not begin with one of its marks ({})",
                                                      Json(dialogue.marks.front().first).dump()));
    while (mark) {
        if (turns.size() >= kMostTurns)
            return fail(ErrorKind::OutOfRange, fmt::format("more than {} turns", kMostTurns));
        const std::size_t begin = at + mark->first.size();
        const std::string role = mark->second;
        mark = marks.next(begin, at);
        turns.push_back({role, text.substr(begin, at - begin)});
    }
    return turns;
}

/// A text, nothing (as the turns of tools' callers and answers that are not there have it), a number as Python prints it,
/// or OpenAI's list of parts that are texts.
Result<std::string> contentOf(const Json& content, std::size_t turn) {
    if (content.is_null())
        return std::string();
    if (content.is_string() || content.is_number() || content.is_boolean())
        return tpl::printed(content);
    std::string joined;
    bool texts = content.is_array();
    for (std::size_t i = 0; texts && i < content.size(); ++i) {
        const Json& part = content[i];
        texts = part.is_object() && part.contains("text") && part["text"].is_string() &&
                (!part.contains("type") || part["type"] == "text");
        if (texts)
            joined += part["text"].get_ref<const std::string&>();
    }
    if (!texts)
        return fail(ErrorKind::Malformed, fmt::format("the content of turn {} is no text", turn + 1));
    return joined;
}

/// Tables hold the list as a text: its JSON, or as pandas and the datasets library write it into CSV.
Result<Json> listInCell(const std::string& cell) {
    if (auto json = parseJson(cell, "", {16'000'000, 32}))
        return json;
    auto list = cellValue(cell);
    if (!list)
        return fail(list.error().kind, "the list of messages: " + list.error().message);
    return list;
}

Result<std::vector<DialogueTurn>> turnsInList(const Messages& messages, const Json& row) {
    CREST_TRY(list, messages.list.value(row));
    if (list.is_string()) {
        CREST_TRY(parsed, listInCell(list.get_ref<const std::string&>()));
        list = std::move(parsed);
    }
    if (!list.is_array())
        return fail(ErrorKind::Malformed, "the messages are no list");
    if (list.size() > kMostTurns)
        return fail(ErrorKind::OutOfRange, fmt::format("more than {} turns", kMostTurns));
    std::vector<DialogueTurn> turns;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Json& message = list[i];
        for (const std::string& key : {messages.role, messages.content})
            if (!message.is_object() || !message.contains(key))
                return fail(ErrorKind::NotFound, fmt::format("turn {} has no \"{}\"", i + 1, key));
        if (!message[messages.role].is_string())
            return fail(ErrorKind::Malformed, fmt::format("the role of turn {} is no text", i + 1));
        auto role = message[messages.role].get<std::string>();
        if (const auto means = messages.roles.find(role); means != messages.roles.end())
            role = means->second;
        CREST_TRY(content, contentOf(message[messages.content], i));
        turns.push_back({std::move(role), std::move(content)});
    }
    return turns;
}

} // namespace

Result<std::string> rendered(const Template& from, const Json& row, const char* key) {
    auto text = from.text(row);
    if (!text && text.error().message.find(fmt::format("\"{}\"", key)) != std::string::npos)
        return fail(text.error().kind, text.error().message); // there is no "completion"
    if (!text)
        return fail(text.error().kind, fmt::format("\"{}\": {}", key, text.error().message));
    return std::move(*text);
}

void addText(std::vector<TuningSegment>& to, std::string text, bool learned) {
    if (text.empty())
        return;
    if (!to.empty() && to.back().learned == learned && !to.back().isEnd)
        to.back().text += text;
    else
        to.push_back({std::move(text), learned, false});
}

Result<void> writeTurn(const TurnRules& rules, const Json& variables, bool blank, std::vector<TuningSegment>& out) {
    if (rules.prompt) {
        CREST_TRY(prompt, rendered(*rules.prompt, variables, "prompt"));
        addText(out, std::move(prompt), false);
    }
    // An answer that is not there is no lesson in saying nothing.
    const bool learned = rules.completion && !blank;
    if (rules.completion) {
        CREST_TRY(completion, rendered(*rules.completion, variables, "completion"));
        addText(out, std::move(completion), learned);
    }
    if (rules.end)
        out.push_back({"", learned, true});
    if (rules.after) {
        CREST_TRY(after, rendered(*rules.after, variables, "after"));
        addText(out, std::move(after), learned);
    }
    return {};
}

Result<std::vector<DialogueTurn>> dialogueTurns(const Form& form, const Json& row) {
    return form.dialogue ? turnsInText(*form.dialogue, row) : turnsInList(*form.messages, row);
}

} // namespace crest::data::tuning
