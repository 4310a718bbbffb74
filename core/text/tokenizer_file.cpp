// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace crest::text::detail {
namespace {

/// Skips over JSON text without understanding it; broken text only has to end somewhere.
class Skipper {
public:
    explicit Skipper(std::string_view text)
        : m_text(text) {}

    std::size_t longestString() const { return m_longest; }
    bool atEnd() const { return m_at >= m_text.size(); }
    char peek() {
        while (!atEnd() && std::string_view(" \t\r\n").find(m_text[m_at]) != std::string_view::npos)
            ++m_at;
        return atEnd() ? '\0' : m_text[m_at];
    }
    bool take(char c) {
        const bool there = peek() == c;
        m_at += there ? 1 : 0;
        return there;
    }
    /// The bytes between quotes, escapes as they are.
    std::optional<std::string_view> string() {
        if (!take('"'))
            return std::nullopt;
        const std::size_t begin = m_at;
        for (; !atEnd(); ++m_at) {
            if (m_text[m_at] == '\\')
                ++m_at;
            else if (m_text[m_at] == '"')
                return noted(m_text.substr(begin, m_at++ - begin));
        }
        noted(m_text.substr(begin));
        return std::nullopt;
    }
    std::string_view value() {
        const char first = peek();
        const std::size_t begin = m_at;
        if (first == '"') {
            string();
        } else if (first != '{' && first != '[') {
            m_at = std::min(m_text.find_first_of(",]}", m_at), m_text.size());
        } else {
            std::size_t depth = 0;
            do {
                const char c = m_text[m_at];
                if (c == '"') {
                    string();
                    continue;
                }
                depth += c == '{' || c == '[' ? 1U : 0U;
                depth -= c == '}' || c == ']' ? 1U : 0U;
                ++m_at;
            } while (depth > 0 && !atEnd());
        }
        m_at = std::min(m_at, m_text.size());
        return m_text.substr(begin, m_at - begin);
    }

private:
    std::string_view noted(std::string_view string) {
        m_longest = std::max(m_longest, string.size());
        return string;
    }
    std::string_view m_text;
    std::size_t m_at = 0;
    std::size_t m_longest = 0;
};

/// The values of an object's members, by key as written. Gives the length of the longest string in it.
template<class Visit> std::size_t visitMembers(std::string_view object, Visit&& visit) {
    Skipper skipper(object);
    if (!skipper.take('{')) {
        skipper.value();
        return skipper.longestString();
    }
    do {
        const std::optional<std::string_view> key = skipper.string();
        if (!key || !skipper.take(':'))
            break;
        visit(*key, skipper.value());
    } while (skipper.take(','));
    return skipper.longestString();
}

/// An upper bound of the values in a JSON text, so that a hostile one is refused before memory is spent on it.
std::size_t countValues(std::string_view text) {
    std::size_t count = 1;
    bool inString = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (inString) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                inString = false;
        } else if (c == '"') {
            inString = true;
        } else if (c == ',' || c == '[' || c == '{') {
            ++count;
        }
    }
    return count;
}

/// Integers of 19 digits and more as reals: transformers writes 10 to the 30 for "no limit" as an integer, which strict
/// JSON refuses.
std::string withLongIntegersAsReals(std::string_view text) {
    std::string out;
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '"') {
            for (++at; at < text.size() && text[at] != '"'; ++at)
                at += text[at] == '\\' ? 1U : 0U;
            ++at;
            continue;
        }
        const std::size_t end = std::min(text.find_first_not_of("+-.0123456789eE", at), text.size());
        const std::string_view number = text.substr(at, end - at);
        if (number.size() >= 19 && number.find_first_not_of("-0123456789") == std::string_view::npos) {
            out += text.substr(done, end - done);
            out += ".0";
            done = end;
        }
        at = std::max(end, at + 1);
    }
    return out.empty() ? std::string(text) : out + std::string(text.substr(done));
}

/// Events of one section; each kind of section overrides what it allows. A refusal is kept in `problem`.
class SectionHandler : public nlohmann::json_sax<Json> {
public:
    std::string problem;

    bool null() override { return unexpected("null"); }
    bool boolean(bool) override { return unexpected("true or false"); }
    bool number_integer(number_integer_t value) override { return unexpected(std::to_string(value)); }
    bool number_unsigned(number_unsigned_t value) override { return unexpected(std::to_string(value)); }
    bool number_float(number_float_t, const string_t& text) override { return unexpected(text.substr(0, 40)); }
    bool string(string_t& value) override { return unexpected(fmt::format("\"{}\"", value.substr(0, 60))); }
    bool binary(binary_t&) override { return unexpected("binary data"); }
    bool start_object(std::size_t) override { return unexpected("an object"); }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return unexpected("a list"); }
    bool end_array() override { return true; }
    bool key(string_t& name) override { return unexpected(name.substr(0, 60)); }
    bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
        return refuse(fmt::format("{} is not valid JSON at its byte {}", m_name, at));
    }

protected:
    explicit SectionHandler(const char* name)
        : m_name(name) {}
    bool refuse(std::string why) {
        problem = std::move(why);
        return false;
    }
    virtual bool unexpected(const std::string& what) { return refuse(fmt::format("{} in {}", what, m_name)); }
    const char* m_name;
};

bool addToken(TokenTable& table, std::string_view token, std::int32_t id, std::string& problem) {
    if (table.size() >= kMaxTokens)
        problem = fmt::format("more than {} tokens", kMaxTokens);
    else if (const auto added = table.insert(token, id); added == TokenTable::Added::IdTwice)
        problem = fmt::format("two tokens have the id {}", id);
    else if (added == TokenTable::Added::TokenTwice)
        problem = fmt::format("the token \"{}\" occurs twice", token.substr(0, 60));
    return problem.empty();
}

class VocabularyHandler final : public SectionHandler {
public:
    explicit VocabularyHandler(TokenTable& table)
        : SectionHandler("the vocabulary")
        , m_table(table) {}

    bool start_object(std::size_t) override { return m_inside ? unexpected("an object") : (m_inside = true); }
    bool key(string_t& name) override {
        m_token = name;
        return true;
    }
    bool number_unsigned(number_unsigned_t value) override {
        if (!m_inside || value > static_cast<number_unsigned_t>(kMaxId))
            return unexpected(std::to_string(value));
        return addToken(m_table, m_token, static_cast<std::int32_t>(value), problem);
    }

private:
    bool unexpected(const std::string& what) override {
        if (!m_inside)
            return refuse("the model has no \"vocab\" of tokens and ids");
        return refuse(
            fmt::format("the id of token \"{}\" is {}, it must be from 0 to {}", m_token.substr(0, 60), what, kMaxId));
    }
    TokenTable& m_table;
    std::string m_token;
    bool m_inside = false;
};

class ScoredVocabularyHandler final : public SectionHandler {
public:
    ScoredVocabularyHandler(TokenTable& table, std::vector<double>& scores)
        : SectionHandler("the vocabulary")
        , m_table(table)
        , m_scores(scores) {}

    bool start_array(std::size_t) override {
        m_part = 0;
        return ++m_depth <= 2 || unexpected("a list");
    }
    bool end_array() override { return --m_depth == 0 || m_part == 2 || unexpected("a short list"); }
    bool string(string_t& value) override {
        if (m_depth != 2 || m_part != 0)
            return unexpected("a text");
        ++m_part;
        return addToken(m_table, value, static_cast<std::int32_t>(m_scores.size()), problem);
    }
    bool number_integer(number_integer_t value) override { return score(static_cast<double>(value)); }
    bool number_unsigned(number_unsigned_t value) override { return score(static_cast<double>(value)); }
    bool number_float(number_float_t value, const string_t&) override { return score(value); }

private:
    bool score(double value) {
        if (m_depth != 2 || m_part != 1 || !std::isfinite(value))
            return unexpected("a number");
        ++m_part;
        m_scores.push_back(value);
        return true;
    }
    bool unexpected(const std::string&) override {
        return refuse(fmt::format("entry {} of the vocabulary must be a token and its score", m_scores.size()));
    }
    TokenTable& m_table;
    std::vector<double>& m_scores;
    int m_depth = 0;
    int m_part = 0;
};

class MergesHandler final : public SectionHandler {
public:
    MergesHandler(const TokenTable& table, std::size_t prefixBytes, std::vector<BpeMerge>& merges)
        : SectionHandler("the list of merges")
        , m_table(table)
        , m_prefixBytes(prefixBytes)
        , m_merges(merges) {}

    bool start_array(std::size_t) override {
        m_part = 0;
        return ++m_depth <= 2 || unexpected("");
    }
    bool end_array() override { return --m_depth == 0 || (m_part == 2 ? add(m_pair[0], m_pair[1]) : unexpected("")); }
    bool string(string_t& value) override {
        if (m_depth == 2) {
            if (m_part >= 2)
                return unexpected("");
            m_pair[m_part++] = std::move(value);
            return true;
        }
        const std::size_t space = value.find(' ');
        if (m_depth != 1)
            return unexpected("");
        if (value.starts_with("#version"))
            return true;
        if (space == std::string::npos || value.find(' ', space + 1) != std::string::npos)
            return unexpected("");
        return add(std::string_view(value).substr(0, space), std::string_view(value).substr(space + 1));
    }

private:
    bool unexpected(const std::string&) override {
        if (m_depth == 0)
            return refuse("the model has no list \"merges\"");
        return refuse(fmt::format("merge {} must be two tokens", m_merges.size()));
    }
    bool add(std::string_view left, std::string_view right) {
        if (m_merges.size() >= kMaxMerges)
            return refuse(fmt::format("more than {} merges", kMaxMerges));
        const auto leftId = m_table.find(left);
        const auto rightId = m_table.find(right);
        std::optional<std::int32_t> result;
        if (right.size() >= m_prefixBytes) {
            m_joined = left;
            m_joined += right.substr(m_prefixBytes);
            result = m_table.find(m_joined);
        }
        if (!leftId || !rightId || !result)
            return refuse(
                fmt::format("merge {} (\"{}\" and \"{}\") has a part or a result that is not in the vocabulary",
                            m_merges.size(), left.substr(0, 60), right.substr(0, 60)));
        m_merges.push_back({*leftId, *rightId, *result});
        return true;
    }
    const TokenTable& m_table;
    std::size_t m_prefixBytes;
    std::vector<BpeMerge>& m_merges;
    std::array<std::string, 2> m_pair;
    std::string m_joined;
    int m_depth = 0;
    std::size_t m_part = 0;
};

/// How many members or elements a section has at most.
std::size_t countCommas(std::string_view text, std::size_t limit) {
    return std::min(limit, static_cast<std::size_t>(std::ranges::count(text, ',')) + 1);
}

Result<void> readSection(std::string_view text, const std::string& where, SectionHandler& handler) {
    if (text.empty())
        text = "null";
    if (!Json::sax_parse(text.begin(), text.end(), &handler))
        return fail(ErrorKind::Malformed, handler.problem, where);
    return {};
}

} // namespace

const Json& field(const Json& object, const char* key) {
    static const Json null;
    const auto found = object.find(key);
    return found == object.end() ? null : *found;
}

Result<Json> parseBounded(std::string_view text, const std::string& where) {
    if (text.size() > kMaxRestBytes)
        return fail(ErrorKind::Malformed,
                    fmt::format("{} bytes beside vocabulary and merges, the limit is {}", text.size(), kMaxRestBytes),
                    where);
    if (countValues(text) > kMaxRestValues)
        return fail(ErrorKind::Malformed,
                    fmt::format("more than {} JSON values beside vocabulary and merges", kMaxRestValues), where);
    return parseJson(withLongIntegersAsReals(text), where);
}

TokenizerSections findSections(std::string_view text) {
    TokenizerSections found;
    found.longestString = visitMembers(text, [&](std::string_view key, std::string_view value) {
        if (key == "model")
            visitMembers(value, [&](std::string_view inner, std::string_view part) {
                if (inner == "vocab")
                    found.vocab = part;
                else if (inner == "merges")
                    found.merges = part;
            });
    });
    std::vector<std::string_view> parts;
    for (const std::string_view part : {found.vocab, found.merges})
        if (!part.empty() && (part[0] == '{' || part[0] == '['))
            parts.push_back(part);
    std::ranges::sort(parts, {}, [](std::string_view part) { return part.data(); });
    std::size_t at = 0;
    for (const std::string_view part : parts) {
        const auto begin = static_cast<std::size_t>(part.data() - text.data());
        found.rest += text.substr(at, std::min(begin - at, kMaxRestBytes + 1));
        found.rest += "null";
        at = begin + part.size();
    }
    // What is too long is refused by its size; there is no need to hold it twice.
    found.rest += text.substr(at, kMaxRestBytes + 1);
    return found;
}

Result<void> readVocabularyObject(std::string_view text, const std::string& where, TokenTable& table) {
    table.reserve(countCommas(text, kMaxTokens));
    VocabularyHandler handler(table);
    return readSection(text, where, handler);
}

Result<void> readScoredVocabulary(std::string_view text, const std::string& where, TokenTable& table,
                                  std::vector<double>& scores) {
    table.reserve(countCommas(text, kMaxTokens));
    ScoredVocabularyHandler handler(table, scores);
    return readSection(text, where, handler);
}

Result<void> readMerges(std::string_view text, const std::string& where, const TokenTable& table,
                        std::size_t prefixBytes, std::vector<BpeMerge>& merges) {
    merges.reserve(countCommas(text, kMaxMerges));
    MergesHandler handler(table, prefixBytes, merges);
    return readSection(text, where, handler);
}

} // namespace crest::text::detail
