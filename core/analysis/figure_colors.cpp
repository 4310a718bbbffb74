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
                                           rgb(0xf0e442), rgb(0x4a9fd4), rgb(0xea8048)};

} // namespace

Rgb orderedColor(double position, bool dark) {
    const double clamped = std::clamp(std::isfinite(position) ? position : 0.0, 0.0, 1.0);
    const double at = (dark ? 0.38 + 0.62 * clamped : 0.10 + 0.77 * clamped) * (kViridis.size() - 1);
    const auto index = std::min(static_cast<std::size_t>(at), kViridis.size() - 2);
    const double t = at - static_cast<double>(index);
    const Rgb &a = kViridis[index], &b = kViridis[index + 1];
    const auto mix = [t](std::uint8_t u, std::uint8_t v) {
        return static_cast<std::uint8_t>(std::lround(u + t * (v - u)));
    };
    return {mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)};
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

} // namespace crest::analysis
