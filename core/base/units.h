// SPDX-License-Identifier: Apache-2.0
// How numbers are written for people: token counts, bytes, durations, rates.
#pragma once

#include <cstdint>
#include <string>

namespace crest {

/// Pretraining tokens as axis and table labels: 0.5M, 4M, 1.5B, 3T; at most three significant digits, below 1000 plain.
/// Within 0.1 % of a number of two digits it is that number: 999,424 reads 1M. Hover and files give the exact count.
std::string formatTokens(double tokens);
/// 140 kB, 3.0 GB (powers of 1000).
std::string formatBytes(double bytes);
/// 0:24, 12:05, 3:07:00.
std::string formatDuration(double seconds);
/// `digits` significant digits without trailing zeros, independent of the locale.
std::string formatNumber(double value, int digits = 4);

} // namespace crest
