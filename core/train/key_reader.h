// SPDX-License-Identifier: Apache-2.0
// Reading settings from JSON written by people: every key is asked for by name and range, the first fault is kept as a
// sentence, and keys that nobody asked for are faults, too.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::train {

/// Reads keys of one JSON object, remembers the first error and which keys were asked for.
class KeyReader {
public:
    KeyReader(const Json& object, std::string where)
        : m_object(object)
        , m_where(std::move(where)) {
        if (!object.is_object())
            error("must be an object");
    }
    const Json* find(const char* key) {
        m_known.insert(key);
        if (!m_object.is_object())
            return nullptr;
        const auto it = m_object.find(key);
        return it == m_object.end() ? nullptr : &*it;
    }
    const Json* require(const char* key) {
        const Json* value = find(key);
        if (!value)
            error(std::string("the key \"") + key + "\" is missing");
        return value;
    }
    void integer(const char* key, std::int64_t& into, std::int64_t low, std::int64_t high, bool required = false) {
        const Json* value = required ? require(key) : find(key);
        if (!value)
            return;
        if (!value->is_number_integer() || value->get<double>() < static_cast<double>(low) ||
            value->get<double>() > static_cast<double>(high))
            return error(std::string("\"") + key + "\" must be a whole number from " + std::to_string(low) + " to " +
                         std::to_string(high));
        into = value->get<std::int64_t>();
    }
    void number(const char* key, double& into, double low, double high) {
        const Json* value = find(key);
        if (value && (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high)))
            return error(std::string("\"") + key + "\" must be a number from " + Json(low).dump() + " to " +
                         Json(high).dump());
        if (value)
            into = value->get<double>();
    }
    void flag(const char* key, bool& into) {
        const Json* value = find(key);
        if (value && !value->is_boolean())
            return error(std::string("\"") + key + "\" must be true or false");
        if (value)
            into = value->get<bool>();
    }
    void text(const char* key, std::string& into, bool required = false) {
        const Json* value = required ? require(key) : find(key);
        if (value && (!value->is_string() || value->get<std::string>().empty()))
            return error(std::string("\"") + key + "\" must be a text that is not empty");
        if (value)
            into = value->get<std::string>();
    }
    /// One of `names`, in the order of an enum.
    template<class E> void choice(const char* key, E& into, std::initializer_list<const char*> names) {
        std::string given;
        text(key, given);
        if (given.empty())
            return;
        std::string all;
        int index = 0;
        for (const char* name : names) {
            if (given == name) {
                into = static_cast<E>(index);
                return;
            }
            all += std::string(index++ ? ", " : "") + "\"" + name + "\"";
        }
        error(std::string("\"") + key + "\" must be one of " + all);
    }
    /// A number, or the named rule (which leaves 0).
    void numberOrRule(const char* key, double& into, const char* rule) {
        const Json* value = find(key);
        if (!value || (value->is_string() && value->get<std::string>() == rule))
            return;
        if (!value->is_number() || !(value->get<double>() > 0 && value->get<double>() <= 10))
            return error(std::string("\"") + key + "\" must be a number above 0, or \"" + rule + "\"");
        into = value->get<double>();
    }
    void integers(const char* key, std::vector<std::int64_t>& into, std::int64_t low, std::int64_t high) {
        const Json* value = require(key);
        if (!value)
            return;
        const auto inRange = [&](const Json& e) {
            return e.is_number_integer() && e.get<double>() >= static_cast<double>(low) &&
                   e.get<double>() <= static_cast<double>(high);
        };
        if (!value->is_array() || value->empty() || !std::all_of(value->begin(), value->end(), inRange))
            return error(std::string("\"") + key + "\" must be a list of whole numbers from " + std::to_string(low) +
                         " to " + std::to_string(high));
        into = value->get<std::vector<std::int64_t>>();
        std::vector<std::int64_t> sorted = into;
        std::sort(sorted.begin(), sorted.end());
        if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
            error(std::string("\"") + key + "\" holds a number twice");
    }
    /// "betas" of Adam: two numbers from 0 to below 1.
    void betas(double& first, double& second) {
        const Json* value = find("betas");
        if (!value)
            return;
        const auto isBeta = [](const Json& b) { return b.is_number() && b.get<double>() >= 0 && b.get<double>() < 1; };
        if (!value->is_array() || value->size() != 2 || !isBeta((*value)[0]) || !isBeta((*value)[1]))
            return error("\"betas\" must be two numbers from 0 to below 1");
        first = (*value)[0].get<double>();
        second = (*value)[1].get<double>();
    }
    void error(const std::string& message) {
        if (!m_error)
            m_error = Error{ErrorKind::OutOfRange, message + ".", m_where};
    }
    Result<void> finish() {
        if (m_object.is_object())
            for (const auto& [key, value] : m_object.items())
                if (!m_known.contains(key))
                    error("the key \"" + key + "\" is unknown");
        if (m_error)
            return fail(*m_error);
        return {};
    }

private:
    const Json& m_object;
    std::string m_where;
    std::set<std::string> m_known;
    std::optional<Error> m_error;
};

} // namespace crest::train
