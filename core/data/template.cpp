// SPDX-License-Identifier: Apache-2.0
#include "core/data/template.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/data/template_parts.h"

namespace crest::data {
namespace tpl {
namespace {

constexpr std::size_t kLongestSource = 64'000;
constexpr std::int64_t kBytesToSpare = 64'000'000;
constexpr std::int64_t kBytesPerInput = 24; ///< of text that may be made for each byte of the row

std::int64_t bytesOf(const Json& value) {
    std::int64_t bytes = 16;
    if (value.is_string())
        return bytes + static_cast<std::int64_t>(value.get_ref<const std::string&>().size());
    for (const Json& item : value)
        if (value.is_structured())
            bytes += bytesOf(item);
    return bytes;
}

class Renderer {
public:
    explicit Renderer(const Json& variables)
        : m_variables(variables) {
        m_budget.bytes = kBytesToSpare + kBytesPerInput * bytesOf(variables);
    }

    Result<void> write(const Block& block, std::string& out) {
        for (const Statement& statement : block.statements) {
            CREST_CHECK(m_budget.step());
            CREST_CHECK(writeOne(statement, out));
        }
        return {};
    }

    Result<Json> defined(const Node& node) {
        CREST_TRY(value, evaluate(node));
        if (!value.defined())
            return fail(ErrorKind::NotFound, fmt::format("there is no \"{}\"", value.missing));
        return std::move(value.json);
    }

private:
    const Json& m_variables;
    std::map<std::string, Json> m_locals;
    Budget m_budget;

    Result<void> writeOne(const Statement& statement, std::string& out) {
        switch (statement.kind) {
        case StatementKind::Text:
            CREST_CHECK(m_budget.wrote(statement.text.size()));
            out += statement.text;
            return {};
        case StatementKind::Print: {
            CREST_TRY(value, defined(*statement.condition));
            CREST_TRY(text, printed(value));
            CREST_CHECK(m_budget.wrote(text.size()));
            out += text;
            return {};
        }
        case StatementKind::If: {
            CREST_TRY(when, defined(*statement.condition));
            return write(truth(when) ? statement.then : statement.otherwise, out);
        }
        case StatementKind::Set: {
            CREST_TRY(value, defined(*statement.condition));
            m_locals[statement.text] = std::move(value);
            return {};
        }
        case StatementKind::For:
            return loop(statement, out);
        }
        return {};
    }

    /// Names that are set inside a loop end with it, as in Jinja.
    Result<void> loop(const Statement& statement, std::string& out) {
        CREST_TRY(over, defined(*statement.condition));
        if (!over.is_array())
            return fail(ErrorKind::Malformed, fmt::format("a loop over {}; it goes over lists", kindOf(over)));
        if (over.empty())
            return write(statement.otherwise, out);
        const std::map<std::string, Json> outer = m_locals;
        for (std::size_t i = 0; i < over.size(); ++i) {
            CREST_CHECK(m_budget.step());
            m_locals = outer;
            m_locals[statement.text] = over[i];
            m_locals["loop"] = {{"index", i + 1},
                                {"index0", i},
                                {"first", i == 0},
                                {"last", i + 1 == over.size()},
                                {"length", over.size()}};
            CREST_CHECK(write(statement.then, out));
        }
        m_locals = outer;
        return {};
    }

    Result<Value> evaluate(const Node& node) {
        CREST_CHECK(m_budget.step());
        switch (node.kind) {
        case NodeKind::Literal:
            return Value{node.value, ""};
        case NodeKind::Name: {
            const auto local = m_locals.find(node.text);
            return local != m_locals.end() ? Value{local->second, ""} : fieldOf(m_variables, node.text);
        }
        case NodeKind::Attribute: {
            CREST_TRY(subject, place(*node.kids[0]));
            return fieldOf(*subject.at, node.text);
        }
        case NodeKind::Index: {
            CREST_TRY(subject, place(*node.kids[0]));
            CREST_TRY(key, defined(*node.kids[1]));
            return elementOf(*subject.at, key);
        }
        case NodeKind::Test:
            return test(node);
        case NodeKind::Filter:
            if (node.text == "default" || node.text == "d")
                return orDefault(node);
            break;
        case NodeKind::Either:
            return either(node);
        default:
            break;
        }
        CREST_TRY(json, computed(node));
        return Value{std::move(json), ""};
    }

    /// A value that need not be copied: a variable, or what was computed.
    struct Place {
        const Json* at = nullptr;
        std::shared_ptr<Json> kept;
    };
    Result<Place> place(const Node& node) {
        if (node.kind == NodeKind::Name && !m_locals.contains(node.text) && m_variables.is_object()) {
            const auto found = m_variables.find(node.text);
            if (found != m_variables.end())
                return Place{&*found, nullptr};
        }
        CREST_TRY(value, defined(node));
        auto kept = std::make_shared<Json>(std::move(value));
        const Json* at = kept.get();
        return Place{at, std::move(kept)};
    }

    Result<Value> test(const Node& node) {
        CREST_TRY(value, evaluate(*node.kids[0]));
        if (node.text == "defined" || node.text == "undefined")
            return Value{(value.defined() == (node.text == "defined")) != node.flag, ""};
        if (!value.defined())
            return fail(ErrorKind::NotFound, fmt::format("there is no \"{}\"", value.missing));
        return Value{runTest(node.text, value.json) != node.flag, ""};
    }

    Result<Value> orDefault(const Node& node) {
        CREST_TRY(value, evaluate(*node.kids[0]));
        if (value.defined())
            return value;
        if (node.kids.size() < 2)
            return Value{Json(""), ""};
        return evaluate(*node.kids[1]);
    }

    Result<Value> either(const Node& node) {
        CREST_TRY(when, defined(*node.kids[0]));
        if (truth(when))
            return evaluate(*node.kids[1]);
        if (!node.kids[2])
            return Value{Json(), "the value of an if without else"};
        return evaluate(*node.kids[2]);
    }

    Result<Json> computed(const Node& node) {
        switch (node.kind) {
        case NodeKind::List:
            return list(node);
        case NodeKind::Dict:
            return dictionary(node);
        case NodeKind::Slice:
            return slice(node);
        case NodeKind::Method:
        case NodeKind::Filter:
            return call(node);
        case NodeKind::Not: {
            CREST_TRY(value, defined(*node.kids[0]));
            return Json(!truth(value));
        }
        case NodeKind::Negate: {
            CREST_TRY(value, defined(*node.kids[0]));
            return binary("-", Json(0), value, m_budget);
        }
        case NodeKind::Binary:
            return binaryOf(node);
        default:
            return chain(node);
        }
    }

    Result<Json> list(const Node& node) {
        Json out = Json::array();
        for (const auto& kid : node.kids) {
            CREST_TRY(value, defined(*kid));
            CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(value))));
            out.push_back(std::move(value));
        }
        return out;
    }

    Result<Json> dictionary(const Node& node) {
        Json out = Json::object();
        for (std::size_t i = 0; i + 1 < node.kids.size(); i += 2) {
            CREST_TRY(key, defined(*node.kids[i]));
            CREST_TRY(value, defined(*node.kids[i + 1]));
            if (!key.is_string())
                return fail(ErrorKind::Malformed, fmt::format("{} as the key of a dictionary", kindOf(key)));
            CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(value)) + 64));
            out[key.get<std::string>()] = std::move(value);
        }
        return out;
    }

    Result<Json> slice(const Node& node) {
        CREST_TRY(subject, place(*node.kids[0]));
        Json bounds[2];
        for (std::size_t i = 0; i < 2; ++i)
            if (node.kids[i + 1]) {
                CREST_TRY(bound, defined(*node.kids[i + 1]));
                bounds[i] = std::move(bound);
            }
        CREST_TRY(part, sliceOf(*subject.at, bounds[0], bounds[1]));
        CREST_CHECK(m_budget.wrote(static_cast<std::size_t>(bytesOf(part))));
        return part;
    }

    Result<Json> call(const Node& node) {
        Call made;
        made.name = node.text;
        CREST_TRY(subject, defined(*node.kids[0]));
        made.subject = std::move(subject);
        const std::size_t plain = node.kids.size() - node.texts.size();
        for (std::size_t i = 1; i < node.kids.size(); ++i) {
            CREST_TRY(argument, defined(*node.kids[i]));
            if (i < plain)
                made.arguments.push_back(std::move(argument));
            else
                made.named[node.texts[i - plain]] = std::move(argument);
        }
        return node.kind == NodeKind::Filter ? callFilter(made, m_budget) : callMethod(made, m_budget);
    }

    Result<Json> binaryOf(const Node& node) {
        CREST_TRY(left, defined(*node.kids[0]));
        if (node.text == "or" || node.text == "and") {
            if (truth(left) == (node.text == "or"))
                return left;
            return defined(*node.kids[1]);
        }
        CREST_TRY(right, defined(*node.kids[1]));
        return binary(node.text, left, right, m_budget);
    }

    Result<Json> chain(const Node& node) {
        CREST_TRY(left, defined(*node.kids[0]));
        for (std::size_t i = 0; i < node.texts.size(); ++i) {
            CREST_TRY(right, defined(*node.kids[i + 1]));
            CREST_TRY(holds, compare(node.texts[i], left, right));
            if (!holds)
                return Json(false);
            left = std::move(right);
        }
        return Json(true);
    }
};

} // namespace
} // namespace tpl

Result<Template> Template::parse(const std::string& source, const std::string& where) {
    if (source.size() > tpl::kLongestSource)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("a template of {} bytes; the longest is {}", source.size(), tpl::kLongestSource),
                    where);
    CREST_TRY(tokens, tpl::tokenize(source, where));
    CREST_TRY(block, tpl::parseBlock(std::move(tokens), where));
    Template made;
    made.m_block = std::move(block);
    made.m_source = source;
    return made;
}

Result<std::string> Template::text(const Json& variables) const {
    std::string out;
    CREST_CHECK(tpl::Renderer(variables).write(*m_block, out));
    return out;
}

Result<Json> Template::value(const Json& variables) const {
    if (m_block->statements.size() == 1 && m_block->statements[0].kind == tpl::StatementKind::Print)
        return tpl::Renderer(variables).defined(*m_block->statements[0].condition);
    CREST_TRY(out, text(variables));
    return Json(std::move(out));
}

} // namespace crest::data
