// SPDX-License-Identifier: Apache-2.0
// Filters and methods. To add one: an entry in the table below, and a line in resources/suites/README.md.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "core/data/cell_value.h"
#include "core/data/py_regex.h"
#include "core/data/py_text.h"
#include "core/data/template_parts.h"
#include "core/data/text_cleaning.h"

namespace crest::data::tpl {

namespace {

/// The text a filter or method works on; filters take numbers as they are printed.
Result<std::string> subjectText(const Call& call) {
    return printed(call.subject);
}

Result<Json> made(std::string text, Budget& budget) {
    CREST_CHECK(budget.wrote(text.size()));
    return Json(std::move(text));
}

Result<Json> made(const std::vector<std::string>& texts, Budget& budget) {
    for (const std::string& text : texts)
        CREST_CHECK(budget.wrote(text.size() + 32));
    return Json(texts);
}

template<std::string (*Map)(std::string_view)> Result<Json> mapText(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    return made(Map(text), budget);
}

Result<Json> strip(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    const bool left = call.name != "rstrip";
    const bool right = call.name != "lstrip";
    if (!argumentOf(call, 0, "chars")) {
        std::string_view kept = left ? pyLeftStrip(text) : std::string_view(text);
        return made(std::string(right ? pyRightStrip(kept) : kept), budget);
    }
    CREST_TRY(chars, textArgument(call, 0, "chars"));
    return made(std::string(pyStripChars(text, chars, left, right)), budget);
}

Result<Json> replace(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    CREST_TRY(from, textArgument(call, 0, "old"));
    CREST_TRY(to, textArgument(call, 1, "new"));
    CREST_TRY(most, numberArgument(call, 2, -1, "count"));
    // The worst case first, so that nothing large is made.
    const std::size_t places = from.empty() ? text.size() + 1 : text.size() / from.size();
    const std::size_t times = most < 0 ? places : std::min(places, static_cast<std::size_t>(most));
    CREST_CHECK(budget.wrote(text.size() + times * to.size()));
    return Json(pyReplace(text, from, to, most));
}

Result<Json> split(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    if (!argumentOf(call, 0, "sep") && !argumentOf(call, 1, "maxsplit"))
        return made(pySplitSpace(text), budget);
    CREST_TRY(separator, textArgument(call, 0, "sep"));
    if (separator.empty())
        return wrongCall(call, "needs a separator that is not empty");
    CREST_TRY(most, numberArgument(call, 1, -1, "maxsplit"));
    return made(pySplit(text, separator, most), budget);
}

Result<Json> startsOrEnds(const Call& call, Budget&) {
    CREST_TRY(text, subjectText(call));
    CREST_TRY(what, textArgument(call, 0, ""));
    return Json(call.name == "startswith" ? text.starts_with(what) : text.ends_with(what));
}

Result<Json> removeEnd(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    CREST_TRY(what, textArgument(call, 0, ""));
    if (call.name == "removeprefix" && text.starts_with(what))
        text.erase(0, what.size());
    if (call.name == "removesuffix" && text.ends_with(what))
        text.erase(text.size() - what.size());
    return made(std::move(text), budget);
}

/// index, find and count of texts and lists.
Result<Json> place(const Call& call, Budget& budget) {
    if (call.arguments.size() != 1)
        return wrongCall(call, "needs one argument");
    const Json& what = call.arguments[0];
    std::int64_t first = -1;
    std::int64_t count = 0;
    if (call.subject.is_array()) {
        CREST_CHECK(budget.read(static_cast<std::size_t>(bytesOf(call.subject))));
        for (std::size_t i = 0; i < call.subject.size(); ++i)
            if (equalValues(call.subject[i], what)) {
                first = first < 0 ? static_cast<std::int64_t>(i) : first;
                ++count;
            }
    } else if (call.subject.is_string() && what.is_string()) {
        const std::string_view text = call.subject.get_ref<const std::string&>();
        const std::string& part = what.get_ref<const std::string&>();
        const std::size_t at = pyFind(text, part);
        first = at == std::string_view::npos ? -1 : codePoints(text.substr(0, at));
        for (std::size_t found = at; found != std::string_view::npos && !part.empty();
             found = pyFind(text, part, found + part.size()))
            ++count;
    } else {
        return wrongCall(call, fmt::format("does not look for {} in {}", kindOf(what), kindOf(call.subject)));
    }
    if (call.name == "count")
        return Json(count);
    if (first < 0 && call.name == "index")
        return fail(ErrorKind::Malformed, // ValueError, not one of Jinja
                    fmt::format("{} is not in {}",
                                what.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60),
                                kindOf(call.subject)));
    return Json(first);
}

Result<Json> getOr(const Call& call, Budget& budget) {
    CREST_TRY(key, textArgument(call, 0, ""));
    if (!call.subject.is_object())
        return wrongCall(call, fmt::format("is of dictionaries, this is {}", kindOf(call.subject)));
    const auto found = call.subject.find(key);
    if (found == call.subject.end())
        return call.arguments.size() > 1 ? call.arguments[1] : Json();
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(*found))));
    return *found;
}

Result<std::string> joined(const Json& list, const std::string& separator, const Call& call, Budget& budget) {
    std::string out;
    if (!list.is_array())
        return wrongCall(call, fmt::format("joins lists, this is {}", kindOf(list)));
    for (std::size_t i = 0; i < list.size(); ++i) {
        CREST_TRY(one, printed(list[i]));
        CREST_CHECK(budget.wrote(one.size() + separator.size() + 1));
        out += (i > 0 ? separator : "") + one;
    }
    return out;
}

Result<Json> joinFilter(const Call& call, Budget& budget) {
    std::string separator;
    if (argumentOf(call, 0, "d")) {
        CREST_TRY(given, textArgument(call, 0, "d"));
        separator = std::move(given);
    }
    CREST_TRY(text, joined(call.subject, separator, call, budget));
    return Json(std::move(text));
}

Result<Json> joinMethod(const Call& call, Budget& budget) {
    CREST_TRY(separator, subjectText(call));
    if (call.arguments.size() != 1)
        return wrongCall(call, "needs one list");
    CREST_TRY(text, joined(call.arguments[0], separator, call, budget));
    return Json(std::move(text));
}

Result<Json> listOf(const Call& call, Budget& budget) {
    if (call.subject.is_array()) {
        CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(call.subject))));
        return call.subject;
    }
    if (!call.subject.is_string())
        return wrongCall(call, fmt::format("makes a list of a text, this is {}", kindOf(call.subject)));
    const std::string& text = call.subject.get_ref<const std::string&>();
    CREST_CHECK(budget.wrote(48 * text.size()));
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = byteOffset(std::string_view(text).substr(at), 1);
        pieces.push_back(text.substr(at, length));
        at += length;
    }
    return Json(pieces);
}

Result<Json> length(const Call& call, Budget&) {
    if (call.subject.is_string())
        return Json(codePoints(call.subject.get_ref<const std::string&>()));
    if (!call.subject.is_array() && !call.subject.is_object())
        return wrongCall(call, fmt::format("is not of {}", kindOf(call.subject)));
    return Json(call.subject.size());
}

Result<Json> endOf(const Call& call, Budget& budget) {
    CREST_TRY(value, elementOf(Value::shown(call.subject), Json(call.name == "first" ? 0 : -1), budget));
    if (!value.defined())
        return wrongCall(call, "of nothing");
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(*value.json))));
    return *value.json;
}

/// int(value), or the default (0) where it is none, as Jinja's filter.
Result<Json> toInteger(const Call& call, Budget&) {
    CREST_TRY(otherwise, numberArgument(call, 0, 0, "default"));
    const Json& value = call.subject;
    if (value.is_boolean())
        return Json(value.get<bool>() ? 1 : 0);
    if (value.is_number_integer())
        return value;
    double number = std::nan("");
    if (value.is_number()) {
        number = value.get<double>();
    } else if (value.is_string()) {
        std::string_view text = pyStrip(value.get_ref<const std::string&>());
        if (text.starts_with('+'))
            text.remove_prefix(1);
        std::int64_t whole = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), whole);
        if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size())
            return Json(whole);
        const auto real = std::from_chars(text.data(), text.data() + text.size(), number);
        if (real.ec != std::errc() || real.ptr != text.data() + text.size())
            number = std::nan("");
    }
    if (!std::isfinite(number) || std::abs(number) > 9e18)
        return Json(otherwise);
    return Json(static_cast<std::int64_t>(number));
}

Result<Json> toText(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    return made(std::move(text), budget);
}

/// map(attribute="name"), or map("filter"). An element without the field is undefined to Jinja, which joins it as an
/// empty text; lists here hold values only.
Result<Json> mapList(const Call& call, Budget& budget) {
    if (!call.subject.is_array())
        return wrongCall(call, fmt::format("is of lists, this is {}", kindOf(call.subject)));
    Json out = Json::array();
    const bool attribute = call.named.contains("attribute");
    CREST_TRY(name, textArgument(call, attribute ? call.arguments.size() : 0, attribute ? "attribute" : ""));
    if (attribute && !call.arguments.empty())
        return wrongCall(call, "takes an attribute or a filter");
    if (!attribute && (!isFilter(name) || name == "map"))
        return fail(ErrorKind::Unsupported, fmt::format("map knows no filter \"{}\"", name));
    for (const Json& item : call.subject) {
        CREST_CHECK(budget.step());
        if (attribute) {
            const Value field = fieldOf(Value::shown(item), name);
            if (!field.defined())
                return fail(ErrorKind::Unsupported, fmt::format("an element of the list has no \"{}\"", name));
            CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(*field.json))));
            out.push_back(*field.json);
            continue;
        }
        Call inner{name, item, {call.arguments.begin() + 1, call.arguments.end()}, {}};
        CREST_TRY(result, callFilter(inner, budget));
        out.push_back(std::move(result));
    }
    return out;
}

Result<Json> reversed(const Call& call, Budget& budget) {
    CREST_TRY(list, listOf(call, budget));
    std::reverse(list.begin(), list.end());
    if (!call.subject.is_string())
        return list;
    CREST_TRY(text, joined(list, "", call, budget));
    return Json(std::move(text));
}

Result<Json> regexReplace(const Call& call, Budget& budget) {
    CREST_TRY(text, subjectText(call));
    CREST_TRY(pattern, textArgument(call, 0, "pattern"));
    CREST_TRY(replacement, textArgument(call, 1, "repl"));
    CREST_TRY(regex, PyRegex::compile(pattern));
    CREST_CHECK(budget.wrote(text.size() * (1 + std::min<std::size_t>(replacement.size(), 1000))));
    CREST_TRY(out, regex.substitute(text, replacement));
    return Json(std::move(out));
}

/// A list or dictionary that a cell of a table holds as text; of other formats the value is one already.
Result<Json> ofCell(const Call& call, Budget& budget) {
    Json made = call.subject;
    if (call.subject.is_string()) {
        const std::string& cell = call.subject.get_ref<const std::string&>();
        CREST_CHECK(budget.read(cell.size()));
        CREST_TRY(read, cellValue(cell));
        made = std::move(read);
    }
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(made))));
    return made;
}

} // namespace

const FunctionTable& usualFilters() {
    static const FunctionTable table{{"trim", {strip, {"chars"}}},
                                     {"lower", {mapText<pyLower>}},
                                     {"upper", {mapText<pyUpper>}},
                                     {"capitalize", {mapText<pyCapitalize>}},
                                     {"replace", {replace, {"old", "new", "count"}}},
                                     {"join", {joinFilter, {"d"}}},
                                     {"list", {listOf}},
                                     {"length", {length}},
                                     {"count", {length}},
                                     {"first", {endOf}},
                                     {"last", {endOf}},
                                     {"int", {toInteger, {"default"}}},
                                     {"string", {toText}},
                                     {"map", {mapList, {"", "", "", "", "attribute"}}},
                                     {"reverse", {reversed}}};
    return table;
}

const FunctionTable& suiteFilters() {
    static const FunctionTable table{{"cell_value", {ofCell}},
                                     {"regex_replace", {regexReplace, {"pattern", "repl"}}},
                                     {"hellaswag_clean", {mapText<hellaswagClean>}},
                                     {"wikitext_detokenize", {mapText<wikitextDetokenize>}}};
    return table;
}

const FunctionTable& usualMethods() {
    static const FunctionTable table{{"strip", {strip, {""}}},
                                     {"lstrip", {strip, {""}}},
                                     {"rstrip", {strip, {""}}},
                                     {"lower", {mapText<pyLower>}},
                                     {"upper", {mapText<pyUpper>}},
                                     {"capitalize", {mapText<pyCapitalize>}},
                                     {"replace", {replace, {"", "", ""}}},
                                     {"split", {split, {"sep", "maxsplit"}}},
                                     {"startswith", {startsOrEnds, {""}}},
                                     {"endswith", {startsOrEnds, {""}}},
                                     {"removeprefix", {removeEnd, {""}}},
                                     {"removesuffix", {removeEnd, {""}}},
                                     {"index", {place, {""}}},
                                     {"find", {place, {""}}},
                                     {"count", {place, {""}}},
                                     {"join", {joinMethod, {""}}},
                                     {"get", {getOr, {"", ""}}}};
    return table;
}

} // namespace crest::data::tpl
