// SPDX-License-Identifier: Apache-2.0
// Stages of pretraining on the token axis: where a later one begins. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Between the last budget of a stage and the first of the next one that was measured, in tokens.
struct StageBorder {
    double before = 0, after = 0;
    int stage = 1; ///< the one that begins
};

struct Stages {
    std::vector<StageBorder> borders; ///< ascending in tokens
    /// Stages whose budgets lie among those of an earlier one (their tokens are counted anew): no border can be drawn.
    std::vector<int> mixed;
};

/// Of the checkpoints that curves are drawn from. The stage is that of ProbeResults::stages, else what the name says,
/// else the first.
Stages stagesOf(const ProbeResults& results);

/// Borders and, where stages cannot be told apart on the axis, a note; only where there is more than one stage.
void addStageBorders(FigurePanel& panel, const ProbeResults& results, XQuantity x);

} // namespace crest::analysis
