// SPDX-License-Identifier: Apache-2.0
// Filters and methods that chat templates use and tasks do not, as transformers 5.23 and Jinja have them.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/data/template_parts.h"

namespace crest::data::tpl {
namespace {

constexpr std::int64_t kMostIndent = 16;

/// json.dumps(value, ensure_ascii=False, indent=indent).
class JsonWriter {
public:
    JsonWriter(std::int64_t indent, Budget& budget)
        : m_indent(indent)
        , m_budget(budget) {}

    Result<void> write(const Json& value) {
        CREST_CHECK(m_budget.step());
        if (value.is_string())
            return add(value.dump(-1, ' ', false, Json::error_handler_t::replace));
        if (value.is_boolean())
            return add(value.get<bool>() ? "true" : "false");
        if (value.is_null())
            return add("null");
        if (!value.is_structured()) {
            if (value.is_number_float() && !std::isfinite(value.get<double>()))
                return fail(ErrorKind::Unsupported, "tojson of a number that is not finite");
            CREST_TRY(number, printed(value));
            return add(number);
        }
        if (value.empty())
            return add(value.is_array() ? "[]" : "{}");
        ++m_level;
        CREST_CHECK(value.is_array() ? list(value) : dictionary(value));
        return {};
    }
    std::string take() { return std::move(m_out); }

private:
    std::string m_out;
    std::int64_t m_indent;
    Budget& m_budget;
    std::int64_t m_level = 0;

    Result<void> add(const std::string& text) {
        CREST_CHECK(m_budget.wrote(text.size()));
        m_out += text;
        return {};
    }
    Result<void> line() {
        return m_indent < 0 ? Result<void>() : add("\n" + std::string(static_cast<std::size_t>(m_indent * m_level), ' '));
    }
    Result<void> comma(bool first) {
        if (!first)
            CREST_CHECK(add(m_indent < 0 ? ", " : ","));
        return line();
    }
    Result<void> close(const char* sign) {
        --m_level;
        CREST_CHECK(line());
        return add(sign);
    }
    Result<void> list(const Json& value) {
        CREST_CHECK(add("["));
        for (std::size_t i = 0; i < value.size(); ++i) {
            CREST_CHECK(comma(i == 0));
            CREST_CHECK(write(value[i]));
        }
        return close("]");
    }
    Result<void> dictionary(const Json& value) {
        CREST_TRY(keys, keysInOrder(value));
        CREST_CHECK(add("{"));
        for (std::size_t i = 0; i < keys.size(); ++i) {
            CREST_CHECK(comma(i == 0));
            CREST_CHECK(write(Json(keys[i])));
            CREST_CHECK(add(": "));
            CREST_CHECK(write(value[keys[i]]));
        }
        return close("}");
    }
};

Result<Json> toJsonText(const Call& call, Budget& budget) {
    for (const auto& [name, value] : call.named)
        if (name != "indent" && !(name == "ensure_ascii" && value == false))
            return fail(ErrorKind::Unsupported, fmt::format("tojson with \"{}\"", name));
    if (!call.arguments.empty())
        return fail(ErrorKind::Unsupported, "tojson with values that have no name");
    const bool none = !call.named.contains("indent") || call.named.at("indent").is_null();
    CREST_TRY(indent, none ? Result<std::int64_t>(-1) : numberArgument(call, 1, -1, "indent"));
    if (indent < -1 || indent > kMostIndent)
        return fail(ErrorKind::OutOfRange, fmt::format("tojson with an indent of {}; the most is {}", indent, kMostIndent));
    JsonWriter writer(indent, budget);
    CREST_CHECK(writer.write(call.subject));
    return Json(writer.take());
}

/// Keys, values, or pairs of both.
Result<Json> entries(const Call& call, Budget& budget) {
    if (!call.subject.is_object())
        return wrongCall(call, fmt::format("is of dictionaries, this is {}", kindOf(call.subject)));
    CREST_TRY(keys, keysInOrder(call.subject));
    CREST_CHECK(budget.wrote(2 * static_cast<std::size_t>(bytesOf(call.subject)) + 64 * keys.size()));
    Json out = Json::array();
    for (const std::string& key : keys) {
        const Json& value = call.subject[key];
        out.push_back(call.name == "keys" ? Json(key) : call.name == "values" ? value : Json::array({key, value}));
    }
    return out;
}

Result<bool> passes(const Call& call, std::size_t first, const Value& value, Budget& budget) {
    if (call.arguments.size() <= first)
        return value.json && truth(*value.json);
    CREST_TRY(name, textArgument(call, first, ""));
    const std::string test = name == "==" ? "eq" : name == "!=" ? "ne" : name;
    if (!isTest(test, TemplateDialect::Chat))
        return fail(ErrorKind::Unsupported, fmt::format("\"{}\" with the test \"{}\", which is not known", call.name, name));
    if (test == "defined" || test == "undefined")
        return value.defined() == (test == "defined");
    if (test == "odd" || test == "even")
        return value.json ? isOddOrEven(test, *value.json) : Result<bool>(fail(ErrorKind::NotFound, "there is no number"));
    if (!testTakesValue(test))
        return value.json && runTest(test, *value.json);
    if (call.arguments.size() <= first + 1)
        return wrongCall(call, fmt::format("needs a value for the test \"{}\"", name));
    if (!value.json)
        return test == "ne";
    if (test == "in")
        return compare("in", *value.json, call.arguments[first + 1], budget);
    return runTest(test, *value.json, call.arguments[first + 1], budget);
}

/// select, reject (of the items themselves), selectattr, rejectattr (of a field of each).
Result<Json> chosen(const Call& call, Budget& budget) {
    const bool text = call.subject.is_string(); // its characters, which have no fields
    if (!call.subject.is_array() && !text)
        return wrongCall(call, fmt::format("is of lists, this is {}", kindOf(call.subject)));
    CREST_TRY(items, text ? callFilter(Call{"list", call.subject, {}, {}}, budget) : Result<Json>(call.subject));
    const bool byField = call.name.ends_with("attr"), wanted = call.name.starts_with("select");
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(call.subject))));
    CREST_TRY(field, byField ? textArgument(call, 0, "") : Result<std::string>(""));
    if (field.find('.') != std::string::npos)
        return fail(ErrorKind::Unsupported, fmt::format("\"{}\" with a field of a field", call.name));
    Json out = Json::array();
    for (const Json& item : items) {
        CREST_CHECK(budget.step());
        const Value value = Value::shown(item);
        CREST_TRY(yes, passes(call, byField ? 1 : 0, byField ? fieldOf(value, field) : value, budget));
        if (yes != wanted)
            continue;
        CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(item))));
        out.push_back(item);
    }
    return out;
}

/// str.title begins a word after whatever is no letter, Jinja's filter after white space and few signs. Of letters of
/// ASCII; the others need Python's tables of case.
Result<Json> titled(const Call& call, bool afterAnySign, Budget& budget) {
    CREST_TRY(text, printed(call.subject));
    CREST_CHECK(budget.wrote(text.size()));
    bool begins = true;
    for (char& c : text) {
        if (static_cast<unsigned char>(c) >= 0x80)
            return fail(ErrorKind::Unsupported, "title of letters beyond ASCII");
        const bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
        if (lower && begins)
            c = static_cast<char>(c - 32);
        else if (upper && !begins)
            c = static_cast<char>(c + 32);
        begins = afterAnySign ? !lower && !upper
                              : isPySpace(static_cast<char32_t>(c)) || std::string_view("-({[<").find(c) != std::string_view::npos;
    }
    return Json(std::move(text));
}

Result<Json> titleFilter(const Call& call, Budget& budget) {
    return titled(call, false, budget);
}
Result<Json> titleMethod(const Call& call, Budget& budget) {
    return titled(call, true, budget);
}

/// Nothing is escaped here, so all that is left of Markup is that it is a text.
Result<Json> safe(const Call& call, Budget& budget) {
    CREST_TRY(text, printed(call.subject));
    CREST_CHECK(budget.wrote(text.size()));
    return Json(std::move(text));
}

Result<Json> absolute(const Call& call, Budget& budget) {
    CREST_TRY(negative, compare("<", call.subject, Json(0), budget));
    return binary(negative ? "-" : "+", Json(0), call.subject, budget); // of True it is 1
}

Result<Json> splitLines(const Call& call, Budget& budget) {
    CREST_TRY(text, printed(call.subject));
    CREST_CHECK(budget.wrote(48 * (static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1) + text.size()));
    for (const char* other : {"\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"})
        if (text.find(other) != std::string::npos)
            return fail(ErrorKind::Unsupported, "splitlines of a text with other line ends than line feeds");
    std::vector<std::string> lines = pySplit(text, "\n");
    if (lines.back().empty())
        lines.pop_back();
    return Json(lines);
}

Result<Json> splitRight(const Call& call, Budget& budget) {
    CREST_TRY(text, printed(call.subject));
    CREST_TRY(separator, textArgument(call, 0, "sep"));
    CREST_TRY(most, numberArgument(call, 1, -1, "maxsplit"));
    if (separator.empty())
        return wrongCall(call, "needs a separator that is not empty");
    CREST_CHECK(budget.wrote(text.size() + 48 * (text.size() / separator.size() + 1)));
    // From behind, in linear time: split what is turned round.
    std::ranges::reverse(text);
    std::ranges::reverse(separator);
    std::vector<std::string> pieces = pySplit(text, separator, most);
    for (std::string& piece : pieces)
        std::ranges::reverse(piece);
    std::ranges::reverse(pieces);
    return Json(pieces);
}

Result<Json> isSpace(const Call& call, Budget&) {
    const auto& text = call.subject.get_ref<const std::string&>();
    return Json(!text.empty() && pyStrip(text).empty());
}

struct Day {
    int year = 0, month = 0, day = 0, weekday = 0, ofYear = 0; ///< weekday: 0 is Sunday
};

Result<Day> dayOf(const std::string& date) {
    Day day;
    const char* at = date.data();
    const char* end = at + date.size();
    const auto number = [&](int& into) {
        const auto read = std::from_chars(at, end, into);
        const bool good = read.ec == std::errc();
        at = read.ptr + (read.ptr < end && *read.ptr == '-' ? 1 : 0);
        return good;
    };
    const bool read = date.size() == 10 && number(day.year) && number(day.month) && number(day.day) && at == end;
    const std::chrono::year_month_day calendar{std::chrono::year(day.year), std::chrono::month(static_cast<unsigned>(day.month)),
                                               std::chrono::day(static_cast<unsigned>(day.day))};
    if (!read || !calendar.ok())
        return fail(ErrorKind::Malformed, fmt::format("\"{}\" is no date; write 2026-11-27", date.substr(0, 40)));
    const std::chrono::sys_days days(calendar);
    day.weekday = static_cast<int>(std::chrono::weekday(days).c_encoding());
    day.ofYear = static_cast<int>((days - std::chrono::sys_days(calendar.year() / 1 / 1)).count()) + 1;
    return day;
}

} // namespace

Result<std::vector<std::string>> keysInOrder(const Json& dictionary) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : dictionary.items())
        keys.push_back(key);
    if (keys.size() < 2)
        return keys;
    if (keys == std::vector<std::string>{"content", "role"})
        return std::vector<std::string>{"role", "content"};
    return fail(ErrorKind::Unsupported, "the keys of a dictionary in their order");
}

Result<std::string> dayText(const std::string& date, const std::string& format) {
    static constexpr std::array kMonths{"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};
    static constexpr std::array kDays{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    CREST_TRY(day, dayOf(date));
    const std::string month = kMonths[static_cast<std::size_t>(day.month - 1)];
    const std::string weekday = kDays[static_cast<std::size_t>(day.weekday)];
    if (format.size() > 200)
        return fail(ErrorKind::OutOfRange, "strftime_now with a form of more than 200 bytes");
    std::string out;
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '%') {
            out += format[i];
            continue;
        }
        const bool bare = i + 1 < format.size() && format[i + 1] == '-';
        i += bare ? 2 : 1;
        const char what = i < format.size() ? format[i] : '\0';
        const auto number = [&](int value, int digits) { return fmt::format("{:0{}}", value, bare ? 1 : digits); };
        if (bare && what != 'd' && what != 'm' && what != 'j')
            return fail(ErrorKind::Unsupported, fmt::format("strftime_now with \"{}\"", format));
        switch (what) {
        case 'd': out += number(day.day, 2); break;
        case 'e': out += fmt::format("{:2}", day.day); break;
        case 'm': out += number(day.month, 2); break;
        case 'j': out += number(day.ofYear, 3); break;
        case 'y': out += number(day.year % 100, 2); break;
        case 'Y': out += fmt::format("{}", day.year); break;
        case 'B': out += month; break;
        case 'b': out += month.substr(0, 3); break;
        case 'A': out += weekday; break;
        case 'a': out += weekday.substr(0, 3); break;
        case 'F': out += fmt::format("{}-{:02}-{:02}", day.year, day.month, day.day); break;
        case '%': out += '%'; break;
        default: // a time of day would make every prompt another one
            return fail(ErrorKind::Unsupported, fmt::format("strftime_now with \"{}\": more than a day", format));
        }
    }
    return out;
}

const FunctionTable& chatFilters() {
    static const FunctionTable table{{"tojson", {toJsonText, {"ensure_ascii", "indent"}}},
                                     {"items", {entries}},
                                     {"selectattr", {chosen, {"", "", ""}}},
                                     {"rejectattr", {chosen, {"", "", ""}}},
                                     {"select", {chosen, {"", ""}}},
                                     {"reject", {chosen, {"", ""}}},
                                     {"title", {titleFilter}},
                                     {"safe", {safe}},
                                     {"abs", {absolute}}};
    return table;
}

const FunctionTable& chatMethods() {
    static const FunctionTable table{{"items", {entries}},      {"keys", {entries}},
                                     {"values", {entries}},     {"title", {titleMethod}},
                                     {"isspace", {isSpace}},    {"splitlines", {splitLines}},
                                     {"rsplit", {splitRight, {"sep", "maxsplit"}}}};
    return table;
}

} // namespace crest::data::tpl
