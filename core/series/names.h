// SPDX-License-Identifier: Apache-2.0
// What else a folder's name tells, beside ParsedName of series.h.
#pragma once

#include <string>
#include <string_view>

namespace crest::series {

/// The part of a checkpoint's name that names its series: "TinyLlama-1.1B" of
/// "TinyLlama-1.1B-intermediate-step-715k-1.5T",
/// "" of "step1000" and of names without step and tokens.
std::string seriesPartOfName(std::string_view name);

/// Order of names with numbers by value: step9 before step10.
bool naturalLess(std::string_view a, std::string_view b);

} // namespace crest::series
