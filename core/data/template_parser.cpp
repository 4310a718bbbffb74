// SPDX-License-Identifier: Apache-2.0
// Tokens to tree. Precedence as in Jinja: if-else, or, and, not, comparisons, + -, ~, * / // %, sign, then postfixes
// (. [] () | is).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/data/template_parts.h"

namespace crest::data::tpl {
namespace {

constexpr int kMaxDepth = 48;
constexpr int kMaxNodes = 5000;
constexpr int kMaxOperands = 200;

using Kid = std::unique_ptr<Node>;

class Parser {
public:
    Parser(std::vector<Token> tokens, const std::string& where)
        : m_tokens(std::move(tokens))
        , m_where(where) {}

    /// Up to the end, or to a tag named in `ends`, whose name is left in `endedBy`.
    Result<Block> block(std::initializer_list<std::string_view> ends, std::string& endedBy) {
        Block result;
        CREST_CHECK(deeper());
        while (at().kind != TokenKind::End) {
            if (at().kind == TokenKind::Text) {
                Statement& text = result.statements.emplace_back();
                text.text = next().text;
                continue;
            }
            if (at().kind == TokenKind::BeginPrint) {
                next();
                Statement print;
                print.kind = StatementKind::Print;
                CREST_TRY(what, expression());
                print.condition = std::move(what);
                CREST_CHECK(expect(TokenKind::EndPrint, "}}"));
                result.statements.push_back(std::move(print));
                continue;
            }
            next(); // BeginTag
            const Token name = next();
            if (std::ranges::find(ends, name.text) != ends.end()) {
                endedBy = name.text;
                --m_depth;
                return result;
            }
            CREST_TRY(statement, tag(name));
            result.statements.push_back(std::move(statement));
        }
        if (ends.size() > 0)
            return problem(fmt::format("{{% {} %}} is missing", *(ends.end() - 1)));
        --m_depth;
        return result;
    }

private:
    std::vector<Token> m_tokens;
    const std::string& m_where;
    std::size_t m_at = 0;
    int m_depth = 0, m_nodes = 0;

    const Token& at() const { return m_tokens[m_at]; }
    Token next() { return m_tokens[m_at + 1 < m_tokens.size() ? m_at++ : m_at]; }
    bool isSign(std::string_view sign) const { return at().kind == TokenKind::Sign && at().text == sign; }
    bool isName(std::string_view name) const { return at().kind == TokenKind::Name && at().text == name; }
    bool takeSign(std::string_view sign) { return isSign(sign) && (next(), true); }
    bool takeName(std::string_view name) { return isName(name) && (next(), true); }

    tl::unexpected<Error> problem(const std::string& what, ErrorKind kind = ErrorKind::Malformed) const {
        return fail(kind, fmt::format("{} (line {} of the template)", what, at().line), m_where);
    }
    std::string shown() const {
        switch (at().kind) {
        case TokenKind::End:
            return "the end";
        case TokenKind::EndPrint:
            return "}}";
        case TokenKind::EndTag:
            return "%}";
        default:
            return "\"" + at().text + "\"";
        }
    }
    Result<void> expect(TokenKind kind, const char* what) {
        if (at().kind != kind)
            return problem(fmt::format("{} where {} was expected", shown(), what));
        next();
        return {};
    }
    Result<void> expectSign(std::string_view sign) {
        if (!takeSign(sign))
            return problem(fmt::format("{} where \"{}\" was expected", shown(), sign));
        return {};
    }
    Result<void> deeper() {
        if (++m_depth > kMaxDepth)
            return problem(fmt::format("nested deeper than {} levels", kMaxDepth));
        return {};
    }
    Result<Kid> node(NodeKind kind, std::string text = {}) {
        if (++m_nodes > kMaxNodes)
            return problem(fmt::format("more than {} parts", kMaxNodes));
        auto made = std::make_unique<Node>();
        made->kind = kind;
        made->line = at().line;
        made->text = std::move(text);
        return made;
    }
    Result<Kid> pair(NodeKind kind, std::string text, Kid left, Kid right) {
        CREST_TRY(made, node(kind, std::move(text)));
        made->kids.push_back(std::move(left));
        made->kids.push_back(std::move(right));
        return made;
    }

    Result<Statement> tag(const Token& name) {
        if (name.text == "if")
            return conditional();
        if (name.text == "for")
            return loop();
        if (name.text == "set")
            return assignment();
        return problem(fmt::format("the tag \"{}\" is not known; there are if, for and set", name.text),
                       ErrorKind::Unsupported);
    }

    Result<Statement> conditional() {
        Statement result;
        result.kind = StatementKind::If;
        CREST_TRY(when, expression());
        result.condition = std::move(when);
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        std::string ended;
        CREST_TRY(then, block({"elif", "else", "endif"}, ended));
        result.then = std::move(then);
        if (ended == "elif") {
            CREST_CHECK(deeper());
            CREST_TRY(other, conditional());
            --m_depth;
            result.otherwise.statements.push_back(std::move(other));
            return result; // the inner one took endif
        }
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        if (ended == "else") {
            CREST_TRY(otherwise, block({"endif"}, ended));
            result.otherwise = std::move(otherwise);
            CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        }
        return result;
    }

    Result<Statement> loop() {
        Statement result;
        result.kind = StatementKind::For;
        result.text = at().text;
        CREST_CHECK(expect(TokenKind::Name, "a name"));
        if (!takeName("in"))
            return problem(fmt::format("{} where \"in\" was expected", shown()));
        CREST_TRY(over, orExpression());
        result.condition = std::move(over);
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        std::string ended;
        CREST_TRY(body, block({"else", "endfor"}, ended));
        result.then = std::move(body);
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        if (ended == "else") {
            CREST_TRY(otherwise, block({"endfor"}, ended));
            result.otherwise = std::move(otherwise);
            CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        }
        return result;
    }

    Result<Statement> assignment() {
        Statement result;
        result.kind = StatementKind::Set;
        result.text = at().text;
        CREST_CHECK(expect(TokenKind::Name, "a name"));
        CREST_CHECK(expectSign("="));
        CREST_TRY(value, expression());
        result.condition = std::move(value);
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return result;
    }

    Result<Kid> expression() {
        CREST_CHECK(deeper());
        CREST_TRY(result, orExpression());
        while (takeName("if")) {
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

    using Level = Result<Kid> (Parser::*)();
    Result<Kid> leftToRight(std::initializer_list<std::string_view> operators, Level below) {
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
    Result<Kid> orExpression() { return leftToRight({"or"}, &Parser::andExpression); }
    Result<Kid> andExpression() { return leftToRight({"and"}, &Parser::notExpression); }
    Result<Kid> notExpression() {
        if (!takeName("not"))
            return comparison();
        CREST_CHECK(deeper());
        CREST_TRY(made, node(NodeKind::Not));
        CREST_TRY(inner, notExpression());
        --m_depth;
        made->kids.push_back(std::move(inner));
        return made;
    }
    Result<Kid> comparison() {
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
    Result<Kid> sum() { return leftToRight({"+", "-"}, &Parser::joined); }
    Result<Kid> joined() { return leftToRight({"~"}, &Parser::product); }
    Result<Kid> product() { return leftToRight({"*", "/", "//", "%"}, &Parser::signedValue); }
    Result<Kid> signedValue() {
        if (isSign("-") || isSign("+")) {
            const bool minus = next().text == "-";
            CREST_CHECK(deeper());
            CREST_TRY(inner, signedValue());
            --m_depth;
            if (!minus)
                return inner;
            CREST_TRY(made, node(NodeKind::Negate));
            made->kids.push_back(std::move(inner));
            return made;
        }
        CREST_TRY(result, primary());
        return postfixes(std::move(result));
    }

    Result<Kid> postfixes(Kid result) {
        int chained = 0;
        while (true) {
            if (++chained > kMaxDepth)
                return problem(fmt::format("more than {} filters and fields in a row", kMaxDepth));
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
                return problem("functions cannot be called, only methods of values", ErrorKind::Unsupported);
            } else {
                return result;
            }
        }
    }

    Result<Kid> dotted(Kid subject) {
        if (at().kind == TokenKind::Integer) { // choices.0
            CREST_TRY(index, primary());
            return pair(NodeKind::Index, "", std::move(subject), std::move(index));
        }
        const std::string name = at().text;
        CREST_CHECK(expect(TokenKind::Name, "a name"));
        const bool call = isSign("(");
        if (call && !isMethod(name))
            return problem(fmt::format("the method \"{}\" is not known", name), ErrorKind::Unsupported);
        CREST_TRY(made, node(call ? NodeKind::Method : NodeKind::Attribute, name));
        made->kids.push_back(std::move(subject));
        if (call)
            CREST_CHECK(arguments(*made));
        return made;
    }

    Result<Kid> subscript(Kid subject) {
        Kid first;
        Kid last;
        if (!isSign(":")) {
            CREST_TRY(from, expression());
            first = std::move(from);
        }
        if (takeSign("]"))
            return pair(NodeKind::Index, "", std::move(subject), std::move(first));
        CREST_CHECK(expectSign(":"));
        if (!isSign("]")) {
            CREST_TRY(to, expression());
            last = std::move(to);
        }
        if (isSign(":"))
            return problem("slices with a step are not known", ErrorKind::Unsupported);
        CREST_CHECK(expectSign("]"));
        CREST_TRY(made, pair(NodeKind::Slice, "", std::move(subject), std::move(first)));
        made->kids.push_back(std::move(last));
        return made;
    }

    Result<Kid> filter(Kid subject) {
        const std::string name = at().text;
        CREST_CHECK(expect(TokenKind::Name, "the name of a filter"));
        if (!isFilter(name))
            return problem(fmt::format("the filter \"{}\" is not known", name), ErrorKind::Unsupported);
        CREST_TRY(made, node(NodeKind::Filter, name));
        made->kids.push_back(std::move(subject));
        if (isSign("("))
            CREST_CHECK(arguments(*made));
        return made;
    }

    Result<Kid> test(Kid subject) {
        const bool negated = takeName("not");
        const std::string name = at().text;
        CREST_CHECK(expect(TokenKind::Name, "the name of a test"));
        if (!isTest(name))
            return problem(fmt::format("the test \"{}\" is not known", name), ErrorKind::Unsupported);
        CREST_TRY(made, node(NodeKind::Test, name));
        made->flag = negated;
        made->kids.push_back(std::move(subject));
        return made;
    }

    /// ( expression, name = expression, ... )
    Result<void> arguments(Node& call) {
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

    Result<Kid> primary() {
        const Token token = at();
        if (token.kind == TokenKind::Name)
            return word();
        if (token.kind == TokenKind::String || token.kind == TokenKind::Integer || token.kind == TokenKind::Number)
            return literal();
        if (takeSign("(")) {
            CREST_TRY(inner, expression());
            CREST_CHECK(expectSign(")"));
            return inner;
        }
        if (takeSign("["))
            return items(NodeKind::List, "]");
        if (takeSign("{"))
            return items(NodeKind::Dict, "}");
        return problem(fmt::format("{} where a value was expected", shown()));
    }

    Result<Kid> word() {
        const std::string name = next().text;
        const bool yes = name == "true" || name == "True";
        if (!yes && name != "false" && name != "False" && name != "none" && name != "None")
            return node(NodeKind::Name, name);
        CREST_TRY(made, node(NodeKind::Literal));
        made->value = name == "none" || name == "None" ? Json() : Json(yes);
        return made;
    }

    Result<Kid> literal() {
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

    Result<Kid> items(NodeKind kind, std::string_view close) {
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
};

} // namespace

Result<std::unique_ptr<Block>> parseBlock(std::vector<Token> tokens, const std::string& where) {
    std::string ended;
    CREST_TRY(block, Parser(std::move(tokens), where).block({}, ended));
    return std::make_unique<Block>(std::move(block));
}

} // namespace crest::data::tpl
