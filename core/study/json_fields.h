// SPDX-License-Identifier: Apache-2.0
// Reads a JSON object key by key: the first problem is kept, and keys that nobody asked for are a problem too.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::study {

class JsonFields {
public:
    JsonFields(const Json& object, std::string where)
        : m_object(object)
        , m_where(std::move(where)) {
        if (!object.is_object())
            problem("a JSON object is expected here");
    }

    void text(const char* key, std::string& out) {
        if (const Json* value = find(key))
            value->is_string() ? void(out = value->get<std::string>())
                               : problem(fmt::format("\"{}\" must be a text", key));
    }
    void integer(const char* key, std::int64_t& out, std::int64_t low = INT64_MIN, std::int64_t high = INT64_MAX) {
        if (find(key))
            keep(requireInt(m_object, key, m_where, low, high), out);
    }
    void integer(const char* key, int& out, int low, int high) {
        std::int64_t wide = out;
        integer(key, wide, low, high);
        out = static_cast<int>(wide);
    }
    void optionalInteger(const char* key, std::optional<std::int64_t>& out) {
        const Json* value = find(key);
        if (!value || value->is_null())
            return out.reset();
        out = 0;
        keep(requireInt(m_object, key, m_where, INT64_MIN, INT64_MAX), *out);
    }
    void number(const char* key, double& out) { ///< non-finite ones as text (numberToJson)
        const Json* value = find(key);
        if (!value)
            return;
        if (const auto read = numberFromJson(*value))
            out = *read;
        else
            problem(fmt::format("\"{}\" must be a number", key));
    }
    void texts(const char* key, std::vector<std::string>& out) {
        each(key, [&](const Json& item) {
            item.is_string() ? out.push_back(item.get<std::string>())
                             : problem(fmt::format("\"{}\" must hold texts", key));
        });
    }
    void numbers(const char* key, std::vector<double>& out) {
        each(key, [&](const Json& item) {
            item.is_number() ? out.push_back(item.get<double>())
                             : problem(fmt::format("\"{}\" must hold numbers", key));
        });
    }
    template<class Int> void integers(const char* key, std::vector<Int>& out, std::int64_t low, std::int64_t high) {
        each(key, [&](const Json& item) { addInteger(key, item, out, low, high); });
    }
    template<class Int>
    void integerLists(const char* key, std::vector<std::vector<Int>>& out, std::int64_t low, std::int64_t high) {
        each(key, [&](const Json& list) {
            if (!list.is_array())
                return problem(fmt::format("\"{}\" must hold lists", key));
            out.emplace_back();
            for (const Json& item : list)
                addInteger(key, item, out.back(), low, high);
        });
    }
    /// A word of an enum: `read` is one of the ...FromName functions.
    template<class Enum, class Read> void word(const char* key, Enum& out, Read read) {
        std::string name;
        text(key, name);
        if (!m_problem)
            keep(read(name, m_where), out);
    }
    /// A list of objects, each read by `read(item, where)`.
    template<class T, class Read> void objects(const char* key, std::vector<T>& out, Read read) {
        each(key, [&](const Json& item) {
            T value{};
            keep(read(item, fmt::format("{}: {}[{}]", m_where, key, out.size())), value);
            out.push_back(std::move(value));
        });
    }
    template<class T, class Read> void object(const char* key, T& out, Read read) {
        if (const Json* value = find(key))
            keep(read(*value, m_where + ": " + key), out);
    }
    /// A value of any type.
    template<class Use> void any(const char* key, Use use) {
        if (const Json* value = find(key))
            use(*value);
    }
    /// For keys that a file may lack.
    bool has(const char* key) const { return m_object.is_object() && m_object.contains(key); }

    Result<void> finish() {
        if (!m_problem)
            for (const auto& [key, value] : m_object.items())
                if (!m_asked.contains(key))
                    problem(fmt::format(
                        "unknown key \"{}\"; the file is from another version of Crest or was edited by hand",
                        key.substr(0, 80)));
        if (m_problem)
            return fail(*m_problem);
        return {};
    }

private:
    const Json& m_object;
    std::string m_where;
    std::set<std::string> m_asked;
    std::optional<Error> m_problem;

    void problem(std::string message) {
        if (!m_problem)
            m_problem = Error{ErrorKind::Malformed, std::move(message), m_where};
    }
    template<class T> void keep(Result<T> value, T& out) {
        if (value)
            out = std::move(*value);
        else if (!m_problem)
            m_problem = value.error();
    }
    const Json* find(const char* key) {
        m_asked.insert(key);
        if (m_problem)
            return nullptr;
        const auto at = m_object.find(key);
        if (at == m_object.end()) {
            problem(fmt::format("the key \"{}\" is missing", key));
            return nullptr;
        }
        return &*at;
    }
    template<class Use> void each(const char* key, Use use) {
        const Json* list = find(key);
        if (!list)
            return;
        if (!list->is_array())
            return problem(fmt::format("\"{}\" must be a list", key));
        for (const Json& item : *list) {
            if (m_problem)
                return;
            use(item);
        }
    }
    template<class Int>
    void addInteger(const char* key, const Json& item, std::vector<Int>& out, std::int64_t low, std::int64_t high) {
        if (!item.is_number_integer() ||
            (item.is_number_unsigned() && item.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) ||
            item.get<std::int64_t>() < low || item.get<std::int64_t>() > high)
            return problem(fmt::format("\"{}\" must hold whole numbers from {} to {}", key, low, high));
        out.push_back(static_cast<Int>(item.get<std::int64_t>()));
    }
};

} // namespace crest::study
