// SPDX-License-Identifier: Apache-2.0
#include "core/base/units.h"

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace crest {
namespace {

struct Scale {
    double unit;
    const char* suffix;
};

/// The largest unit that `value` reaches once it is rounded to three digits, so that 999,999 reads 1M and not 1000k.
template<std::size_t N> const Scale& pickScale(double value, const std::array<Scale, N>& scales) {
    for (const Scale& scale : scales)
        if (value * 1.0005 >= scale.unit)
            return scale;
    return scales.back();
}

/// Budgets end with the last whole batch (999,424 for a million): within 0.1 % of a number of two digits, that number
/// is what was meant.
double nominalTokens(double tokens) {
    if (!std::isfinite(tokens) || std::abs(tokens) < 1000)
        return tokens;
    constexpr double kNominal = 1e-3;
    const double unit = std::pow(10.0, std::floor(std::log10(std::abs(tokens))) - 1);
    const double nominal = std::round(tokens / unit) * unit;
    return std::abs(nominal - tokens) <= kNominal * std::abs(tokens) ? nominal : tokens;
}

} // namespace

std::string formatTokens(double exact) {
    const double tokens = nominalTokens(exact);
    // Half a million reads 0.5M: budgets below a million sit on axes in millions.
    static constexpr std::array<Scale, 5> kScales{{{1e12, "T"}, {1e9, "B"}, {1e5, "M"}, {1e3, "k"}, {0, ""}}};
    const Scale& scale = pickScale(std::abs(tokens), kScales);
    const double unit = scale.unit == 1e5 ? 1e6 : scale.unit == 0 ? 1 : scale.unit;
    return formatNumber(tokens / unit, 3) + scale.suffix;
}

std::string formatBytes(double bytes) {
    static constexpr std::array<Scale, 5> kScales{{{1e12, " TB"}, {1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}, {0, " B"}}};
    const Scale& scale = pickScale(std::abs(bytes), kScales);
    return formatNumber(bytes / (scale.unit == 0 ? 1 : scale.unit), 3) + scale.suffix;
}

std::string formatDuration(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0)
        return "-";
    const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
    const std::int64_t hours = whole / 3600, minutes = whole / 60 % 60;
    return hours ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60)
                 : fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string formatNumber(double value, int digits) {
    if (!std::isfinite(value))
        return std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf";
    std::array<char, 64> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, digits);
    return {buffer.data(), end.ptr};
}

} // namespace crest
