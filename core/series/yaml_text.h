// SPDX-License-Identifier: Apache-2.0
// YAML files of other programs as JSON, read by libyaml event by event: nothing is built from tags, and an alias, which
// could multiply a small file, is refused.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::series {

struct YamlLimits {
    std::size_t maxBytes = 1'000'000;
    std::size_t maxDepth = 32;
};

/// One document. Plain scalars are null, true, false, integers (64 bits), floats or texts, as the core schema of YAML
/// 1.2 has them; quoted ones texts. Malformed with line and column, also for keys that are no scalars or occur twice;
/// Unsupported for aliases and a second document.
Result<Json> parseYaml(std::string_view text, const std::string& where, const YamlLimits& limits = {});

} // namespace crest::series
