// SPDX-License-Identifier: Apache-2.0
// Expressions.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/data/template_renderer.h"

namespace crest::data::tpl {
namespace {

constexpr int kDeepestExpression = 600; ///< of expressions inside of each other, those of macros that are called included
constexpr int kDeepestValue = 64;       ///< lists inside of each other

/// What Jinja's filters make of an undefined value: they take it for an empty text or list.
const Json* lenientSubject(const std::string& name) {
    static const Json text(""), list(Json::array()), dictionary(Json::object());
    for (const char* one : {"trim", "lower", "upper", "capitalize", "title", "string", "replace", "safe"})
        if (name == one)
            return &text;
    for (const char* one : {"length", "count", "list", "join", "map", "selectattr", "rejectattr", "select", "reject"})
        if (name == one)
            return &list;
    return name == "items" ? &dictionary : nullptr;
}

bool isOneOf(const std::string& name, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* one) { return name == one; });
}

/// Jinja's generators: true, without length or elements, and gone once they are read.
bool makesReadOnce(const std::string& filter, const Json& subject) {
    return isOneOf(filter, {"map", "select", "reject", "selectattr", "rejectattr", "items"}) || (filter == "reverse" && !subject.is_string());
}
bool readsOnce(const std::string& filter) {
    return isOneOf(filter, {"list", "join", "map", "select", "reject", "selectattr", "rejectattr", "first"});
}

tl::unexpected<Error> notThere(const Value& value) {
    return fail(ErrorKind::NotFound, fmt::format("there is no \"{}\"", value.missing));
}

} // namespace

Result<Value> Renderer::defined(const Node& node) {
    CREST_TRY(value, evaluate(node));
    if (!value.defined())
        return notThere(value);
    CREST_CHECK(checkRead(value));
    return value;
}

/// True where an if takes it; what is not there is false in chat templates.
Result<bool> Renderer::holds(const Node& node) {
    CREST_TRY(value, isChat() ? evaluate(node) : defined(node));
    return value.truth();
}

Result<Value> Renderer::evaluate(const Node& node) {
    CREST_CHECK(m_budget.step());
    if (++m_depth > kDeepestExpression)
        return fail(ErrorKind::OutOfRange, fmt::format("expressions deeper than {} levels", kDeepestExpression));
    auto value = evaluateOne(node);
    --m_depth;
    return value;
}

Result<Value> Renderer::evaluateOne(const Node& node) {
    switch (node.kind) {
    case NodeKind::Literal:
        return Value::shown(node.value);
    case NodeKind::Name:
        return named(node.text);
    case NodeKind::Attribute:
        return attribute(node);
    case NodeKind::Index: {
        CREST_TRY(subject, defined(*node.kids[0]));
        CREST_TRY(key, isChat() ? evaluate(*node.kids[1]) : defined(*node.kids[1]));
        if (!key.defined())
            return Value::undefined("an element without a name");
        CREST_CHECK(checkRead(key));
        if (!key.json)
            return fail(ErrorKind::Malformed, "a namespace as an index");
        if (subject.space && key.json->is_string()) {
            const auto field = subject.space->fields.find(key.json->get_ref<const std::string&>());
            return field != subject.space->fields.end() ? field->second : Value::undefined("a field of a namespace");
        }
        if (!subject.json)
            return fail(ErrorKind::Malformed, "a namespace has no elements");
        auto element = elementOf(subject, *key.json, m_budget);
        if (!element && isChat() && element.error().kind == ErrorKind::Malformed)
            return Value::undefined("an element"); // of a value without elements
        return element;
    }
    case NodeKind::Test:
        return test(node);
    case NodeKind::Filter:
        return filter(node);
    case NodeKind::Function:
        return function(node);
    case NodeKind::Unknown:
        return fail(ErrorKind::Unsupported, node.text);
    case NodeKind::Either:
        return either(node);
    case NodeKind::Binary:
        return binaryOf(node);
    case NodeKind::Chain:
        return chain(node);
    default: {
        CREST_TRY(json, computed(node));
        return Value::of(std::move(json));
    }
    }
}

Value Renderer::named(const std::string& name) {
    if (const Value* value = found(name))
        return *value;
    Value variable = fieldOf(m_variables, name);
    if (variable.defined() || !isChat())
        return variable;
    if (isFunction(name) || m_macros.contains(name) || (name == "loop" && innerLoop()))
        return {nullptr, std::make_shared<Namespace>(), {}}; // is there, and is neither text nor list
    return variable;
}

Result<Value> Renderer::attribute(const Node& node) {
    const Node& kid = *node.kids[0];
    const bool ofTheLoop = kid.kind == NodeKind::Name && kid.text == "loop" && !found("loop");
    if (const Frame* frame = ofTheLoop ? innerLoop() : nullptr)
        return ofLoop(*frame, node.text);
    CREST_TRY(subject, defined(kid));
    if (!subject.space)
        return fieldOf(subject, node.text);
    const auto field = subject.space->fields.find(node.text);
    return field != subject.space->fields.end() ? field->second : Value::undefined(node.text);
}

Result<Value> Renderer::test(const Node& node) {
    CREST_TRY(value, evaluate(*node.kids[0]));
    const auto answer = [&](bool yes) { return Value::of(Json(yes != node.flag)); };
    if (node.text == "defined" || node.text == "undefined")
        return answer(value.defined() == (node.text == "defined"));
    if (!value.defined() && !isChat())
        return notThere(value);
    if (testTakesValue(node.text)) {
        CREST_TRY(argument, evaluate(*node.kids[1]));
        if (node.text == "in")
            return compared("in", value, argument).map(answer);
        CREST_CHECK(checkRead(value));
        CREST_CHECK(checkRead(argument));
        if (!value.json || !argument.json)
            return compared(node.text == "ne" ? "!=" : "==", value, argument).map(answer);
        return runTest(node.text, *value.json, *argument.json, m_budget).map(answer);
    }
    if (value.reading)
        return answer(node.text == "iterable");
    const bool ofNumbers = node.text == "odd" || node.text == "even";
    if (ofNumbers && !value.defined())
        return notThere(value);
    if (!value.json) // undefined iterates over nothing
        return answer(!value.defined() && (node.text == "iterable" || node.text == "sequence"));
    if (ofNumbers)
        return isOddOrEven(node.text, *value.json).map(answer);
    return answer(runTest(node.text, *value.json));
}

Result<Value> Renderer::filter(const Node& node) {
    const bool isDefault = node.text == "default" || node.text == "d";
    CREST_TRY(value, isDefault || isChat() ? evaluate(*node.kids[0]) : defined(*node.kids[0]));
    if (isDefault)
        return defaultOf(node, value);
    if (value.reading && !readsOnce(node.text))
        return fail(checkRead(value).error());
    const std::shared_ptr<Reading> reading = value.reading;
    if (reading) {
        CREST_TRY(all, readOnce(value));
        value = std::move(all);
        if (node.text == "first" && !value.json->empty())
            *reading = Reading::Partly;
    }
    const Json* subject = value.json.get();
    if (!value.defined()) {
        if (node.text == "first" || node.text == "last")
            return value;
        subject = lenientSubject(node.text);
        if (!subject)
            return notThere(value);
    }
    if (!subject)
        return fail(ErrorKind::Malformed, fmt::format("the filter \"{}\" of a namespace", node.text));
    const bool nothing = isChat() && (node.text == "first" || node.text == "last") && subject->is_array() && subject->empty();
    if (nothing)
        return Value::undefined("the " + node.text + " of nothing");
    CREST_TRY(json, call(node, *subject));
    Value made = Value::of(std::move(json));
    if (isChat() && makesReadOnce(node.text, *subject))
        made.reading = std::make_shared<Reading>(Reading::Not);
    return made;
}

Result<Value> Renderer::either(const Node& node) {
    CREST_TRY(when, holds(*node.kids[0]));
    if (when)
        return evaluate(*node.kids[1]);
    if (!node.kids[2])
        return Value::undefined("the value of an if without else");
    return evaluate(*node.kids[2]);
}

Result<Value> Renderer::binaryOf(const Node& node) {
    const bool logical = node.text == "or" || node.text == "and";
    if (logical) {
        CREST_TRY(left, isChat() ? evaluate(*node.kids[0]) : defined(*node.kids[0]));
        if (left.truth() == (node.text == "or"))
            return left;
        return isChat() ? evaluate(*node.kids[1]) : defined(*node.kids[1]);
    }
    const bool joins = isChat() && node.text == "~"; // the text of what is not there is empty
    CREST_TRY(left, joins ? evaluate(*node.kids[0]) : defined(*node.kids[0]));
    CREST_TRY(right, joins ? evaluate(*node.kids[1]) : defined(*node.kids[1]));
    static const Json nothing("");
    CREST_CHECK(checkRead(left));
    CREST_CHECK(checkRead(right));
    if (left.space || right.space)
        return fail(ErrorKind::Malformed, fmt::format("{} of a namespace has no meaning", node.text));
    CREST_TRY(made, binary(node.text, left.json ? *left.json : nothing, right.json ? *right.json : nothing, m_budget));
    return Value::of(std::move(made));
}

/// == and in know what is not there in chat templates, and that namespaces are equal to themselves alone.
Result<bool> Renderer::compared(const std::string& sign, const Value& left, const Value& right) {
    const bool equal = sign == "==" || sign == "!=", within = sign == "in" || sign == "not in";
    CREST_CHECK(checkRead(left));
    if (within && right.reading) {
        CREST_TRY(all, readOnce(right));
        CREST_TRY(yes, compared(sign, left, all));
        if (yes == (sign == "in"))
            *right.reading = Reading::Partly;
        return yes;
    }
    CREST_CHECK(checkRead(right));
    if (left.json && right.json)
        return compare(sign, *left.json, *right.json, m_budget);
    if (isChat() && equal)
        return (left.space == right.space && !left.json && !right.json) == (sign == "==");
    if (isChat() && within && !right.space && (!right.json || right.json->is_array()))
        return sign == "not in"; // nothing is in what is not there, and that is in no list
    const Value& wrong = left.json ? right : left;
    if (!wrong.defined())
        return notThere(wrong);
    return fail(ErrorKind::Malformed, fmt::format("{} of a namespace has no meaning", sign));
}

Result<Value> Renderer::chain(const Node& node) {
    CREST_TRY(left, isChat() ? evaluate(*node.kids[0]) : defined(*node.kids[0]));
    for (std::size_t i = 0; i < node.texts.size(); ++i) {
        CREST_TRY(right, isChat() ? evaluate(*node.kids[i + 1]) : defined(*node.kids[i + 1]));
        CREST_TRY(yes, compared(node.texts[i], left, right));
        if (!yes)
            return Value::of(Json(false));
        left = std::move(right);
    }
    return Value::of(Json(true));
}

Result<Json> Renderer::computed(const Node& node) {
    switch (node.kind) {
    case NodeKind::List:
        return list(node);
    case NodeKind::Dict:
        return dictionary(node);
    case NodeKind::Slice:
        return slice(node);
    case NodeKind::Not: {
        CREST_TRY(yes, holds(*node.kids[0]));
        return Json(!yes);
    }
    default:
        break;
    }
    CREST_TRY(subject, defined(*node.kids[0]));
    if (!subject.json)
        return fail(ErrorKind::Malformed, "a namespace stands where a value is needed");
    if (node.kind == NodeKind::Negate)
        return binary("-", Json(0), *subject.json, m_budget);
    return call(node, *subject.json);
}

/// What was made of parts: counted, and not too deep.
Result<Json> Renderer::kept(Json made) {
    CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(made))));
    return made;
}

Result<Json> Renderer::list(const Node& node) {
    Json out = Json::array();
    for (const auto& kid : node.kids) {
        CREST_TRY(value, defined(*kid));
        if (!value.json)
            return fail(ErrorKind::Unsupported, "a namespace in a list");
        if (isDeeper(*value.json, kDeepestValue))
            return fail(ErrorKind::OutOfRange, fmt::format("lists deeper than {} levels", kDeepestValue));
        CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(*value.json))));
        out.push_back(*value.json);
    }
    return out;
}

Result<Json> Renderer::dictionary(const Node& node) {
    Json out = Json::object();
    for (std::size_t i = 0; i + 1 < node.kids.size(); i += 2) {
        CREST_TRY(key, defined(*node.kids[i]));
        CREST_TRY(value, defined(*node.kids[i + 1]));
        if (!key.json || !key.json->is_string() || !value.json)
            return fail(ErrorKind::Malformed,
                        fmt::format("{} as the key of a dictionary", key.json ? kindOf(*key.json) : "a namespace"));
        if (isDeeper(*value.json, kDeepestValue))
            return fail(ErrorKind::OutOfRange, fmt::format("dictionaries deeper than {} levels", kDeepestValue));
        if (*key.json == "role" && out.contains("content"))
            return fail(ErrorKind::Unsupported, "a message with its content before its role");
        CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(*value.json)) + 64));
        out[key.json->get<std::string>()] = *value.json;
    }
    return out;
}

Result<Json> Renderer::slice(const Node& node) {
    CREST_TRY(subject, defined(*node.kids[0]));
    if (!subject.json)
        return fail(ErrorKind::Malformed, "a namespace has no slices");
    Json bounds[3];
    for (std::size_t i = 0; i < 3; ++i)
        if (node.kids[i + 1]) {
            CREST_TRY(bound, defined(*node.kids[i + 1]));
            bounds[i] = bound.json ? *bound.json : Json("a namespace");
        }
    CREST_TRY(part, sliceOf(*subject.json, bounds[0], bounds[1], bounds[2], m_budget));
    return kept(std::move(part));
}

} // namespace crest::data::tpl
