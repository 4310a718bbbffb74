// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"

#include <cmath>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace crest {
namespace {

constexpr std::size_t kLongestCause = 200; ///< of what the parser says
constexpr std::size_t kLongestWord = 1000; ///< a number, true, false or null

/// Builds the value while it checks what nlohmann's DOM parser lets pass.
class StrictHandler final : public nlohmann::json_sax<Json> {
public:
    explicit StrictHandler(int maxDepth)
        : m_maxDepth(maxDepth) {}

    Json root;
    std::string problem;
    std::size_t position = 0;

    bool null() override { return put(nullptr); }
    bool boolean(bool value) override { return put(value); }
    bool number_integer(number_integer_t value) override { return put(value); }
    bool number_unsigned(number_unsigned_t value) override { return put(value); }
    bool number_float(number_float_t value, const string_t& text) override {
        // Digits alone are an integer that was too long. (The point in `text` is that of the C locale in force.)
        if (text.find_first_not_of("-0123456789") == string_t::npos)
            return refuse("the integer " + text.substr(0, 40) + " does not fit 64 bits");
        return put(value);
    }
    bool string(string_t& value) override { return put(std::move(value)); }
    bool binary(binary_t&) override { return refuse("binary data"); }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (!m_stack.back()->is_object() || m_stack.back()->contains(name))
            return refuse("the key \"" + name.substr(0, 80) + "\" occurs twice in one object");
        m_key = std::move(name);
        return true;
    }
    bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception& error) override {
        position = at;
        const std::string what = error.what(); // it ends with all of the token that was read last
        const auto colon = what.substr(0, kLongestCause).rfind("; ");
        std::string cause = what.substr(colon == std::string::npos ? 0 : colon + 2, kLongestCause);
        while (cause.size() == kLongestCause && (cause.back() & 0x80) != 0)
            cause.pop_back(); // no half of a character
        if (what.substr(0, kLongestCause).find("ill-formed UTF-8") != std::string::npos)
            cause = "no UTF-8"; // and none of its bytes into a message
        problem = "not valid JSON at byte " + std::to_string(at) + " (" + cause + ")";
        return false;
    }

private:
    int m_maxDepth;
    std::vector<Json*> m_stack;
    std::string m_key;

    bool refuse(std::string why) {
        problem = std::move(why);
        return false;
    }
    template<class V> Json* place(V&& value) {
        if (m_stack.empty()) {
            root = Json(std::forward<V>(value));
            return &root;
        }
        Json& parent = *m_stack.back();
        if (parent.is_array()) {
            parent.push_back(Json(std::forward<V>(value)));
            return &parent.back();
        }
        return &(parent[m_key] = Json(std::forward<V>(value)));
    }
    template<class V> bool put(V&& value) {
        place(std::forward<V>(value));
        return true;
    }
    bool open(Json&& container) {
        if (static_cast<int>(m_stack.size()) >= m_maxDepth)
            return refuse(fmt::format("nested deeper than {} levels", m_maxDepth));
        m_stack.push_back(place(std::move(container)));
        return true;
    }
    bool close() {
        m_stack.pop_back();
        return true;
    }
};

/// Where a text begins that has no end, or a word or number that is none, being longer than any; npos where all is
/// well. The parser would keep such a one eight times over to say what it had read.
std::size_t endlessToken(std::string_view text) {
    constexpr std::string_view kBetween = ",:[]{} \t\r\n";
    bool quoted = false;
    std::size_t begin = 0; ///< of a text, or where a word may begin
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            quoted = !quoted;
            begin = quoted ? i : i + 1;
        } else if (quoted) {
            i += c == '\\' ? 1 : 0;
        } else if (kBetween.find(c) != std::string_view::npos) {
            begin = i + 1;
        } else if (i - begin > kLongestWord) {
            return begin;
        }
    }
    return quoted ? begin : std::string_view::npos;
}

} // namespace

Result<Json> parseJson(std::string_view text, const std::string& where, const JsonLimits& limits) {
    if (text.size() > limits.maxBytes)
        return fail(ErrorKind::Malformed,
                    fmt::format("{} bytes of JSON, the limit is {}", text.size(), limits.maxBytes), where);
    if (const std::size_t at = endlessToken(text); at != std::string_view::npos)
        return fail(ErrorKind::Malformed,
                    fmt::format("not valid JSON: what begins at byte {} has no end", at + 1), where);
    StrictHandler handler(limits.maxDepth);
    if (!Json::sax_parse(text.begin(), text.end(), &handler))
        return fail(ErrorKind::Malformed, handler.problem, where);
    return std::move(handler.root);
}

std::string canonicalJson(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json numberToJson(double value) {
    if (std::isfinite(value))
        return value;
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

std::optional<double> numberFromJson(const Json& value) {
    if (value.is_number())
        return value.get<double>();
    if (value == "NaN")
        return std::numeric_limits<double>::quiet_NaN();
    if (value == "Infinity")
        return std::numeric_limits<double>::infinity();
    if (value == "-Infinity")
        return -std::numeric_limits<double>::infinity();
    return std::nullopt;
}

Result<std::string> requireString(const Json& object, const char* key, const std::string& where) {
    if (object.is_object() && !object.contains(key))
        return fail(ErrorKind::Malformed, fmt::format("\"{}\" is missing", key), where);
    if (!object.is_object() || !object[key].is_string())
        return fail(ErrorKind::Malformed, fmt::format("\"{}\" must be a text", key), where);
    return object[key].get<std::string>();
}

Result<std::int64_t> requireInt(const Json& object, const char* key, const std::string& where, std::int64_t low,
                                std::int64_t high) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer())
        return fail(ErrorKind::Malformed, fmt::format("\"{}\" must be a whole number", key), where);
    const Json& value = object[key];
    const bool fits =
        !value.is_number_unsigned() ||
        value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("\"{}\" is {}, it must be from {} to {}", key, value.dump(), low, high), where);
    return value.get<std::int64_t>();
}

Result<double> requireNumber(const Json& object, const char* key, const std::string& where) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number())
        return fail(ErrorKind::Malformed, fmt::format("\"{}\" must be a number", key), where);
    return object[key].get<double>();
}

} // namespace crest
