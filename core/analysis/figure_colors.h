// SPDX-License-Identifier: Apache-2.0
// The colours of curves as plain numbers, one table for the window, the exports and TeX.
#pragma once

#include <cstdint>

#include "core/analysis/figure.h"

namespace crest::analysis {

struct Rgb {
    std::uint8_t red = 0, green = 0, blue = 0;
};

/// Viridis (van der Walt, Smith 2015) by its ten usual stops, position 0 dark to 1 light, kept to the part that is
/// readable on a light or dark ground.
Rgb orderedColor(double position, bool dark);
/// Okabe and Ito (2008), strongest contrast first; the index wraps. On dark ground a lighter variant.
Rgb categoryColor(int index, bool dark);
Rgb curveColor(const FigureCurve& curve, bool dark);
/// Of a field of a panel: from nearly the ground at the low end to deep orange at the high end; where the scale holds 0, or lies
/// below it, blue for values below 0, and then both sides have one scale. Where lower values are the worse ones
/// (FigurePanel::lowerIsWorse) the two are exchanged. Lightness is monotone on each side.
Rgb cellColor(const FigurePanel& panel, double value, bool dark);

} // namespace crest::analysis
