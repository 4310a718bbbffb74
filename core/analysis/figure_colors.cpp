// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/figure_colors.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace crest::analysis {
namespace {

constexpr Rgb rgb(std::uint32_t hex) {
    return {static_cast<std::uint8_t>(hex >> 16), static_cast<std::uint8_t>(hex >> 8 & 255),
            static_cast<std::uint8_t>(hex & 255)};
}

constexpr std::array<Rgb, 10> kViridis{rgb(0x440154), rgb(0x482878), rgb(0x3e4989), rgb(0x31688e), rgb(0x26828e),
                                       rgb(0x1f9e89), rgb(0x35b779), rgb(0x6ece58), rgb(0xb5de2b), rgb(0xfde725)};
constexpr std::array<Rgb, 7> kOkabeIto{rgb(0x0072b2), rgb(0xd55e00), rgb(0x009e73), rgb(0xcc79a7),
                                       rgb(0xe69f00), rgb(0x56b4e9), rgb(0xf0e442)};
// Dark blue and vermilion are weak on dark grey.
constexpr std::array<Rgb, 7> kOkabeItoDark{rgb(0x56b4e9), rgb(0xe69f00), rgb(0x2fc29a), rgb(0xe29ac4),
                                           rgb(0xf0e442), rgb(0x6a7dff), rgb(0xea8048)};

using Stops = std::array<Rgb, 4>;
constexpr Stops kWarm{rgb(0xf3f0e8), rgb(0xf2b866), rgb(0xd9681a), rgb(0x9e3308)};
constexpr Stops kCool{rgb(0xf3f0e8), rgb(0x93c4e2), rgb(0x2f86be), rgb(0x0a4f82)};
constexpr Stops kWarmDark{rgb(0x353a3e), rgb(0x85561c), rgb(0xe0941a), rgb(0xffdf9c)};
constexpr Stops kCoolDark{rgb(0x353a3e), rgb(0x2c668c), rgb(0x52b0e2), rgb(0xc6e7fb)};

/// `position` in 0..1 over evenly spaced stops.
template<std::size_t N> Rgb between(const std::array<Rgb, N>& stops, double position) {
    const double at = std::clamp(std::isfinite(position) ? position : 0.0, 0.0, 1.0) * (N - 1);
    const auto index = std::min(static_cast<std::size_t>(at), N - 2);
    const double t = at - static_cast<double>(index);
    const Rgb &a = stops[index], &b = stops[index + 1];
    const auto mix = [t](std::uint8_t u, std::uint8_t v) {
        return static_cast<std::uint8_t>(std::lround(u + t * (v - u)));
    };
    return {mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)};
}

} // namespace

Rgb orderedColor(double position, bool dark) {
    const double clamped = std::clamp(std::isfinite(position) ? position : 0.0, 0.0, 1.0);
    return between(kViridis, dark ? 0.42 + 0.58 * clamped : 0.10 + 0.77 * clamped);
}

Rgb categoryColor(int index, bool dark) {
    const auto& table = dark ? kOkabeItoDark : kOkabeIto;
    const int size = static_cast<int>(table.size());
    return table[static_cast<std::size_t>((index % size + size) % size)];
}

Rgb curveColor(const FigureCurve& curve, bool dark) {
    switch (curve.color) {
    case CurveColor::Base:
        return dark ? rgb(0xeeeeee) : rgb(0x1a1a1a);
    case CurveColor::Ordered:
        return orderedColor(curve.colorPosition, dark);
    case CurveColor::Category:
        break;
    }
    return categoryColor(static_cast<int>(std::lround(curve.colorPosition)), dark);
}

Rgb cellColor(const FigurePanel& panel, double value, bool dark) {
    const Stops &warm = dark ? kWarmDark : kWarm, &cool = dark ? kCoolDark : kCool;
    const Stops &above = panel.lowerIsWorse ? cool : warm, &below = panel.lowerIsWorse ? warm : cool;
    const Axis& scale = panel.color;
    if (scale.low >= 0)
        return between(above, (value - scale.low) / (scale.high - scale.low));
    if (scale.high <= 0)
        return between(below, (scale.high - value) / (scale.high - scale.low));
    const double most = std::max(-scale.low, scale.high);
    return between(value < 0 ? below : above, std::abs(value) / most);
}

} // namespace crest::analysis
