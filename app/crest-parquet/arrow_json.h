// SPDX-License-Identifier: Apache-2.0
// Values of Arrow's columns as JSON.
#pragma once

#include <cstdint>

#include <arrow/array.h>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::parquet {

/// Numbers, truth values, texts, lists, structures and maps with text keys as their JSON; dates, times and decimals as
/// texts; NaN and bytes as null. Unsupported for what nests deeper than 16.
Result<Json> jsonOf(const arrow::Array& column, std::int64_t row, int depth = 0);

} // namespace crest::parquet
