// SPDX-License-Identifier: Apache-2.0
// Reading config.json key by key; only for decoder_spec.cpp and rope.cpp.
#pragma once

#include <optional>
#include <string>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/series/families.h"

namespace crest::series {

inline constexpr std::int64_t kMaxSize = std::int64_t{1} << 24;
inline constexpr std::int64_t kMaxLayers = 1024;
inline constexpr std::int64_t kMaxParameters = std::int64_t{1} << 50;

/// The value of a key, or null where it is absent or null: both mean "the default" in config.json.
inline const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// Reads keys and keeps the first error, so that the code reads as a list of facts.
class ConfigReader {
public:
    ConfigReader(const Json& config, const std::string& where)
        : m_config(config)
        , m_where(where) {}

    const std::optional<Error>& error() const { return m_error; }

    std::int64_t size(const char* key, std::int64_t fallback, std::int64_t high = kMaxSize) {
        if (!find(m_config, key))
            return fallback;
        return keep(requireInt(m_config, key, m_where, 1, high), fallback);
    }
    double number(const Json& object, const char* key, double fallback) {
        return find(object, key) ? keep(requireNumber(object, key, m_where), fallback) : fallback;
    }
    bool flag(const ConfigSwitch& rule) { return rule.key ? flag(rule.key, rule.fallback) : rule.fallback; }
    bool flag(const char* key, bool fallback) {
        const Json* value = find(m_config, key);
        if (value && !value->is_boolean())
            refuse(ErrorKind::Malformed, fmt::format("\"{}\" must be true or false", key));
        return value && value->is_boolean() ? value->get<bool>() : fallback;
    }
    std::string text(const char* key, const char* fallback) {
        return find(m_config, key) ? keep(requireString(m_config, key, m_where), std::string(fallback)) : fallback;
    }
    void refuse(ErrorKind kind, std::string message) {
        if (!m_error)
            m_error = Error{kind, std::move(message), m_where};
    }
    void unsupported(const std::string& key, const std::string& why) {
        refuse(ErrorKind::Unsupported, fmt::format("\"{}\" asks for {}, which Crest does not compute.", key, why));
    }

private:
    const Json& m_config;
    std::string m_where;
    std::optional<Error> m_error;

    template<class T> T keep(Result<T> value, T fallback) {
        if (value)
            return *value;
        if (!m_error)
            m_error = value.error();
        return fallback;
    }
};

/// Rotary settings of a family that has them: base, rotated dimensions, scaling.
void readRope(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec);

} // namespace crest::series
