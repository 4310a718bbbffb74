// SPDX-License-Identifier: Apache-2.0
// How far training moved the weights, against pretraining tokens. Pure functions; any thread.
#pragma once

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Whether any result says how far its weights went.
bool hasDistances(const ProbeResults& results);

/// Two panels: |w - start| / |start| over all weights, a curve for each strength; and of each kind of tensor (the same one of every
/// layer together) at one strength (FigureOptions::strength; the middle of the grid). NotFound for a strength that the run lacks.
Result<Figure> distanceFigure(const ProbeResults& results, const FigureOptions& options);

} // namespace crest::analysis
