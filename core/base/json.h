// SPDX-License-Identifier: Apache-2.0
// JSON of our own and of others. Own files are written canonically; foreign text is parsed strictly: duplicate keys,
// deep nesting, integers beyond 64 bits and broken UTF-8 are errors, not surprises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace crest {

/// Keys in sorted order, so that equal values give equal text.
using Json = nlohmann::json;

struct JsonLimits {
    std::size_t maxBytes = 100'000'000; ///< longer text is refused before it is read
    int maxDepth = 64;
};

/// Parses foreign JSON. `where` names the file in errors, which carry the byte offset.
Result<Json> parseJson(std::string_view text, const std::string& where, const JsonLimits& limits = {});

/// Canonical text: sorted keys, no spaces, numbers in shortest form that reads back the same. Non-finite numbers must
/// have been stored with `numberToJson`.
std::string canonicalJson(const Json& value);

/// A double that may be NaN or infinite: finite numbers as numbers, others as "NaN", "Infinity", "-Infinity".
Json numberToJson(double value);
std::optional<double> numberFromJson(const Json& value);

/// Typed access with an error that names the key: object[key] must be there and have the type.
Result<std::string> requireString(const Json& object, const char* key, const std::string& where);
Result<std::int64_t> requireInt(const Json& object, const char* key, const std::string& where, std::int64_t low,
                                std::int64_t high);
Result<double> requireNumber(const Json& object, const char* key, const std::string& where);

} // namespace crest
