// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_template.h"

#include <algorithm>

#include "core/data/definition_keys.h"
#include "core/data/tuning_parts.h"
#include "core/io/files.h"

namespace crest::data {

namespace {

using tuning::addText;
using tuning::Dialogue;
using tuning::Form;
using tuning::Messages;
using tuning::rendered;
using tuning::TurnRules;
using tuning::Turns;

constexpr const char* kFormFormat = "crest tuning 1";
constexpr const char* kStyleFormat = "crest chat 1";
constexpr std::size_t kMostEntries = 100; ///< of a list or an object of a file

Result<std::optional<Template>> templateOf(const Keys& keys, const char* key) {
    if (!keys.has(key))
        return std::optional<Template>();
    CREST_TRY(source, keys.text(key));
    CREST_TRY(parsed, Template::parse(source, fmt::format("{}: {}", keys.where(), key)));
    return std::optional(std::move(parsed));
}

Result<Template> neededTemplate(const Keys& keys, const char* key) {
    CREST_TRY(found, templateOf(keys, key));
    if (!found)
        return keys.wrong(fmt::format("needs \"{}\"", key));
    return std::move(*found);
}

Result<TurnRules> turnRules(const Json& definition, const std::string& where) {
    const Keys keys(definition, where);
    CREST_CHECK(keys.only({"prompt", "completion", "end", "after"}));
    TurnRules rules;
    CREST_TRY(prompt, templateOf(keys, "prompt"));
    CREST_TRY(completion, templateOf(keys, "completion"));
    CREST_TRY(after, templateOf(keys, "after"));
    CREST_TRY(end, keys.truth("end", false));
    rules = {std::move(prompt), std::move(completion), std::move(after), end};
    return rules;
}

Result<std::shared_ptr<const Turns>> turnsOf(const Json& definition, const std::string& where) {
    if (!definition.is_object() || definition.empty() || definition.size() > kMostEntries)
        return fail(ErrorKind::Malformed, "\"turns\" must say for each role how its turns are written", where);
    auto turns = std::make_shared<Turns>();
    for (const auto& [role, rules] : definition.items()) {
        CREST_TRY(parsed, turnRules(rules, fmt::format("{}: turns.{}", where, role)));
        turns->roles.emplace(role, std::move(parsed));
    }
    const auto learns = [](const auto& entry) { return entry.second.completion.has_value(); };
    if (std::ranges::none_of(turns->roles, learns))
        return fail(ErrorKind::Malformed, "no role has a \"completion\", so nothing would be learned", where);
    return std::shared_ptr<const Turns>(std::move(turns));
}

Result<Dialogue> dialogueOf(const Json& definition, const std::string& where) {
    const Keys keys(definition, where + ": dialogue");
    CREST_CHECK(keys.only({"text", "marks"}));
    CREST_TRY(text, neededTemplate(keys, "text"));
    const bool listed = keys.has("marks") && keys.at("marks").is_object() && !keys.at("marks").empty() &&
                        keys.at("marks").size() <= kMostEntries;
    if (!listed)
        return keys.wrong("\"marks\" must say which text begins the turn of which role");
    Dialogue dialogue{std::move(text), {}};
    for (const auto& [mark, role] : keys.at("marks").items()) {
        if (mark.empty() || !role.is_string())
            return keys.wrong("a mark is a text, and so is its role");
        dialogue.marks.emplace_back(mark, role.get<std::string>());
    }
    return dialogue;
}

Result<Messages> messagesOf(const Json& definition, const std::string& where) {
    const Keys keys(definition, where + ": messages");
    CREST_CHECK(keys.only({"list", "role", "content", "roles"}));
    CREST_TRY(list, neededTemplate(keys, "list"));
    CREST_TRY(role, keys.text("role", "role"));
    CREST_TRY(content, keys.text("content", "content"));
    Messages messages{std::move(list), role, content, {}};
    if (!keys.has("roles"))
        return messages;
    if (!keys.at("roles").is_object() || keys.at("roles").size() > kMostEntries)
        return keys.wrong("\"roles\" must be an object");
    for (const auto& [name, means] : keys.at("roles").items()) {
        if (!means.is_string())
            return keys.wrong("\"roles\" must name system, user or assistant for each name in the data");
        messages.roles[name] = means.get<std::string>();
    }
    return messages;
}

Result<void> readFields(const Keys& keys, Form& form) {
    if (!keys.has("fields"))
        return {};
    if (!keys.at("fields").is_object() || keys.at("fields").size() > kMostEntries)
        return keys.wrong("\"fields\" must be an object of templates");
    const Keys fields(keys.at("fields"), keys.where() + ": fields");
    for (const auto& [name, ignored] : keys.at("fields").items()) {
        CREST_TRY(parsed, neededTemplate(fields, name.c_str()));
        form.fields.emplace_back(name, std::move(parsed));
    }
    return {};
}

/// Exactly one of: text; completion with or without a prompt; messages; dialogue.
Result<void> checkForm(const Keys& keys, const Form& form) {
    const int ways =
        (form.text ? 1 : 0) + (form.completion ? 1 : 0) + (form.messages ? 1 : 0) + (form.dialogue ? 1 : 0);
    if (ways != 1 || (form.prompt && !form.completion))
        return keys.wrong("must have one of: \"text\"; \"prompt\" and \"completion\"; \"messages\"; \"dialogue\"");
    const bool talks = form.messages || form.dialogue;
    if (talks != form.own.has_value())
        return keys.wrong(talks ? "needs \"turns\": how the turns of a dialogue are written"
                                : "has \"turns\", but its rows are no dialogues");
    return {};
}

/// An answer before all questions, or after another: what the system says counts for neither.
bool answersOutOfTurn(const std::vector<DialogueTurn>& turns) {
    bool asked = false, out = false;
    for (const DialogueTurn& turn : turns) {
        if (turn.role == "system")
            continue;
        const bool answers = turn.role == "assistant";
        out = out || (answers && !asked);
        asked = !answers;
    }
    return out;
}

bool isBlankText(std::string_view text) {
    return pyStrip(text).empty();
}

/// An empty cell is null in JSON and Parquet, and an empty text in CSV: the same to a form of texts, never the word "None".
Json withoutNulls(const Form& form, const std::vector<std::string>& needs, Json row) {
    if (!row.is_object() || !(form.text || form.completion))
        return row;
    for (const std::string& need : needs)
        if (const auto cell = row.find(need); cell != row.end() && cell->is_null())
            *cell = "";
    return row;
}

Result<Json> withFields(const Form& form, Json row) {
    if (form.fields.empty())
        return row;
    if (!row.is_object())
        return fail(ErrorKind::Malformed, "the row is no object with fields");
    std::vector<Json> values; // all of them from the row as it is in the data
    for (const auto& [name, field] : form.fields) {
        auto value = field.value(row);
        if (!value)
            return fail(value.error().kind, fmt::format("field \"{}\": {}", name, value.error().message));
        values.push_back(std::move(*value));
    }
    for (std::size_t i = 0; i < values.size(); ++i)
        row[form.fields[i].first] = std::move(values[i]);
    return row;
}

Result<std::vector<TuningSegment>> promptAndCompletion(const Form& form, const Json& row, const ChatStyle* style) {
    std::string prompt;
    if (form.prompt) {
        CREST_TRY(text, rendered(*form.prompt, row, "prompt"));
        prompt = std::move(text);
    }
    CREST_TRY(completion, rendered(*form.completion, row, "completion"));
    if (style)
        return style->write({{"user", std::string(pyStrip(prompt))}, {"assistant", std::string(pyStrip(completion))}});
    std::vector<TuningSegment> out;
    const bool blank = isBlankText(completion);
    addText(out, std::move(prompt), false);
    addText(out, std::move(completion), !blank);
    return out;
}

Result<Json> readDefinition(const std::filesystem::path& file) {
    CREST_TRY(content, io::readTextFile(file, 1'000'000));
    return parseJson(content, file.filename().string());
}

Result<void> checkHead(const Keys& keys, const char* wanted, std::string& name) {
    CREST_TRY(format, keys.text("format"));
    if (format != wanted)
        return fail(ErrorKind::Unsupported,
                    fmt::format("\"format\" is \"{}\"; this program reads \"{}\"", format.substr(0, 60), wanted),
                    keys.where());
    CREST_TRY(called, keys.text("name"));
    if (called.empty() || called.size() > 200)
        return keys.wrong("\"name\" must be a short text");
    name = std::move(called);
    CREST_CHECK(keys.text("about", ""));
    CREST_CHECK(keys.text("source", ""));
    return {};
}

} // namespace

Result<ChatStyle> ChatStyle::parse(const Json& definition, const std::string& where) {
    const Keys keys(definition, where);
    CREST_CHECK(keys.only({"format", "name", "about", "source", "turns"}));
    ChatStyle style;
    CREST_CHECK(checkHead(keys, kStyleFormat, style.m_name));
    CREST_TRY(turns, turnsOf(keys.has("turns") ? keys.at("turns") : Json(), where));
    style.m_turns = std::move(turns);
    style.m_definition = definition;
    return style;
}

Result<std::vector<TuningSegment>> ChatStyle::write(const std::vector<DialogueTurn>& turns) const {
    std::vector<TuningSegment> out;
    Json variables = Json::object();
    std::size_t count = turns.size();
    while (count > 0 && !m_turns->isLesson(turns[count - 1]))
        --count;
    for (std::size_t i = 0; i < count; ++i) {
        const auto rules = m_turns->roles.find(turns[i].role);
        if (rules == m_turns->roles.end()) {
            std::vector<std::string> known;
            for (const auto& [role, ignored] : m_turns->roles)
                known.push_back(role);
            return fail(ErrorKind::NotFound, fmt::format("turn {} is of the role \"{}\"; \"{}\" knows {}", i + 1,
                                                         turns[i].role.substr(0, 60), m_name, fmt::join(known, ", ")));
        }
        variables["content"] = turns[i].content;
        variables["role"] = turns[i].role;
        variables["first"] = i == 0;
        variables["last"] = i + 1 == count;
        CREST_CHECK(tuning::writeTurn(rules->second, variables, isBlankText(turns[i].content), out));
    }
    return out;
}

Result<TuningTemplate> TuningTemplate::parse(const Json& definition, const std::string& where) {
    const Keys keys(definition, where);
    CREST_CHECK(keys.only({"format", "name", "about", "source", "needs", "when", "recognised", "fields", "prompt",
                           "completion", "text", "messages", "dialogue", "turns"}));
    TuningTemplate made;
    CREST_CHECK(checkHead(keys, kFormFormat, made.m_name));
    CREST_TRY(needs, keys.texts("needs"));
    if (needs.empty() || needs.size() > kMostEntries)
        return keys.wrong("\"needs\" must list the fields that rows of this form have");
    CREST_TRY(recognised, keys.truth("recognised", true));
    made.m_needs = std::move(needs);
    made.m_recognised = recognised;
    auto form = std::make_shared<Form>();
    for (const auto& [key, into] : {std::pair<const char*, std::optional<Template>*>{"when", &form->when},
                                    {"prompt", &form->prompt},
                                    {"completion", &form->completion},
                                    {"text", &form->text}}) {
        CREST_TRY(parsed, templateOf(keys, key));
        *into = std::move(parsed);
    }
    CREST_CHECK(readFields(keys, *form));
    if (keys.has("messages")) {
        CREST_TRY(messages, messagesOf(keys.at("messages"), where));
        form->messages = std::move(messages);
    }
    if (keys.has("dialogue")) {
        CREST_TRY(dialogue, dialogueOf(keys.at("dialogue"), where));
        form->dialogue = std::move(dialogue);
    }
    if (keys.has("turns")) {
        ChatStyle own;
        own.m_name = made.m_name;
        CREST_TRY(turns, turnsOf(keys.at("turns"), where));
        own.m_turns = std::move(turns);
        form->own = std::move(own);
    }
    CREST_CHECK(checkForm(keys, *form));
    made.m_form = std::move(form);
    made.m_definition = definition;
    return made;
}

bool TuningTemplate::fits(const Json& row) const {
    const auto has = [&](const std::string& field) { return row.contains(field) && !row[field].is_null(); };
    if (!row.is_object() || !std::ranges::all_of(m_needs, has))
        return false;
    if (!m_form->when)
        return true;
    const auto holds = m_form->when->value(row);
    return holds && holds->is_boolean() && holds->get<bool>();
}

Result<std::vector<TuningSegment>> TuningTemplate::segments(const Json& row, const ChatStyle* style, bool* outOfTurn) const {
    CREST_TRY(object, withFields(*m_form, withoutNulls(*m_form, m_needs, row)));
    if (m_form->text) {
        CREST_TRY(text, rendered(*m_form->text, object, "text"));
        std::vector<TuningSegment> out;
        const bool blank = isBlankText(text);
        addText(out, std::move(text), !blank);
        return out;
    }
    if (m_form->completion)
        return promptAndCompletion(*m_form, object, style);
    CREST_TRY(turns, tuning::dialogueTurns(*m_form, object));
    if (outOfTurn)
        *outOfTurn = answersOutOfTurn(turns);
    if (!style)
        return m_form->own->write(turns);
    for (DialogueTurn& turn : turns)
        if (m_form->dialogue) // the blank behind a mark belongs to how such a text is written
            turn.content = pyStrip(turn.content);
    return style->write(turns);
}

Result<TuningTemplate> readTuningTemplate(const std::filesystem::path& file) {
    CREST_TRY(definition, readDefinition(file));
    return TuningTemplate::parse(definition, file.filename().string());
}

Result<ChatStyle> readChatStyle(const std::filesystem::path& file) {
    CREST_TRY(definition, readDefinition(file));
    return ChatStyle::parse(definition, file.filename().string());
}

} // namespace crest::data
