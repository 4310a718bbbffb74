// SPDX-License-Identifier: Apache-2.0
// Tokens to values.
#include <algorithm>
#include <charconv>

#include "core/data/template_cursor.h"

namespace crest::data::tpl {

Result<Kid> ExpressionParser::expression() {
    CREST_CHECK(deeper());
    CREST_TRY(result, orExpression());
    int choices = 0;
    while (takeName("if")) {
        if (++choices > kMaxDepth)
            return problem(fmt::format("more than {} \"if\" in a row", kMaxDepth));
        CREST_TRY(either, node(NodeKind::Either));
        CREST_TRY(when, orExpression());
        Kid otherwise;
        if (takeName("else")) {
            CREST_TRY(other, expression());
            otherwise = std::move(other);
        }
        either->kids.push_back(std::move(when));
        either->kids.push_back(std::move(result));
        either->kids.push_back(std::move(otherwise));
        result = std::move(either);
    }
    --m_depth;
    return result;
}

Result<Kid> ExpressionParser::leftToRight(std::initializer_list<std::string_view> operators, Level below) {
    CREST_TRY(left, (this->*below)());
    int operands = 1;
    while ((at().kind == TokenKind::Sign || at().kind == TokenKind::Name) &&
           std::ranges::find(operators, at().text) != operators.end()) {
        if (++operands > kMaxOperands)
            return problem(fmt::format("more than {} values in a row", kMaxOperands));
        const std::string sign = next().text;
        CREST_TRY(right, (this->*below)());
        CREST_TRY(both, pair(NodeKind::Binary, sign, std::move(left), std::move(right)));
        left = std::move(both);
    }
    return left;
}

Result<Kid> ExpressionParser::orExpression() {
    return leftToRight({"or"}, &ExpressionParser::andExpression);
}

Result<Kid> ExpressionParser::andExpression() {
    return leftToRight({"and"}, &ExpressionParser::notExpression);
}

Result<Kid> ExpressionParser::notExpression() {
    if (!takeName("not"))
        return comparison();
    CREST_CHECK(deeper());
    CREST_TRY(made, node(NodeKind::Not));
    CREST_TRY(inner, notExpression());
    --m_depth;
    made->kids.push_back(std::move(inner));
    return made;
}

Result<Kid> ExpressionParser::comparison() {
    CREST_TRY(left, sum());
    CREST_TRY(chain, node(NodeKind::Chain));
    chain->kids.push_back(std::move(left));
    while (true) {
        std::string sign;
        if (at().kind == TokenKind::Sign &&
            (at().text == "==" || at().text == "!=" || at().text[0] == '<' || at().text[0] == '>')) {
            sign = next().text;
        } else if (takeName("in")) {
            sign = "in";
        } else if (isName("not") && m_tokens[m_at + 1].text == "in") {
            next();
            next();
            sign = "not in";
        } else {
            break;
        }
        CREST_TRY(right, sum());
        chain->texts.push_back(sign);
        chain->kids.push_back(std::move(right));
    }
    if (chain->texts.empty())
        return std::move(chain->kids.front());
    return chain;
}

Result<Kid> ExpressionParser::sum() {
    return leftToRight({"+", "-"}, &ExpressionParser::joined);
}

Result<Kid> ExpressionParser::joined() {
    return leftToRight({"~"}, &ExpressionParser::product);
}

Result<Kid> ExpressionParser::product() {
    return leftToRight({"*", "/", "//", "%"}, &ExpressionParser::power);
}

Result<Kid> ExpressionParser::power() {
    return leftToRight({"**"}, &ExpressionParser::signedValue);
}

/// A sign stands in front of fields and calls, and inside of filters and tests: -x.y | abs is abs(-(x.y)).
Result<Kid> ExpressionParser::signedValue() {
    CREST_TRY(result, withoutFilters());
    return postfixes(std::move(result), true);
}

Result<Kid> ExpressionParser::withoutFilters() {
    if (!isSign("-") && !isSign("+")) {
        CREST_TRY(result, primary());
        return postfixes(std::move(result), false);
    }
    const bool minus = next().text == "-";
    CREST_CHECK(deeper());
    CREST_TRY(inner, withoutFilters());
    --m_depth;
    if (!minus)
        return inner;
    CREST_TRY(made, node(NodeKind::Negate));
    made->kids.push_back(std::move(inner));
    return made;
}

Result<Kid> ExpressionParser::postfixes(Kid result, bool filters) {
    int chained = 0;
    while (true) {
        if (++chained > kMaxDepth)
            return problem(fmt::format("more than {} filters and fields in a row", kMaxDepth));
        if (!filters && (isSign("|") || isName("is")))
            return result;
        if (takeSign(".")) {
            CREST_TRY(field, dotted(std::move(result)));
            result = std::move(field);
        } else if (takeSign("[")) {
            CREST_TRY(element, subscript(std::move(result)));
            result = std::move(element);
        } else if (takeSign("|")) {
            CREST_TRY(filtered, filter(std::move(result)));
            result = std::move(filtered);
        } else if (takeName("is")) {
            CREST_TRY(tested, test(std::move(result)));
            result = std::move(tested);
        } else if (isSign("(")) {
            CREST_TRY(called, call(std::move(result)));
            result = std::move(called);
        } else {
            return result;
        }
    }
}

Result<Kid> ExpressionParser::dotted(Kid subject) {
    if (at().kind == TokenKind::Integer) { // choices.0
        CREST_TRY(index, primary());
        return pair(NodeKind::Index, "", std::move(subject), std::move(index));
    }
    const std::string name = at().text;
    CREST_CHECK(expect(TokenKind::Name, "a name"));
    const bool called = isSign("(");
    CREST_TRY(made, !called                     ? node(NodeKind::Attribute, name)
                    : isMethod(name, m_dialect) ? node(NodeKind::Method, name)
                                                : unknown(fmt::format("the method \"{}\" is not known", name)));
    made->kids.push_back(std::move(subject));
    if (called)
        CREST_CHECK(arguments(*made));
    return made;
}

Result<Kid> ExpressionParser::call(Kid callee) {
    const bool named = isChat() && callee->kind == NodeKind::Name;
    CREST_TRY(made, named ? node(NodeKind::Function, callee->text)
                          : unknown("functions cannot be called, only methods of values"));
    CREST_CHECK(arguments(*made));
    return made;
}

Result<Kid> ExpressionParser::subscript(Kid subject) {
    Kid bounds[3];
    std::size_t colons = 0;
    while (!isSign("]")) {
        if (takeSign(":")) {
            if (++colons > 2)
                return problem("a slice of more than three parts");
            continue;
        }
        if (bounds[colons])
            return problem(fmt::format("{} where \"]\" was expected", shown()));
        CREST_TRY(bound, expression());
        bounds[colons] = std::move(bound);
    }
    if (colons == 0 && !bounds[0])
        return problem(fmt::format("{} where a value was expected", shown()));
    next(); // ]
    if (colons == 0)
        return pair(NodeKind::Index, "", std::move(subject), std::move(bounds[0]));
    CREST_TRY(made, pair(NodeKind::Slice, "", std::move(subject), std::move(bounds[0])));
    made->kids.push_back(std::move(bounds[1]));
    made->kids.push_back(std::move(bounds[2]));
    return made;
}

Result<Kid> ExpressionParser::filter(Kid subject) {
    const std::string name = at().text;
    CREST_CHECK(expect(TokenKind::Name, "the name of a filter"));
    CREST_TRY(made, isFilter(name, m_dialect) ? node(NodeKind::Filter, name)
                                              : unknown(fmt::format("the filter \"{}\" is not known", name)));
    made->kids.push_back(std::move(subject));
    if (isSign("("))
        CREST_CHECK(arguments(*made));
    return made;
}

Result<Kid> ExpressionParser::test(Kid subject) {
    const bool negated = takeName("not");
    const std::string name = at().text;
    CREST_CHECK(expect(TokenKind::Name, "the name of a test"));
    const bool known = isTest(name, m_dialect);
    CREST_TRY(made, known ? node(NodeKind::Test, name) : unknown(fmt::format("the test \"{}\" is not known", name)));
    made->flag = negated;
    made->kids.push_back(std::move(subject));
    if (isSign("(")) {
        CREST_CHECK(arguments(*made));
    } else if (beginsArgument()) {
        if (isName("is"))
            return problem("two tests in a row");
        CREST_TRY(argument, primary());
        CREST_TRY(whole, postfixes(std::move(argument), false));
        made->kids.push_back(std::move(whole));
    }
    if (known && made->kids.size() != (testTakesValue(name) ? 2 : 1))
        return problem(fmt::format("the test \"{}\" with another number of values (what follows it at once is one: put the test into brackets)", name));
    return made;
}

/// Whatever could be a value behind a test is its argument to Jinja, `if` included.
bool ExpressionParser::beginsArgument() const {
    const TokenKind kind = at().kind;
    if (kind == TokenKind::Name)
        return !isName("else") && !isName("or") && !isName("and");
    return kind == TokenKind::String || kind == TokenKind::Integer || kind == TokenKind::Number || isSign("[") || isSign("{");
}

Result<void> ExpressionParser::arguments(Node& call) {
    CREST_CHECK(expectSign("("));
    while (!takeSign(")")) {
        if (at().kind == TokenKind::Name && m_tokens[m_at + 1].text == "=" &&
            m_tokens[m_at + 1].kind == TokenKind::Sign) {
            call.texts.push_back(next().text);
            next();
        } else if (!call.texts.empty()) {
            return problem("an argument without a name after one with a name");
        }
        CREST_TRY(argument, expression());
        call.kids.push_back(std::move(argument));
        if (!isSign(")"))
            CREST_CHECK(expectSign(","));
    }
    return {};
}

Result<Kid> ExpressionParser::primary() {
    const Token token = at();
    if (token.kind == TokenKind::Name)
        return word();
    if (token.kind == TokenKind::String || token.kind == TokenKind::Integer || token.kind == TokenKind::Number)
        return literal();
    if (takeSign("("))
        return parenthesis();
    if (takeSign("["))
        return items(NodeKind::List, "]");
    if (takeSign("{"))
        return items(NodeKind::Dict, "}");
    return problem(fmt::format("{} where a value was expected", shown()));
}

Result<Kid> ExpressionParser::parenthesis() {
    CREST_TRY(tuple, node(NodeKind::List));
    bool commas = false;
    while (!takeSign(")")) {
        CREST_TRY(item, expression());
        tuple->kids.push_back(std::move(item));
        if (!isSign(")")) {
            CREST_CHECK(expectSign(","));
            commas = true;
        }
    }
    if (commas || tuple->kids.empty())
        return tuple;
    return std::move(tuple->kids.front());
}

Result<Kid> ExpressionParser::word() {
    const std::string name = next().text;
    const bool yes = name == "true" || name == "True";
    if (!yes && name != "false" && name != "False" && name != "none" && name != "None")
        return node(NodeKind::Name, name);
    CREST_TRY(made, node(NodeKind::Literal));
    made->value = name == "none" || name == "None" ? Json() : Json(yes);
    return made;
}

Result<Kid> ExpressionParser::literal() {
    const Token token = next();
    CREST_TRY(made, node(NodeKind::Literal));
    if (token.kind == TokenKind::String) {
        std::string text = token.text;
        while (at().kind == TokenKind::String) // "a" "b" is "ab"
            text += next().text;
        made->value = text;
        return made;
    }
    const char* end = token.text.data() + token.text.size();
    if (token.kind == TokenKind::Integer) {
        std::int64_t number = 0;
        if (std::from_chars(token.text.data(), end, number).ec != std::errc())
            return problem(fmt::format("the number {} does not fit 64 bits", token.text.substr(0, 40)));
        made->value = number;
        return made;
    }
    double number = 0;
    std::from_chars(token.text.data(), end, number);
    made->value = number;
    return made;
}

Result<Kid> ExpressionParser::items(NodeKind kind, std::string_view close) {
    CREST_TRY(made, node(kind));
    while (!takeSign(close)) {
        CREST_TRY(item, expression());
        made->kids.push_back(std::move(item));
        if (kind == NodeKind::Dict) {
            CREST_CHECK(expectSign(":"));
            CREST_TRY(value, expression());
            made->kids.push_back(std::move(value));
        }
        if (!isSign(close))
            CREST_CHECK(expectSign(","));
    }
    return made;
}

} // namespace crest::data::tpl
