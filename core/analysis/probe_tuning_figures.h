// SPDX-License-Identifier: Apache-2.0
// Figures of a sweep of strengths beside its curves: the envelope, the chosen rate, base + sensitivity = modified, and the map
// of strength and tokens. Pure functions; any thread. Errors: Mismatch where the run's probe cannot give the figure,
// NotFound for a strength that it does not have.
#pragma once

#include "core/analysis/probe_envelope.h"

namespace crest::analysis {

/// Every task at each checkpoint's tuned rate against tokens, beside the base.
Result<Figure> envelopeFigure(const ProbeResults& results, const FigureOptions& options,
                              const std::vector<InflectionRow>& inflections);

/// The tuned rate against tokens: of every pretraining run, their geometric mean, and the line of the trend class.
Result<Figure> chosenRateFigure(const ProbeResults& results, const FigureOptions& options);

/// Of each task at one strength (FigureOptions::strength): base, sensitivity and their sum, over the checkpoints that have all
/// three, so that the sum holds at every point. Perplexities by their logarithm.
Result<Figure> decompositionFigure(const ProbeResults& results, const FigureOptions& options,
                                   const std::vector<InflectionRow>& inflections);

/// Of each task a field for every budget and strength; the tuned rate drawn on it where rates are varied.
Result<Figure> strengthMapFigure(const ProbeResults& results, const FigureOptions& options);

} // namespace crest::analysis
