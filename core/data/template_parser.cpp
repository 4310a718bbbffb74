// SPDX-License-Identifier: Apache-2.0
// Tokens to statements.
#include <algorithm>

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
};

} // namespace

Result<std::unique_ptr<Block>> parseBlock(std::vector<Token> tokens, const std::string& where) {
    std::string ended;
    CREST_TRY(block, Parser(std::move(tokens), where).block({}, ended));
    return std::make_unique<Block>(std::move(block));
}

} // namespace crest::data::tpl
