// SPDX-License-Identifier: Apache-2.0
// Tokens to statements.
#include <algorithm>
#include <utility>

#include "core/data/template_cursor.h"

namespace crest::data::tpl {
namespace {

class Parser : public ExpressionParser {
public:
    using ExpressionParser::ExpressionParser;

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
    Result<Statement> tag(const Token& name) {
        if (name.text == "if")
            return conditional();
        if (name.text == "for")
            return loop();
        if (name.text == "set")
            return assignment();
        if (isChat() && name.text == "macro")
            return macro();
        if (isChat() && name.text == "generation")
            return generation();
        if (isChat() && (name.text == "break" || name.text == "continue"))
            return jump(name.text == "break" ? StatementKind::Break : StatementKind::Continue);
        if (isChat() && name.text == "with")
            return with();
        if (isChat() && name.text == "filter")
            return filterText();
        if (isChat() && name.text == "call")
            return callBlock();
        return problem(fmt::format("the tag \"{}\" is not known; there are if, for and set{}", name.text,
                                   isChat() ? ", macro, with, filter, break, continue and generation" : ""),
                       ErrorKind::Unsupported);
    }

    /// The rest of a tag, the block, and the tag that ends it.
    Result<Block> body(std::initializer_list<std::string_view> ends, std::string& ended) {
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return block(ends, ended);
    }
    Result<Block> lastBody(std::string_view end) {
        std::string ended;
        CREST_TRY(made, body({end}, ended));
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return made;
    }

    Result<Statement> conditional() {
        Statement result;
        result.kind = StatementKind::If;
        CREST_TRY(when, expression());
        result.condition = std::move(when);
        std::string ended;
        CREST_TRY(then, body({"elif", "else", "endif"}, ended));
        result.then = std::move(then);
        if (ended == "elif") {
            CREST_CHECK(deeper());
            CREST_TRY(other, conditional());
            --m_depth;
            result.otherwise.statements.push_back(std::move(other));
            return result; // the inner one took endif
        }
        if (ended == "else") {
            CREST_TRY(otherwise, lastBody("endif"));
            result.otherwise = std::move(otherwise);
            return result;
        }
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return result;
    }

    Result<Statement> loop() {
        Statement result;
        result.kind = StatementKind::For;
        do {
            result.names.push_back(at().text);
            CREST_CHECK(expect(TokenKind::Name, "a name"));
        } while (isChat() && takeSign(","));
        if (!takeName("in"))
            return problem(fmt::format("{} where \"in\" was expected", shown()));
        CREST_TRY(over, orExpression());
        result.condition = std::move(over);
        if (isChat() && takeName("if")) {
            CREST_TRY(chosen, orExpression());
            result.chosen = std::move(chosen);
        }
        if (isName("recursive"))
            return problem("recursive loops are not known", ErrorKind::Unsupported);
        std::string ended;
        ++m_loops;
        CREST_TRY(inside, body({"else", "endfor"}, ended));
        --m_loops;
        result.then = std::move(inside);
        if (ended == "else") {
            CREST_TRY(otherwise, lastBody("endfor"));
            result.otherwise = std::move(otherwise);
            return result;
        }
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return result;
    }

    Result<Statement> assignment() {
        Statement result;
        result.kind = StatementKind::Set;
        result.text = at().text;
        CREST_CHECK(expect(TokenKind::Name, "a name"));
        if (isChat() && takeSign(".")) {
            result.kind = StatementKind::SetField;
            result.names.push_back(at().text);
            CREST_CHECK(expect(TokenKind::Name, "a name"));
        } else if (isChat() && at().kind == TokenKind::EndTag) {
            result.kind = StatementKind::SetText;
            CREST_TRY(inside, lastBody("endset"));
            result.then = std::move(inside);
            return result;
        } else if (isChat() && isSign(",")) {
            result.names.push_back(result.text);
            while (takeSign(",")) {
                result.names.push_back(at().text);
                CREST_CHECK(expect(TokenKind::Name, "a name"));
            }
        }
        CREST_CHECK(expectSign("="));
        CREST_TRY(value, expression());
        result.condition = std::move(value);
        if (isChat() && isSign(",")) {
            CREST_TRY(tuple, node(NodeKind::List));
            tuple->kids.push_back(std::move(result.condition));
            while (takeSign(",")) {
                CREST_TRY(one, expression());
                tuple->kids.push_back(std::move(one));
            }
            result.condition = std::move(tuple);
        }
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return result;
    }

    Result<Statement> macro() {
        if (m_withs > 0) // it would see the names around it, and end with them
            return problem("a macro inside of {% with %} is not known", ErrorKind::Unsupported);
        Statement result;
        result.kind = StatementKind::Macro;
        result.text = at().text;
        CREST_CHECK(expect(TokenKind::Name, "a name"));
        CREST_CHECK(parameters(result));
        const int loops = std::exchange(m_loops, 0);
        CREST_TRY(inside, lastBody("endmacro"));
        m_loops = loops;
        result.then = std::move(inside);
        return result;
    }

    /// (a, b = 1)
    Result<void> parameters(Statement& macro) {
        CREST_CHECK(expectSign("("));
        while (!takeSign(")")) {
            macro.names.push_back(at().text);
            CREST_CHECK(expect(TokenKind::Name, "a name"));
            if (takeSign("=")) {
                CREST_TRY(value, expression());
                macro.defaults.push_back(std::move(value));
            } else if (!macro.defaults.empty()) {
                return problem("a parameter without a value after one with a value");
            }
            if (!isSign(")"))
                CREST_CHECK(expectSign(","));
        }
        return {};
    }

    /// What an assistant wrote: marked for training, here a block like any other.
    Result<Statement> generation() {
        Statement result;
        result.kind = StatementKind::If;
        CREST_TRY(always, node(NodeKind::Literal));
        always->value = true;
        result.condition = std::move(always);
        CREST_TRY(inside, lastBody("endgeneration"));
        result.then = std::move(inside);
        return result;
    }

    /// {% with a = 1, b = c %}: the values do not see each other.
    Result<Statement> with() {
        Statement result;
        result.kind = StatementKind::With;
        while (at().kind != TokenKind::EndTag) {
            if (!result.names.empty())
                CREST_CHECK(expectSign(","));
            result.names.push_back(at().text);
            CREST_CHECK(expect(TokenKind::Name, "a name"));
            if (isSign(","))
                return problem("several names for one value in {% with %} are not known", ErrorKind::Unsupported);
            CREST_CHECK(expectSign("="));
            CREST_TRY(value, expression());
            result.defaults.push_back(std::move(value));
        }
        ++m_withs;
        CREST_TRY(inside, lastBody("endwith"));
        --m_withs;
        result.then = std::move(inside);
        return result;
    }

    /// {% filter trim | upper %}: as if the text had a name, "", which no template can say.
    Result<Statement> filterText() {
        Statement result;
        result.kind = StatementKind::FilterText;
        CREST_TRY(text, node(NodeKind::Name));
        int chained = 0;
        do {
            if (++chained > kMaxDepth)
                return problem(fmt::format("more than {} filters in a row", kMaxDepth));
            CREST_TRY(filtered, filter(std::move(text)));
            text = std::move(filtered);
        } while (takeSign("|"));
        result.condition = std::move(text);
        CREST_TRY(inside, lastBody("endfilter"));
        result.then = std::move(inside);
        return result;
    }

    /// {% call(a) f(b) %}: not in the language, which is said once it is reached.
    Result<Statement> callBlock() {
        Statement result;
        result.kind = StatementKind::Print;
        CREST_TRY(lacking, unknown("the tag \"call\" is not known"));
        result.condition = std::move(lacking);
        Statement unused;
        if (isSign("("))
            CREST_CHECK(parameters(unused));
        CREST_TRY(called, expression());
        if (called->kind != NodeKind::Function && called->kind != NodeKind::Unknown && called->kind != NodeKind::Method)
            return problem("{% call %} of what is no macro");
        CREST_CHECK(lastBody("endcall"));
        return result;
    }

    Result<Statement> jump(StatementKind kind) {
        if (m_loops == 0)
            return problem("break and continue stand inside of loops");
        Statement result;
        result.kind = kind;
        CREST_CHECK(expect(TokenKind::EndTag, "%}"));
        return result;
    }

    int m_loops = 0, m_withs = 0;
};

} // namespace

Result<std::unique_ptr<Block>> parseBlock(std::vector<Token> tokens, const std::string& where,
                                          TemplateDialect dialect) {
    std::string ended;
    CREST_TRY(block, Parser(std::move(tokens), where, dialect).block({}, ended));
    return std::make_unique<Block>(std::move(block));
}

} // namespace crest::data::tpl
