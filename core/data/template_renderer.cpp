// SPDX-License-Identifier: Apache-2.0
// Statements.
#include "core/data/template_renderer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/data/py_text.h"

namespace crest::data::tpl {
namespace {

constexpr std::int64_t kBytesToSpare = 64'000'000, kChatBytesToSpare = 12'000'000;
constexpr std::int64_t kBytesPerInput = 24; ///< of text that may be made for each byte of the row
constexpr std::int64_t kReadingPerByte = 4; ///< bytes that may be read for each that may be made
constexpr int kMostCalls = 16;              ///< of macros inside of each other

} // namespace

Renderer::Renderer(const Json& variables, TemplateDialect dialect, const std::string& date)
    : m_variables(Value::shown(variables))
    , m_dialect(dialect)
    , m_date(date)
    , m_frames(1) {
    m_budget.bytes = (isChat() ? kChatBytesToSpare : kBytesToSpare) + kBytesPerInput * bytesOf(variables);
    m_budget.reading = kReadingPerByte * m_budget.bytes;
}

Result<void> Renderer::write(const Block& block, std::string& out) {
    for (const Statement& statement : block.statements) {
        CREST_CHECK(m_budget.step());
        CREST_CHECK(writeOne(statement, out));
        if (m_flow != Flow::On)
            break;
    }
    return {};
}

Result<void> Renderer::writeOne(const Statement& statement, std::string& out) {
    switch (statement.kind) {
    case StatementKind::Text:
        CREST_CHECK(m_budget.wrote(statement.text.size()));
        out += statement.text;
        return {};
    case StatementKind::Print:
        return print(*statement.condition, out);
    case StatementKind::If: {
        CREST_TRY(when, holds(*statement.condition));
        return write(when ? statement.then : statement.otherwise, out);
    }
    case StatementKind::Set: {
        if (!statement.names.empty())
            return setSeveral(statement);
        CREST_TRY(value, isChat() ? evaluate(*statement.condition) : defined(*statement.condition));
        m_frames.back().names[statement.text] = std::move(value);
        return {};
    }
    case StatementKind::SetField:
        return setField(statement);
    case StatementKind::SetText:
        return setText(statement);
    case StatementKind::With:
        return with(statement, out);
    case StatementKind::FilterText:
        return filterText(statement, out);
    case StatementKind::For:
        return loop(statement, out);
    case StatementKind::Macro:
        m_macros[statement.text] = &statement;
        return {};
    case StatementKind::Break:
    case StatementKind::Continue:
        m_flow = statement.kind == StatementKind::Break ? Flow::Break : Flow::Continue;
        return {};
    }
    return {};
}

Result<void> Renderer::print(const Node& node, std::string& out) {
    CREST_TRY(value, isChat() ? evaluate(node) : defined(node));
    if (!value.defined()) // prints nothing, as Jinja's usual undefined value
        return {};
    CREST_CHECK(checkRead(value));
    if (!value.json)
        return fail(ErrorKind::Malformed, "a namespace stands where a text is needed");
    if (value.json->is_string()) {
        const auto& text = value.json->get_ref<const std::string&>();
        CREST_CHECK(m_budget.wrote(text.size()));
        out += text;
        return {};
    }
    CREST_TRY(text, printed(*value.json));
    CREST_CHECK(m_budget.wrote(text.size()));
    out += text;
    return {};
}

Result<void> Renderer::checkRead(const Value& value) {
    if (value.reading)
        return fail(ErrorKind::Unsupported, "a value is needed where a filter makes a list to be read once (add | list)");
    return {};
}

Result<Value> Renderer::readOnce(const Value& value) {
    if (!value.reading)
        return value;
    if (*value.reading == Reading::Partly)
        return fail(ErrorKind::Unsupported, "the rest of a list of which the first was taken");
    const bool before = std::exchange(*value.reading, Reading::Whole) == Reading::Whole;
    return before ? Value::of(Json::array()) : Value{value.json, nullptr, {}};
}

/// {% set a, b = ... %}
Result<void> Renderer::setSeveral(const Statement& statement) {
    CREST_TRY(unread, evaluate(*statement.condition));
    CREST_TRY(value, readOnce(unread));
    return bind(statement, value);
}

Result<void> Renderer::setField(const Statement& statement) {
    CREST_TRY(value, evaluate(*statement.condition));
    const Value* subject = found(statement.text);
    if (!subject || !subject->space)
        return fail(ErrorKind::Malformed,
                    fmt::format("\"{}\" is no namespace, so nothing can be set in it", statement.text));
    if (value.space) // they would hold each other, and never end
        return fail(ErrorKind::Unsupported, "a namespace inside of a namespace");
    subject->space->fields[statement.names.front()] = std::move(value);
    return {};
}

Result<std::string> Renderer::textOf(const Block& block) {
    std::string text;
    m_frames.emplace_back();
    const auto written = write(block, text);
    m_frames.pop_back();
    CREST_CHECK(written);
    return text;
}

Result<void> Renderer::setText(const Statement& statement) {
    CREST_TRY(text, textOf(statement.then));
    m_frames.back().names[statement.text] = Value::of(std::move(text));
    return {};
}

Result<void> Renderer::with(const Statement& statement, std::string& out) {
    Frame frame;
    for (std::size_t i = 0; i < statement.names.size(); ++i) {
        CREST_TRY(value, evaluate(*statement.defaults[i]));
        frame.names[statement.names[i]] = std::move(value);
    }
    m_frames.push_back(std::move(frame));
    const auto written = write(statement.then, out);
    m_frames.pop_back();
    return written;
}

Result<void> Renderer::filterText(const Statement& statement, std::string& out) {
    CREST_TRY(text, textOf(statement.then));
    if (m_flow != Flow::On) // left by break or continue: nothing comes out
        return {};
    m_frames.emplace_back().names[""] = Value::of(std::move(text));
    const auto filtered = evaluate(*statement.condition);
    m_frames.pop_back();
    CREST_TRY(value, filtered);
    if (!value.json || !value.json->is_string() || value.reading)
        return fail(ErrorKind::Malformed, "a filter of a block makes something else than a text");
    const auto& made = value.json->get_ref<const std::string&>();
    CREST_CHECK(m_budget.wrote(made.size()));
    out += made;
    return {};
}

Result<std::vector<Value>> Renderer::items(const Node& over) {
    CREST_TRY(unread, isChat() ? evaluate(over) : defined(over));
    CREST_TRY(value, readOnce(unread));
    std::vector<Value> all;
    if (!value.defined())
        return all;
    const bool chars = isChat() && value.json && value.json->is_string();
    if (chars) {
        const std::string_view text = value.json->get_ref<const std::string&>();
        CREST_CHECK(m_budget.wrote(160 * text.size()));
        for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
            length = byteOffset(text.substr(at), 1);
            all.push_back(Value::of(std::string(text.substr(at, length))));
        }
        return all;
    }
    if (isChat() && value.json && value.json->is_object()) {
        CREST_TRY(keys, keysInOrder(*value.json));
        for (std::string& key : keys)
            all.push_back(Value::of(std::move(key)));
        return all;
    }
    if (!value.json || !value.json->is_array())
        return fail(ErrorKind::Malformed, fmt::format("a loop over {}; it goes over lists",
                                                      value.json ? kindOf(*value.json) : "a namespace"));
    CREST_CHECK(m_budget.wrote(sizeof(Value) * value.json->size()));
    for (const Json& item : *value.json)
        all.push_back(value.part(item));
    return all;
}

/// One item to the names of a loop, or of a set.
Result<void> Renderer::bind(const Statement& statement, const Value& item) {
    auto& names = m_frames.back().names;
    if (statement.names.size() == 1) {
        names[statement.names.front()] = item;
        return {};
    }
    if (!item.json || !item.json->is_array() || item.json->size() != statement.names.size())
        return fail(ErrorKind::Malformed, fmt::format("{} names for something else than a list of {}",
                                                      statement.names.size(), statement.names.size()));
    for (std::size_t i = 0; i < statement.names.size(); ++i)
        names[statement.names[i]] = item.part((*item.json)[i]);
    return {};
}

/// Those for which the loop's own condition holds; they are counted before the loop begins.
Result<std::vector<Value>> Renderer::chosenItems(const Statement& statement, std::vector<Value> all) {
    if (!statement.chosen)
        return all;
    std::vector<Value> some;
    for (Value& item : all) {
        CREST_CHECK(m_budget.step());
        m_frames.emplace_back();
        const auto bound = bind(statement, item);
        const auto when = bound ? holds(*statement.chosen) : Result<bool>(fail(bound.error()));
        m_frames.pop_back();
        CREST_TRY(yes, when);
        if (yes)
            some.push_back(std::move(item));
    }
    return some;
}

/// Names that are set inside a loop end with each turn, as in Jinja.
Result<void> Renderer::loop(const Statement& statement, std::string& out) {
    CREST_TRY(all, items(*statement.condition));
    CREST_TRY(over, chosenItems(statement, std::move(all)));
    if (over.empty())
        return write(statement.otherwise, out);
    for (std::size_t i = 0; i < over.size(); ++i) {
        CREST_CHECK(m_budget.step());
        Frame frame;
        frame.items = &over;
        frame.at = i;
        m_frames.push_back(std::move(frame));
        const auto bound = bind(statement, over[i]);
        const auto written = bound ? write(statement.then, out) : bound;
        m_frames.pop_back();
        CREST_CHECK(written);
        if (std::exchange(m_flow, Flow::On) == Flow::Break)
            break;
    }
    return {};
}

/// Into the frame of the macro; a default may use the parameters before it.
Result<void> Renderer::bindParameters(const Statement& macro, const std::vector<Value>& arguments, const Node& call) {
    const std::size_t plain = arguments.size() - call.texts.size();
    const auto wrong = [&](const std::string& what) {
        return fail(ErrorKind::Malformed, fmt::format("the macro \"{}\" {}", macro.text, what));
    };
    if (plain > macro.names.size())
        return wrong(fmt::format("takes {} values", macro.names.size()));
    for (const std::string& name : call.texts) {
        const auto at = std::find(macro.names.begin(), macro.names.end(), name) - macro.names.begin();
        if (at < static_cast<std::ptrdiff_t>(plain) || at == static_cast<std::ptrdiff_t>(macro.names.size()))
            return wrong(fmt::format("takes no \"{}\" here", name));
    }
    const std::size_t withoutDefault = macro.names.size() - macro.defaults.size();
    for (std::size_t i = 0; i < macro.names.size(); ++i) {
        Value value = Value::undefined(macro.names[i]);
        const auto given = std::find(call.texts.begin(), call.texts.end(), macro.names[i]);
        if (i < plain) {
            value = arguments[i];
        } else if (given != call.texts.end()) {
            value = arguments[plain + static_cast<std::size_t>(given - call.texts.begin())];
        } else if (i >= withoutDefault) {
            CREST_TRY(usual, evaluate(*macro.defaults[i - withoutDefault]));
            value = std::move(usual);
        }
        m_frames.back().names[macro.names[i]] = std::move(value);
    }
    return {};
}

Result<Value> Renderer::callMacro(const Statement& macro, const std::vector<Value>& arguments, const Node& call) {
    if (++m_calls > kMostCalls)
        return fail(ErrorKind::OutOfRange, fmt::format("macros call each other deeper than {} times", kMostCalls));
    m_frames.emplace_back().isMacro = true;
    std::string text;
    auto written = bindParameters(macro, arguments, call);
    if (written)
        written = write(macro.then, text);
    m_frames.pop_back();
    CREST_CHECK(written);
    --m_calls;
    return Value::of(std::move(text));
}

Value* Renderer::found(const std::string& name) {
    for (std::size_t i = m_frames.size(); i-- > 0;) {
        const auto at = m_frames[i].names.find(name);
        if (at != m_frames[i].names.end())
            return &at->second;
        if (m_frames[i].isMacro && i > 1)
            i = 1; // the template's own names are left
    }
    return nullptr;
}

const Renderer::Frame* Renderer::innerLoop() const {
    for (std::size_t i = m_frames.size(); i-- > 0;) {
        if (m_frames[i].items)
            return &m_frames[i];
        if (m_frames[i].isMacro)
            break;
    }
    return nullptr;
}

Value Renderer::ofLoop(const Frame& frame, const std::string& field) const {
    const std::size_t at = frame.at, count = frame.items->size();
    const auto number = [](std::size_t value) { return Value::of(Json(static_cast<std::int64_t>(value))); };
    if (field == "index")
        return number(at + 1);
    if (field == "index0")
        return number(at);
    if (field == "revindex")
        return number(count - at);
    if (field == "revindex0")
        return number(count - at - 1);
    if (field == "length")
        return number(count);
    if (field == "depth" || field == "depth0") // loops are not recursive
        return number(field == "depth" ? 1 : 0);
    if (field == "first")
        return Value::of(Json(at == 0));
    if (field == "last")
        return Value::of(Json(at + 1 == count));
    if (field == "previtem" && at > 0)
        return (*frame.items)[at - 1];
    if (field == "nextitem" && at + 1 < count)
        return (*frame.items)[at + 1];
    return Value::undefined("loop." + field);
}

} // namespace crest::data::tpl
