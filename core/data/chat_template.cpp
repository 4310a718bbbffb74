// SPDX-License-Identifier: Apache-2.0
#include "core/data/chat_template.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/hash.h"

namespace crest::data {

namespace fs = std::filesystem;

std::string ChatTemplate::hash() const {
    const std::string& source = m_template.source();
    Json named = Json::object();
    for (const auto& [name, token] : m_specials.items())
        if (source.find(name) != std::string::npos)
            named[name] = token;
    return sha256Hex(canonicalJson({{"template", source}, {"specials", named}}));
}

bool ChatTemplate::saysDate() const {
    return m_template.source().find("strftime_now") != std::string::npos;
}

Result<ChatTemplate> ChatTemplate::choose(const ChatFiles& files, const std::string& name, const std::string& date,
                                          const std::string& where) {
    if (files.templates.empty())
        return fail(ErrorKind::NotFound,
                    "This tokenizer has no chat template (neither in tokenizer_config.json nor in chat_template.jinja), "
                    "so the task can only be asked without one.",
                    where);
    const bool single = files.templates.size() == 1 && files.templates.begin()->first == "default";
    const auto chosen = files.templates.find(single || name.empty() ? "default" : name);
    if (chosen == files.templates.end()) {
        std::vector<std::string> names;
        for (const auto& [known, text] : files.templates)
            names.push_back(known);
        return fail(ErrorKind::NotFound,
                    name.empty() ? fmt::format("This tokenizer has several chat templates and none is called default; "
                                               "name one of {}.",
                                               fmt::join(names, ", "))
                                 : fmt::format("This tokenizer has no chat template \"{}\"; it has {}.", name,
                                               fmt::join(names, ", ")),
                    where);
    }
    ChatTemplate made;
    CREST_TRY(parsed, Template::parse(chosen->second, where + ": chat template", TemplateDialect::Chat));
    made.m_template = std::move(parsed);
    made.m_specials = files.specials;
    made.m_date = date;
    made.m_where = where;
    return made;
}

Result<ChatTemplate::Rendered> ChatTemplate::render(std::span<const ChatMessage> messages) const {
    auto text = renderOnce(messages, true);
    if (text)
        return Rendered{std::move(*text), false};
    // What Jinja raises as a TemplateError; anything else ends the harness.
    const bool refused = text.error().kind == ErrorKind::Mismatch || text.error().kind == ErrorKind::NotFound;
    const bool hasSystem = std::ranges::any_of(messages, [](const ChatMessage& one) { return one.role == "system"; });
    if (refused && hasSystem)
        if (auto again = renderOnce(messages, false))
            return Rendered{std::move(*again), true};
    return fail(text.error().kind, fmt::format("chat template: {}", text.error().message), m_where);
}

Result<std::string> ChatTemplate::renderOnce(std::span<const ChatMessage> messages, bool withSystem) const {
    Json variables = m_specials.is_object() ? m_specials : Json::object();
    Json& list = variables["messages"] = Json::array();
    for (const ChatMessage& one : messages)
        if (withSystem || one.role != "system")
            list.push_back({{"role", one.role}, {"content", one.content}});
    variables["tools"] = nullptr;
    variables["documents"] = nullptr;
    variables["add_generation_prompt"] = true;
    return m_template.text(variables, m_date);
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm day{};
    localtime_r(&now, &day);
    return fmt::format("{}-{:02}-{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

} // namespace crest::data
