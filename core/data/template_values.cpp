// SPDX-License-Identifier: Apache-2.0
// What operators and tests make of values, as in Python.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/data/template_parts.h"

namespace crest::data::tpl {
namespace {

bool isNumber(const Json& value) {
    return value.is_number() || value.is_boolean();
}
bool isInteger(const Json& value) {
    return value.is_number_integer() || value.is_boolean();
}
double numberOf(const Json& value) {
    return value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>();
}
std::int64_t integerOf(const Json& value) {
    return value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<std::int64_t>();
}

tl::unexpected<Error> cannot(const std::string& sign, const Json& left, const Json& right) {
    return fail(ErrorKind::Malformed, fmt::format("{} {} {} has no meaning", kindOf(left), sign, kindOf(right)));
}

std::int64_t floorDivide(std::int64_t a, std::int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

Result<Json> integerArithmetic(const std::string& sign, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflow = false;
    if (sign == "**" && (a == 0 || a == 1 || a == -1)) {
        result = b == 0 || a == 1 ? 1 : a == 0 ? 0 : b % 2 == 0 ? 1 : -1;
    } else if (sign == "**") {
        result = 1;
        for (std::int64_t i = 0; i < b && !overflow; ++i)
            overflow = __builtin_mul_overflow(result, a, &result);
    } else if (sign == "+")
        overflow = __builtin_add_overflow(a, b, &result);
    else if (sign == "-")
        overflow = __builtin_sub_overflow(a, b, &result);
    else if (sign == "*")
        overflow = __builtin_mul_overflow(a, b, &result);
    else if (a == INT64_MIN && b == -1)
        overflow = true;
    else
        result = sign == "//" ? floorDivide(a, b) : a - b * floorDivide(a, b);
    if (overflow)
        return fail(ErrorKind::OutOfRange, "a number does not fit 64 bits");
    return Json(result);
}

Result<Json> arithmetic(const std::string& sign, const Json& left, const Json& right) {
    const bool divides = sign == "/" || sign == "//" || sign == "%";
    if (divides && numberOf(right) == 0)
        return fail(ErrorKind::OutOfRange, "division by zero");
    if (isInteger(left) && isInteger(right) && sign != "/" && !(sign == "**" && integerOf(right) < 0))
        return integerArithmetic(sign, integerOf(left), integerOf(right));
    const double a = numberOf(left);
    const double b = numberOf(right);
    const double result = sign == "+"    ? a + b
                          : sign == "-"  ? a - b
                          : sign == "*"  ? a * b
                          : sign == "**" ? std::pow(a, b)
                          : sign == "/"  ? a / b
                          : sign == "//" ? std::floor(a / b)
                                         : a - b * std::floor(a / b);
    return Json(result);
}

} // namespace

Result<void> Budget::step() {
    if (--steps < 0)
        return fail(ErrorKind::OutOfRange, "the template takes too many steps on this row");
    return {};
}

Result<void> Budget::wrote(std::size_t count) {
    bytes -= static_cast<std::int64_t>(std::min(count, std::size_t{1} << 40));
    if (bytes < 0)
        return fail(ErrorKind::OutOfRange, "the template makes too much text of this row");
    return {};
}

Result<void> Budget::read(std::size_t count) {
    reading -= static_cast<std::int64_t>(count);
    if (reading < 0)
        return fail(ErrorKind::OutOfRange, "the template reads too much text of this row");
    return {};
}

std::int64_t bytesOf(const Json& value) {
    constexpr std::int64_t kValue = 16, kText = 48, kList = 48, kDictionary = 64, kEntry = 112; // with what malloc adds
    if (value.is_string())
        return kValue + kText + static_cast<std::int64_t>(value.get_ref<const std::string&>().size());
    if (!value.is_structured())
        return kValue;
    std::int64_t bytes = kValue + (value.is_array() ? kList : kDictionary + kEntry * static_cast<std::int64_t>(value.size()));
    for (const Json& item : value)
        bytes += bytesOf(item);
    return bytes;
}

bool isDeeper(const Json& value, int levels) {
    if (!value.is_structured())
        return false;
    return levels == 0 ||
           std::any_of(value.begin(), value.end(), [&](const Json& item) { return isDeeper(item, levels - 1); });
}

std::string kindOf(const Json& value) {
    return value.is_string()    ? "a text"
           : value.is_array()   ? "a list"
           : value.is_object()  ? "a dictionary"
           : value.is_boolean() ? "a truth value"
           : value.is_number()  ? "a number"
                                : "none";
}

bool truth(const Json& value) {
    if (value.is_string())
        return !value.get_ref<const std::string&>().empty();
    if (value.is_array() || value.is_object())
        return !value.empty();
    return isNumber(value) && numberOf(value) != 0;
}

bool Value::truth() const {
    return space || reading || (json && tpl::truth(*json));
}

Result<std::string> printed(const Json& value) {
    if (value.is_string())
        return value.get<std::string>();
    if (value.is_boolean())
        return std::string(value.get<bool>() ? "True" : "False");
    if (value.is_number_integer())
        return value.dump();
    if (value.is_null())
        return std::string("None");
    if (!value.is_number())
        return fail(ErrorKind::Malformed,
                    fmt::format("{} stands where a text is needed; name an element, or use join", kindOf(value)));
    const double number = value.get<double>();
    if (!std::isfinite(number))
        return std::string(std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    // The shortest digits that read back the same, with an exponent below 1e-4 and from 1e16 on: repr and fmt agree.
    std::string text = fmt::format("{}", number);
    if (text.find_first_of(".e") == std::string::npos)
        text += ".0";
    return text;
}

bool equalValues(const Json& left, const Json& right) {
    if (isNumber(left) && isNumber(right)) {
        if (isInteger(left) && isInteger(right))
            return left.is_boolean() || right.is_boolean() ? integerOf(left) == integerOf(right) : left == right;
        return numberOf(left) == numberOf(right);
    }
    return left == right;
}

Value fieldOf(const Value& subject, const std::string& name) {
    if (subject.json->is_object()) {
        const auto found = subject.json->find(name);
        if (found != subject.json->end())
            return subject.part(*found);
    }
    return Value::undefined(name);
}

Result<Value> elementOf(const Value& value, const Json& key, Budget& budget) {
    const Json& subject = *value.json;
    if (subject.is_object() && key.is_string())
        return fieldOf(value, key.get<std::string>());
    if (!isInteger(key) || !(subject.is_array() || subject.is_string()))
        return fail(ErrorKind::Malformed,
                    fmt::format("{} has no element {}", kindOf(subject),
                                key.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60)));
    const bool text = subject.is_string();
    if (text)
        CREST_CHECK(budget.read(subject.get_ref<const std::string&>().size()));
    const std::int64_t size =
        text ? codePoints(subject.get_ref<const std::string&>()) : static_cast<std::int64_t>(subject.size());
    std::int64_t index = integerOf(key);
    if (index < 0)
        index += size;
    if (index < 0 || index >= size)
        return Value::undefined(fmt::format("element {}", integerOf(key)));
    if (!text)
        return value.part(subject[static_cast<std::size_t>(index)]);
    CREST_TRY(one, sliceOf(subject, Json(index), Json(index + 1), Json(), budget));
    return Value::of(std::move(one));
}

namespace {

/// Where a slice of `size` elements begins and ends, as Python has it.
struct Bounds {
    std::int64_t first = 0, last = 0, step = 1;
};
Bounds boundsOf(std::int64_t size, const Json& first, const Json& last, std::int64_t step) {
    const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto bound = [&](const Json& value, std::int64_t otherwise) {
        if (value.is_null())
            return otherwise;
        const std::int64_t at = integerOf(value);
        return at < 0 ? std::max(at + size, low) : std::min(at, high);
    };
    return {bound(first, step > 0 ? low : high), bound(last, step > 0 ? high : low), step};
}

} // namespace

Result<Json> sliceOf(const Json& subject, const Json& first, const Json& last, const Json& step, Budget& budget) {
    if (!subject.is_array() && !subject.is_string())
        return fail(ErrorKind::Malformed, fmt::format("{} has no slices", kindOf(subject)));
    for (const Json* value : {&first, &last, &step})
        if (!value->is_null() && !isInteger(*value))
            return fail(ErrorKind::Malformed, fmt::format("a slice from or to {}", kindOf(*value)));
    const bool text = subject.is_string();
    const std::int64_t by = step.is_null() ? 1 : integerOf(step);
    if (by == 0 || (text && by != 1))
        return fail(ErrorKind::Unsupported, "slices of texts have no step, and those of lists none of 0");
    if (text)
        CREST_CHECK(budget.read(subject.get_ref<const std::string&>().size()));
    const std::int64_t size =
        text ? codePoints(subject.get_ref<const std::string&>()) : static_cast<std::int64_t>(subject.size());
    const Bounds bounds = boundsOf(size, first, last, by);
    if (text) {
        const std::string& all = subject.get_ref<const std::string&>();
        const std::size_t from = byteOffset(all, bounds.first);
        const std::int64_t count = std::max<std::int64_t>(0, bounds.last - bounds.first);
        return Json(all.substr(from, byteOffset(std::string_view(all).substr(from), count)));
    }
    Json part = Json::array();
    for (std::int64_t i = bounds.first; by > 0 ? i < bounds.last : i > bounds.last;) {
        CREST_CHECK(budget.read(static_cast<std::size_t>(bytesOf(subject[static_cast<std::size_t>(i)]))));
        part.push_back(subject[static_cast<std::size_t>(i)]);
        if (by > size || by < -size)
            break;
        i += by;
    }
    return part;
}

namespace {

/// A text or a list so many times; none for less than one.
Result<Json> repeated(const Json& what, std::int64_t times, Budget& budget) {
    times = std::clamp<std::int64_t>(times, 0, 1'000'000'000);
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(what) * times)));
    if (what.is_string()) {
        std::string text;
        for (std::int64_t i = 0; i < times; ++i)
            text += what.get_ref<const std::string&>();
        return Json(std::move(text));
    }
    Json list = Json::array();
    for (std::int64_t i = 0; i < times; ++i)
        list.insert(list.end(), what.begin(), what.end());
    return list;
}

bool isSequence(const Json& value) {
    return value.is_string() || value.is_array();
}

} // namespace

Result<Json> binary(const std::string& sign, const Json& left, const Json& right, Budget& budget) {
    if (sign == "*" && ((isSequence(left) && isInteger(right)) || (isInteger(left) && isSequence(right))))
        return repeated(isInteger(right) ? left : right, integerOf(isInteger(right) ? right : left), budget);
    if ((sign == "~" || sign == "+") && left.is_string() && right.is_string()) {
        const auto &first = left.get_ref<const std::string&>(), &second = right.get_ref<const std::string&>();
        CREST_CHECK(budget.wrote(first.size() + second.size()));
        return Json(first + second);
    }
    if (sign == "~") {
        CREST_TRY(first, printed(left));
        CREST_TRY(second, printed(right));
        CREST_CHECK(budget.wrote(first.size() + second.size()));
        return Json(first + second);
    }
    if (sign == "+" && left.is_array() && right.is_array()) {
        CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(left) + bytesOf(right))));
        Json both = left;
        for (const Json& item : right)
            both.push_back(item);
        return both;
    }
    if (!isNumber(left) || !isNumber(right))
        return cannot(sign, left, right);
    return arithmetic(sign, left, right);
}

Result<bool> compare(const std::string& sign, const Json& left, const Json& right, Budget& budget) {
    CREST_CHECK(budget.read(static_cast<std::size_t>(bytesOf(right))));
    if (sign == "==" || sign == "!=")
        return equalValues(left, right) == (sign == "==");
    if (sign == "in" || sign == "not in") {
        bool found = false;
        if (right.is_array()) {
            for (const Json& item : right) // what is long meets what is long
                found = found || equalValues(item, left);
        } else if (right.is_object() && left.is_string()) {
            found = right.contains(left.get_ref<const std::string&>());
        } else if (right.is_string() && left.is_string()) {
            found = pyFind(right.get_ref<const std::string&>(), left.get_ref<const std::string&>()) != std::string::npos;
        } else {
            return cannot(sign, left, right);
        }
        return found == (sign == "in");
    }
    const bool texts = left.is_string() && right.is_string();
    if (!texts && !(isNumber(left) && isNumber(right)))
        return cannot(sign, left, right);
    // UTF-8 sorts as its code points do.
    const int order = texts ? left.get_ref<const std::string&>().compare(right.get_ref<const std::string&>())
                            : (numberOf(left) > numberOf(right)) - (numberOf(left) < numberOf(right));
    return sign == "<" ? order < 0 : sign == "<=" ? order <= 0 : sign == ">" ? order > 0 : order >= 0;
}

bool isTest(const std::string& name, TemplateDialect dialect) {
    for (const char* known : {"defined", "undefined", "none", "string", "number", "integer", "boolean", "mapping",
                              "sequence", "true", "false"})
        if (name == known)
            return true;
    for (const char* known : {"iterable", "float", "odd", "even"})
        if (dialect == TemplateDialect::Chat && name == known)
            return true;
    return dialect == TemplateDialect::Chat && testTakesValue(name);
}

bool testTakesValue(const std::string& name) {
    for (const char* known : {"equalto", "eq", "ne", "sameas", "in", "divisibleby"})
        if (name == known)
            return true;
    return false;
}

bool runTest(const std::string& name, const Json& value) {
    const bool sequence = value.is_array() || value.is_string() || value.is_object();
    return name == "none"       ? value.is_null()
           : name == "string"   ? value.is_string()
           : name == "number"   ? isNumber(value)
           : name == "integer"  ? value.is_number_integer()
           : name == "float"    ? value.is_number_float()
           : name == "boolean"  ? value.is_boolean()
           : name == "mapping"  ? value.is_object()
           : name == "sequence" ? sequence
           : name == "iterable" ? sequence
           : name == "true"     ? value.is_boolean() && value.get<bool>()
           : name == "false"    ? value.is_boolean() && !value.get<bool>()
                                : false;
}

Result<bool> isOddOrEven(const std::string& name, const Json& value) {
    if (!isNumber(value))
        return fail(ErrorKind::Malformed, fmt::format("{} is neither odd nor even", kindOf(value)));
    return std::fmod(std::abs(numberOf(value)), 2) == (name == "odd" ? 1 : 0);
}

Result<bool> runTest(const std::string& name, const Json& value, const Json& argument, Budget& budget) {
    if (name == "divisibleby") {
        if (!isInteger(value) || !isInteger(argument) || integerOf(argument) == 0)
            return fail(ErrorKind::Malformed, "divisibleby is of whole numbers, and not of 0");
        return integerOf(argument) == -1 || integerOf(value) % integerOf(argument) == 0;
    }
    if (name == "sameas") // none, true and false; of texts and numbers it depends on Python's memory
        return value.type() == argument.type() && value == argument;
    return compare(name == "ne" ? "!=" : "==", value, argument, budget);
}

} // namespace crest::data::tpl
