// SPDX-License-Identifier: Apache-2.0
// Where the line of a curve over pretraining must not go from one point to the next: where something lies between them, or
// should, of which nothing is known. Pure functions; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Missing and broken checkpoints of the series, borders of stages, and checkpoints of the plan without a value of their own.
/// Checkpoints that the user excluded are none of these: their neighbours are joined. Places as Observation::tokens.
class LineBreaks {
public:
    LineBreaks(const ProbeResults& results, XQuantity x);
    /// `from` < `to`: neighbouring points of a curve.
    bool isBetween(double from, double to) const;

private:
    std::vector<std::pair<double, double>> m_spans; ///< both ends equal: one place
};

/// The holes between the first and the last checkpoint with results that no result fills, in words: a few one by one.
void addHoleNotes(FigurePanel& panel, const ProbeResults& results, XQuantity x);

} // namespace crest::analysis
