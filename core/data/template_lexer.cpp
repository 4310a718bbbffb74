// SPDX-License-Identifier: Apache-2.0
// Source to tokens, with Jinja's rules for white space: `-` beside a tag strips. In suites nothing else does; in chat
// templates a line feed behind a block's tag goes (trim_blocks), and so does what stands in front of one that begins its
// line (lstrip_blocks), unless there is a `+`.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/data/template_parts.h"
#include "core/text/unicode.h"

namespace crest::data::tpl {
namespace {

constexpr std::string_view kTwoSigns[] = {"==", "!=", "<=", ">=", "//", "**"};
constexpr std::string_view kOneSign = "()[]{}.,:|~+-*/%<>=";

bool isNameStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

class Lexer {
public:
    Lexer(std::string_view source, const std::string& where, bool trims)
        : m_rest(source)
        , m_where(where)
        , m_trims(trims) {}

    Result<std::vector<Token>> run() {
        while (!m_rest.empty())
            CREST_CHECK(m_inside == TokenKind::Text ? outside() : inside());
        if (m_inside != TokenKind::Text)
            return problem(m_inside == TokenKind::EndPrint ? "{{ is not closed by }}" : "{% is not closed by %}");
        add(TokenKind::End, "");
        return std::move(m_tokens);
    }

private:
    std::string_view m_rest;
    const std::string& m_where;
    std::vector<Token> m_tokens;
    int m_line = 1;
    TokenKind m_inside = TokenKind::Text; ///< Text, or the token that ends the tag
    bool m_trims;
    bool m_stripNext = false;
    bool m_trimNext = false; ///< one line feed
    bool m_lineBegins = true;

    tl::unexpected<Error> problem(const std::string& what) const {
        return fail(ErrorKind::Malformed, fmt::format("{} (line {} of the template)", what, m_line), m_where);
    }
    void add(TokenKind kind, std::string text) { m_tokens.push_back({kind, std::move(text), m_line}); }
    std::string_view take(std::size_t count) {
        const std::string_view taken = m_rest.substr(0, count);
        m_line += static_cast<int>(std::ranges::count(taken, '\n'));
        m_rest.remove_prefix(taken.size());
        return taken;
    }

    /// Text up to the next tag, and the tag's opening.
    Result<void> outside() {
        std::size_t at = m_rest.find('{');
        while (at != std::string_view::npos && (at + 1 >= m_rest.size() || !std::strchr("{%#", m_rest[at + 1])))
            at = m_rest.find('{', at + 1);
        std::string_view text = take(std::min(at, m_rest.size()));
        if (m_stripNext)
            text = pyLeftStrip(text);
        else if (m_trimNext && text.starts_with('\n'))
            text.remove_prefix(1);
        else
            m_lineBegins = m_lineBegins && !m_trimNext;
        const char sign = m_rest.size() > 2 ? m_rest[2] : ' ';
        const bool strip = sign == '-';
        if (strip)
            text = pyRightStrip(text);
        else if (m_trims && sign != '+' && !m_rest.empty() && m_rest[1] != '{')
            text = withoutIndent(text);
        m_stripNext = m_trimNext = m_lineBegins = false;
        if (!text.empty())
            add(TokenKind::Text, std::string(text));
        if (m_rest.empty())
            return {};
        const char opened = m_rest[1];
        if (const TagEnd begin = lonelyTag("raw", m_rest); begin.size > 0 && begin.sign != '+')
            return raw(begin);
        take(strip || sign == '+' ? 3 : 2);
        if (opened == '#')
            return comment();
        add(opened == '{' ? TokenKind::BeginPrint : TokenKind::BeginTag, "");
        m_inside = opened == '{' ? TokenKind::EndPrint : TokenKind::EndTag;
        return {};
    }

    /// White space between the begin of the line and the tag that follows.
    std::string_view withoutIndent(std::string_view text) const {
        const std::size_t line = text.rfind('\n') + 1; // npos + 1 is 0
        const bool begins = line > 0 || m_lineBegins;
        return begins && pyStrip(text.substr(line)).empty() ? text.substr(0, line) : text;
    }

    /// A tag, or a comment, has ended with this sign in front of its end.
    void closed(char sign, bool trims) {
        m_stripNext = sign == '-';
        m_trimNext = m_lineBegins = trims && sign != '-' && sign != '+';
    }

    /// How long a tag of one word alone is, {%- endraw -%}, and the sign in front of its end; 0 where it is another.
    struct TagEnd {
        std::size_t size = 0;
        char sign = ' ';
    };
    static TagEnd lonelyTag(std::string_view word, std::string_view at) {
        std::string_view rest = at;
        const auto skip = [&](std::string_view any) {
            rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(any)));
        };
        if (!rest.starts_with("{%"))
            return {};
        rest.remove_prefix(2);
        if (rest.starts_with('-') || rest.starts_with('+'))
            rest.remove_prefix(1);
        skip(" \t\n");
        if (!rest.starts_with(word))
            return {};
        rest.remove_prefix(word.size());
        skip(" \t\n");
        const char sign = rest.starts_with('-') || rest.starts_with('+') ? rest.front() : ' ';
        rest.remove_prefix(sign == ' ' ? 0 : 1);
        return rest.starts_with("%}") ? TagEnd{at.size() - rest.size() + 2, sign} : TagEnd{};
    }

    /// What stands between {% raw %} and {% endraw %}: text, whatever it looks like. A line feed behind the first stays.
    Result<void> raw(const TagEnd& begin) {
        take(begin.size);
        std::size_t at = m_rest.find("{%");
        TagEnd end;
        for (; at != std::string_view::npos; at = m_rest.find("{%", at + 2))
            if ((end = lonelyTag("endraw", m_rest.substr(at))).size > 0)
                break;
        if (at == std::string_view::npos)
            return problem("{% endraw %} is missing");
        std::string_view text = take(at);
        if (begin.sign == '-')
            text = pyLeftStrip(text);
        if (m_rest[2] == '-')
            text = pyRightStrip(text);
        else if (m_trims && m_rest[2] != '+')
            text = withoutIndent(text);
        if (!text.empty())
            add(TokenKind::Text, std::string(text));
        take(end.size);
        closed(end.sign, m_trims);
        return {};
    }

    Result<void> comment() {
        const std::size_t end = m_rest.find("#}");
        if (end == std::string_view::npos)
            return problem("{# is not closed by #}");
        closed(end > 0 ? m_rest[end - 1] : ' ', m_trims);
        take(end + 2);
        return {};
    }

    Result<void> inside() {
        const char c = m_rest.front();
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            take(1);
            return {};
        }
        const std::string_view close = m_inside == TokenKind::EndPrint ? "}}" : "%}";
        // A } may close a dictionary as well: }} ends the tag only where none is open.
        const bool block = m_inside == TokenKind::EndTag;
        const bool signs = (c == '-' || (c == '+' && block)) && m_rest.substr(1).starts_with(close);
        if ((signs || m_rest.starts_with(close)) && m_open == 0) {
            take(close.size() + (signs ? 1 : 0));
            add(m_inside, "");
            m_inside = TokenKind::Text;
            closed(signs ? c : ' ', m_trims && block);
            return {};
        }
        if (c == '"' || c == '\'')
            return string(c);
        if (isNameStart(c) || isDigit(c))
            return word();
        for (const std::string_view sign : kTwoSigns)
            if (m_rest.starts_with(sign)) {
                add(TokenKind::Sign, std::string(take(2)));
                return {};
            }
        if (kOneSign.find(c) == std::string_view::npos)
            return problem(
                fmt::format("\"{}\" means nothing here", m_rest.substr(0, text::codePointAt(m_rest, 0).length)));
        m_open += c == '{' || c == '(' || c == '[' ? 1 : c == '}' || c == ')' || c == ']' ? -1 : 0;
        m_open = std::max(m_open, 0);
        add(TokenKind::Sign, std::string(take(1)));
        return {};
    }
    int m_open = 0;

    Result<void> word() {
        std::size_t end = 0;
        const bool number = isDigit(m_rest.front());
        bool point = false;
        while (end < m_rest.size()) {
            const char c = m_rest[end];
            const bool decimal = number && c == '.' && !point && end + 1 < m_rest.size() && isDigit(m_rest[end + 1]);
            if (!isDigit(c) && !decimal && (number || !isNameStart(c)))
                break;
            point |= decimal;
            ++end;
        }
        if (number && end + 1 < m_rest.size() && (m_rest[end] == 'e' || m_rest[end] == 'E')) { // 1e3, 1e-3
            std::size_t digits = end + (m_rest[end + 1] == '-' || m_rest[end + 1] == '+' ? 2 : 1);
            if (digits < m_rest.size() && isDigit(m_rest[digits])) {
                while (digits < m_rest.size() && isDigit(m_rest[digits]))
                    ++digits;
                end = digits;
                point = true;
            }
        }
        add(!number ? TokenKind::Name : point ? TokenKind::Number : TokenKind::Integer, std::string(take(end)));
        return {};
    }

    Result<void> string(char quote) {
        std::string text;
        take(1);
        while (!m_rest.empty() && m_rest.front() != quote) {
            if (m_rest.front() != '\\') {
                text += take(1);
                continue;
            }
            take(1);
            CREST_CHECK(escape(text));
        }
        if (m_rest.empty())
            return problem("a text is not closed by its quotation mark");
        take(1);
        add(TokenKind::String, std::move(text));
        return {};
    }

    Result<void> octal(char32_t value, std::string& text) {
        for (int i = 0; i < 2 && !m_rest.empty() && m_rest.front() >= '0' && m_rest.front() <= '7'; ++i)
            value = 8 * value + static_cast<char32_t>(take(1).front() - '0');
        text::appendUtf8(value, text);
        return {};
    }

    Result<void> escape(std::string& text) {
        if (m_rest.empty())
            return problem("a text is not closed by its quotation mark");
        const char c = take(1).front();
        constexpr std::string_view kFrom = "ntr\\'\"abfv", kTo = "\n\t\r\\'\"\a\b\f\v";
        if (const std::size_t at = kFrom.find(c); at != std::string_view::npos) {
            text += kTo[at];
            return {};
        }
        if (c == '\n') // the line goes on
            return {};
        if (c >= '0' && c <= '7')
            return octal(static_cast<char32_t>(c - '0'), text);
        if (c == 'N')
            return problem("an escape of a character by its name");
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits == 0) { // an unknown escape stays as it is, as in Python
            text += '\\';
            text += c;
            return {};
        }
        char32_t value = 0;
        const std::string_view hex = m_rest.substr(0, digits);
        for (const char digit : hex) {
            const std::size_t at = std::string_view("0123456789abcdefABCDEF").find(digit);
            if (at == std::string_view::npos)
                return problem("an escape without its digits");
            value = value * 16 + static_cast<char32_t>(at < 16 ? at : at - 6);
        }
        if (hex.size() < digits || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
            return problem("an escape that is no character");
        take(digits);
        text::appendUtf8(value, text);
        return {};
    }
};

} // namespace

Result<std::vector<Token>> tokenize(std::string_view source, const std::string& where, TemplateDialect dialect) {
    // Jinja reads every line end as \n; the last one is not kept, but for the harness's tasks.
    std::string lines = pyReplace(pyReplace(source, "\r\n", "\n"), "\r", "\n");
    const bool chat = dialect == TemplateDialect::Chat;
    if (chat && lines.ends_with('\n'))
        lines.pop_back();
    return Lexer(lines, where, chat).run();
}

} // namespace crest::data::tpl
