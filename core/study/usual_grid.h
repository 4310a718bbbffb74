// SPDX-License-Identifier: Apache-2.0
// The strengths and seeds of a probe where nobody says otherwise: the same in the window and on the command line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/series/series.h"
#include "core/study/probe_kind.h"

namespace crest::study {

struct UsualGrid {
    std::vector<double> strengths;
    std::int64_t seeds = 0; ///< 0 where nothing is drawn
};

/// Learning rates of fine-tuning, where it begins to help and where it begins to harm: the smaller a model, the larger its rates.
/// For large ones the grid of Springer et al. (from 4e-6, by doublings). By the first checkpoint whose size is known.
inline std::vector<double> usualRates(const series::Series& series) {
    for (const series::Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.spec) {
            const std::int64_t parameters = series::parameterCount(*checkpoint.spec);
            if (parameters < 5'000'000)
                return {2e-3, 4e-3, 8e-3, 1.2e-2, 2e-2};
            if (parameters >= 200'000'000)
                return {4e-6, 8e-6, 1.6e-5, 3.2e-5, 6.4e-5};
            break;
        }
    return {3e-5, 1e-4, 3e-4, 1e-3};
}

/// Of a kind; empty for a base evaluation, and without the rates of fine-tuning, which follow from the series. The papers leave most
/// of them open: these are those at which the sample shows its effects, in as many draws as its statistics need.
inline UsualGrid usualGrid(std::string_view kind) {
    if (kind == kGaussianNoise)
        return {{0.05, 0.1, 0.15, 0.2, 0.3}, 16};
    if (kind == kFineTuning)
        return {{}, 3};
    if (kind == kInterpolation)
        return {{0.25, 0.5, 0.75, 1}, 3};
    if (kind == kQuantisation)
        return {{2, 3, 4, 8}};
    if (kind == kPruning)
        return {{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}};
    return {};
}

} // namespace crest::study
