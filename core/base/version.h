// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace crest {

/// The program's version, from CMake.
const char* version();

/// Part of every result's key. Raised with any change that moves stored numbers: kernels, noise, scoring rules,
/// Unicode tables. Results of other versions stay readable and are never mixed into a curve unseen.
inline constexpr int kNumericsVersion = 6;

/// Part of the keys of suite tasks only. Raised with any change that moves their numbers alone: templates, truncation,
/// how answers are counted.
inline constexpr int kScoringVersion = 1;

} // namespace crest
