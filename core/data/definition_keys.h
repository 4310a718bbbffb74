// SPDX-License-Identifier: Apache-2.0
// Typed access to a definition in JSON, with sentences that name the key. Inside of suite.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data {

class Keys {
public:
    Keys(const Json& object, std::string where)
        : m_object(object)
        , m_where(std::move(where)) {}

    const std::string& where() const { return m_where; }
    bool has(const char* key) const { return m_object.is_object() && m_object.contains(key); }
    const Json& at(const char* key) const { return m_object.at(key); }

    tl::unexpected<Error> wrong(const std::string& what) const { return fail(ErrorKind::Malformed, what, m_where); }

    /// Every key is one of these: a misspelt one would silently do nothing.
    Result<void> only(const std::vector<std::string>& known) const {
        if (!m_object.is_object())
            return wrong("must be an object {...}");
        for (const auto& [key, value] : m_object.items())
            if (std::find(known.begin(), known.end(), key) == known.end())
                return wrong(fmt::format("the key \"{}\" is not known; there are: {}", key, fmt::join(known, ", ")));
        return {};
    }

    Result<std::string> text(const char* key, std::optional<std::string> otherwise = std::nullopt) const {
        if (!has(key) && otherwise)
            return *otherwise;
        if (!has(key) || !at(key).is_string())
            return wrong(fmt::format("\"{}\" must be a text", key));
        return at(key).get<std::string>();
    }
    Result<bool> truth(const char* key, bool otherwise) const {
        if (!has(key))
            return otherwise;
        if (!at(key).is_boolean())
            return wrong(fmt::format("\"{}\" must be true or false", key));
        return at(key).get<bool>();
    }
    Result<std::int64_t> whole(const char* key, std::int64_t otherwise, std::int64_t low, std::int64_t high) const {
        if (!has(key))
            return otherwise;
        return requireInt(m_object, key, m_where, low, high);
    }
    Result<double> number(const char* key, double otherwise, double low, double high) const {
        if (!has(key))
            return otherwise;
        if (!at(key).is_number() || !(at(key).get<double>() >= low && at(key).get<double>() <= high))
            return wrong(fmt::format("\"{}\" must be a number from {} to {}", key, low, high));
        return at(key).get<double>();
    }
    Result<std::vector<std::string>> texts(const char* key) const {
        std::vector<std::string> all;
        if (!has(key))
            return all;
        const Json& list = at(key);
        if (!list.is_array())
            return wrong(fmt::format("\"{}\" must be a list of texts", key));
        for (const Json& item : list) {
            if (!item.is_string())
                return wrong(fmt::format("\"{}\" must be a list of texts", key));
            all.push_back(item.get<std::string>());
        }
        return all;
    }

private:
    const Json& m_object;
    std::string m_where;
};

} // namespace crest::data
