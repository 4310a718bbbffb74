// SPDX-License-Identifier: Apache-2.0
// Inside of template.h: a place in the tokens, with limits, and what both halves of the parser need.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/data/template_parts.h"

namespace crest::data::tpl {

inline constexpr int kMaxDepth = 48;
inline constexpr int kMaxNodes = 5000, kMaxChatNodes = 20'000;
inline constexpr int kMaxOperands = 200;

using Kid = std::unique_ptr<Node>;

class TokenCursor {
public:
    TokenCursor(std::vector<Token> tokens, const std::string& where, TemplateDialect dialect)
        : m_tokens(std::move(tokens))
        , m_where(where)
        , m_dialect(dialect) {}

    std::vector<Token> m_tokens;
    const std::string& m_where;
    TemplateDialect m_dialect;
    std::size_t m_at = 0;
    int m_depth = 0, m_nodes = 0;

    bool isChat() const { return m_dialect == TemplateDialect::Chat; }

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
        const int most = isChat() ? kMaxChatNodes : kMaxNodes;
        if (++m_nodes > most)
            return problem(fmt::format("more than {} parts", most));
        auto made = std::make_unique<Node>();
        made->kind = kind;
        made->line = at().line;
        made->text = std::move(text);
        return made;
    }
    /// What the language lacks: of a task an error at once, of a chat template once it is reached.
    Result<Kid> unknown(const std::string& what) {
        const auto error = problem(what, ErrorKind::Unsupported);
        if (!isChat())
            return error;
        return node(NodeKind::Unknown, error.value().message);
    }
    Result<Kid> pair(NodeKind kind, std::string text, Kid left, Kid right) {
        CREST_TRY(made, node(kind, std::move(text)));
        made->kids.push_back(std::move(left));
        made->kids.push_back(std::move(right));
        return made;
    }
};

/// Values. Precedence as in Jinja: if-else, or, and, not, comparisons, + -, ~, * / // %, **, sign, then postfixes
/// (. [] () | is). A tuple is a list.
class ExpressionParser : public TokenCursor {
public:
    using TokenCursor::TokenCursor;
    Result<Kid> expression();

protected:
    Result<Kid> orExpression();
    Result<Kid> filter(Kid subject);

private:
    using Level = Result<Kid> (ExpressionParser::*)();
    Result<Kid> leftToRight(std::initializer_list<std::string_view> operators, Level below);
    Result<Kid> andExpression();
    Result<Kid> notExpression();
    Result<Kid> comparison();
    Result<Kid> sum();
    Result<Kid> joined();
    Result<Kid> product();
    Result<Kid> power();
    Result<Kid> signedValue();
    Result<Kid> withoutFilters();
    Result<Kid> postfixes(Kid result, bool filters);
    Result<Kid> dotted(Kid subject);
    Result<Kid> subscript(Kid subject);
    Result<Kid> call(Kid callee);
    Result<Kid> test(Kid subject);
    bool beginsArgument() const;
    /// ( expression, name = expression, ... )
    Result<void> arguments(Node& call);
    Result<Kid> primary();
    Result<Kid> word();
    Result<Kid> literal();
    Result<Kid> items(NodeKind kind, std::string_view close);
    Result<Kid> parenthesis();
};

} // namespace crest::data::tpl
