// SPDX-License-Identifier: Apache-2.0
// Expressions that call something: functions, filters, methods.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/data/template_renderer.h"

namespace crest::data::tpl {
namespace {

constexpr std::int64_t kMostRange = 100'000; ///< also what the sandbox of Jinja refuses

/// Of Jinja, and not in the language.
bool isLacking(const std::string& name) {
    return name == "lipsum" || name == "cycler" || name == "joiner";
}
} // namespace

bool isFunction(const std::string& name) {
    return name == "raise_exception" || name == "strftime_now" || name == "namespace" || name == "range" ||
           name == "dict" || isLacking(name);
}

/// default(default_value, boolean): what is not there, and with `boolean` what is false as well.
Result<Value> Renderer::defaultOf(const Node& node, const Value& value) {
    const Node* parts[2] = {nullptr, nullptr};
    const std::size_t plain = node.kids.size() - node.texts.size();
    for (std::size_t i = 1; i < node.kids.size(); ++i) {
        const std::string name = i < plain ? "" : node.texts[i - plain];
        const std::size_t at = name.empty() ? i - 1 : name == "default_value" ? 0 : name == "boolean" ? 1 : 2;
        if (at > 1 || parts[at])
            return fail(ErrorKind::Unsupported, "\"default\" with other arguments than default_value and boolean");
        parts[at] = node.kids[i].get();
    }
    bool otherwise = !value.defined();
    if (!otherwise && parts[1]) {
        CREST_TRY(boolean, holds(*parts[1]));
        otherwise = boolean && !value.truth();
    }
    if (!otherwise)
        return value;
    return parts[0] ? evaluate(*parts[0]) : Value::of(Json(""));
}

Result<Value> Renderer::function(const Node& node) {
    std::vector<Value> arguments;
    for (const auto& kid : node.kids) {
        CREST_TRY(argument, evaluate(*kid));
        arguments.push_back(std::move(argument));
    }
    const auto macro = m_macros.find(node.text);
    if (macro != m_macros.end())
        return callMacro(*macro->second, arguments, node);
    return builtIn(node, arguments);
}

Result<Value> Renderer::builtIn(const Node& node, const std::vector<Value>& arguments) {
    const bool text = arguments.size() == 1 && arguments[0].json && arguments[0].json->is_string();
    if (node.text == "raise_exception")
        return fail(ErrorKind::Mismatch,
                    fmt::format("the chat template refuses: {}",
                                text ? arguments[0].json->get_ref<const std::string&>().substr(0, 300) : "no reason given"));
    if (node.text == "strftime_now") {
        if (!text || m_date.empty())
            return fail(ErrorKind::Unsupported, "strftime_now without a form, or without a date");
        CREST_TRY(said, dayText(m_date, arguments[0].json->get_ref<const std::string&>()));
        return Value::of(Json(std::move(said)));
    }
    if (node.text == "range")
        return range(arguments);
    if (!isFunction(node.text)) // UndefinedError
        return fail(ErrorKind::NotFound, fmt::format("there is no function \"{}\"", node.text));
    if (isLacking(node.text) || node.texts.size() != node.kids.size())
        return fail(ErrorKind::Unsupported, fmt::format("the function \"{}\" with these values is not known", node.text));
    if (node.text == "dict" && node.texts.size() > 0)
        return fail(ErrorKind::Unsupported, "the function \"dict\" with values is not known");
    if (node.text == "dict")
        return Value::of(Json::object());
    auto space = std::make_shared<Namespace>();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i].space)
            return fail(ErrorKind::Unsupported, "a namespace inside of a namespace");
        space->fields[node.texts[i]] = arguments[i];
    }
    return Value{nullptr, std::move(space), {}};
}

Result<Value> Renderer::range(const std::vector<Value>& arguments) {
    std::int64_t bounds[3] = {0, 0, 1};
    if (arguments.empty() || arguments.size() > 3)
        return fail(ErrorKind::Malformed, "range takes one to three whole numbers");
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (!arguments[i].json || !arguments[i].json->is_number_integer())
            return fail(ErrorKind::Malformed, "range takes whole numbers");
        bounds[arguments.size() == 1 ? 1 : i] = arguments[i].json->get<std::int64_t>();
    }
    const auto [first, last, step] = bounds;
    if (step == 0)
        return fail(ErrorKind::Malformed, "range with a step of 0");
    const double count = (static_cast<double>(last) - static_cast<double>(first)) / static_cast<double>(step);
    if (count > static_cast<double>(kMostRange))
        return fail(ErrorKind::OutOfRange, fmt::format("a range of more than {} numbers", kMostRange));
    CREST_CHECK(m_budget.wrote(16 * static_cast<std::size_t>(std::max(0.0, count) + 1)));
    Json numbers = Json::array();
    for (std::int64_t at = first; step > 0 ? at < last : at > last;) {
        numbers.push_back(at);
        if (__builtin_add_overflow(at, step, &at))
            break; // beyond the last
    }
    return Value::of(std::move(numbers));
}

Result<Json> Renderer::call(const Node& node, const Json& subject) {
    Call made{node.text, subject, {}, {}};
    const std::size_t plain = node.kids.size() - node.texts.size();
    for (std::size_t i = 1; i < node.kids.size(); ++i) {
        CREST_TRY(argument, defined(*node.kids[i]));
        if (!argument.json)
            return fail(ErrorKind::Malformed, fmt::format("a namespace as an argument of \"{}\"", node.text));
        CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(*argument.json))));
        if (i < plain)
            made.arguments.push_back(*argument.json);
        else
            made.named[node.texts[i - plain]] = *argument.json;
    }
    return node.kind == NodeKind::Filter ? callFilter(made, m_budget) : callMethod(made, m_budget);
}

} // namespace crest::data::tpl
