// SPDX-License-Identifier: Apache-2.0
// The strengths and seeds of a probe where nobody says otherwise: the same in the window and on the command line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/study/probe_kind.h"

namespace crest::study {

struct UsualGrid {
    std::vector<double> strengths;
    std::int64_t seeds = 0; ///< 0 where nothing is drawn
};

/// Of a kind; empty for a base evaluation. The papers leave most of them open: these are those at which the sample shows
/// its effects, in as many draws as its statistics need.
inline UsualGrid usualGrid(std::string_view kind) {
    if (kind == kGaussianNoise)
        return {{0.05, 0.1, 0.15, 0.2, 0.3}, 16};
    if (kind == kFineTuning)
        return {{3e-5, 1e-4, 3e-4, 1e-3}, 3};
    if (kind == kInterpolation)
        return {{0.25, 0.5, 0.75, 1}, 3};
    if (kind == kQuantisation)
        return {{2, 3, 4, 8}};
    if (kind == kPruning)
        return {{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}};
    return {};
}

} // namespace crest::study
