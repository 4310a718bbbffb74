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
    if (sign == "+")
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
    if (isInteger(left) && isInteger(right) && sign != "/")
        return integerArithmetic(sign, integerOf(left), integerOf(right));
    const double a = numberOf(left);
    const double b = numberOf(right);
    const double result = sign == "+"    ? a + b
                          : sign == "-"  ? a - b
                          : sign == "*"  ? a * b
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
    bytes -= static_cast<std::int64_t>(count);
    if (bytes < 0)
        return fail(ErrorKind::OutOfRange, "the template makes too much text of this row");
    return {};
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

Value fieldOf(const Json& subject, const std::string& name) {
    if (subject.is_object()) {
        const auto found = subject.find(name);
        if (found != subject.end())
            return {*found, ""};
    }
    return {Json(), name};
}

Result<Value> elementOf(const Json& subject, const Json& key) {
    if (subject.is_object() && key.is_string())
        return fieldOf(subject, key.get<std::string>());
    if (!isInteger(key) || !(subject.is_array() || subject.is_string()))
        return fail(ErrorKind::Malformed, fmt::format("{} has no element {}", kindOf(subject), key.dump()));
    const bool text = subject.is_string();
    const std::int64_t size =
        text ? codePoints(subject.get_ref<const std::string&>()) : static_cast<std::int64_t>(subject.size());
    std::int64_t index = integerOf(key);
    if (index < 0)
        index += size;
    if (index < 0 || index >= size)
        return Value{Json(), fmt::format("element {}", key.dump())};
    if (!text)
        return Value{subject[static_cast<std::size_t>(index)], ""};
    CREST_TRY(one, sliceOf(subject, Json(index), Json(index + 1)));
    return Value{one, ""};
}

Result<Json> sliceOf(const Json& subject, const Json& first, const Json& last) {
    if (!subject.is_array() && !subject.is_string())
        return fail(ErrorKind::Malformed, fmt::format("{} has no slices", kindOf(subject)));
    const bool text = subject.is_string();
    const std::int64_t size =
        text ? codePoints(subject.get_ref<const std::string&>()) : static_cast<std::int64_t>(subject.size());
    const auto bound = [&](const Json& value, std::int64_t otherwise) {
        if (!isInteger(value))
            return otherwise;
        const std::int64_t at = integerOf(value);
        return at < 0 ? std::max<std::int64_t>(at + size, 0) : std::min(at, size);
    };
    for (const Json* value : {&first, &last})
        if (!value->is_null() && !isInteger(*value))
            return fail(ErrorKind::Malformed, fmt::format("a slice from or to {}", kindOf(*value)));
    const std::int64_t begin = bound(first, 0);
    const std::int64_t end = std::max(begin, bound(last, size));
    if (text) {
        const std::string& all = subject.get_ref<const std::string&>();
        const std::size_t from = byteOffset(all, begin);
        return Json(all.substr(from, byteOffset(std::string_view(all).substr(from), end - begin)));
    }
    Json part = Json::array();
    for (std::int64_t i = begin; i < end; ++i)
        part.push_back(subject[static_cast<std::size_t>(i)]);
    return part;
}

Result<Json> binary(const std::string& sign, const Json& left, const Json& right, Budget& budget) {
    if (sign == "~" || (sign == "+" && left.is_string() && right.is_string())) {
        CREST_TRY(first, printed(left));
        CREST_TRY(second, printed(right));
        CREST_CHECK(budget.wrote(first.size() + second.size()));
        return Json(first + second);
    }
    if (sign == "+" && left.is_array() && right.is_array()) {
        Json both = left;
        for (const Json& item : right)
            both.push_back(item);
        CREST_CHECK(budget.wrote(16 * both.size()));
        return both;
    }
    if (!isNumber(left) || !isNumber(right))
        return cannot(sign, left, right);
    return arithmetic(sign, left, right);
}

Result<bool> compare(const std::string& sign, const Json& left, const Json& right) {
    if (sign == "==" || sign == "!=")
        return equalValues(left, right) == (sign == "==");
    if (sign == "in" || sign == "not in") {
        bool found = false;
        if (right.is_array()) {
            for (const Json& item : right)
                found = found || equalValues(item, left);
        } else if (right.is_object() && left.is_string()) {
            found = right.contains(left.get_ref<const std::string&>());
        } else if (right.is_string() && left.is_string()) {
            found = right.get_ref<const std::string&>().find(left.get_ref<const std::string&>()) != std::string::npos;
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

bool isTest(const std::string& name) {
    for (const char* known : {"defined", "undefined", "none", "string", "number", "integer", "boolean", "mapping",
                              "sequence", "true", "false"})
        if (name == known)
            return true;
    return false;
}

bool runTest(const std::string& name, const Json& value) {
    return name == "none"       ? value.is_null()
           : name == "string"   ? value.is_string()
           : name == "number"   ? isNumber(value)
           : name == "integer"  ? value.is_number_integer()
           : name == "boolean"  ? value.is_boolean()
           : name == "mapping"  ? value.is_object()
           : name == "sequence" ? value.is_array() || value.is_string() || value.is_object()
           : name == "true"     ? value.is_boolean() && value.get<bool>()
           : name == "false"    ? value.is_boolean() && !value.get<bool>()
                                : false;
}

} // namespace crest::data::tpl
