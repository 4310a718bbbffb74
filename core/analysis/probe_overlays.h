// SPDX-License-Identifier: Apache-2.0
// Points of others over the panels of a probe.
#pragma once

#include <vector>

#include "core/analysis/measure.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Whether a curve of others belongs over a panel that shows `measure` of `task`: the names agree (comparableTaskName),
/// the metric is the same or not said, the unit as well.
bool belongsTo(const study::OverlayCurve& curve, const std::string& task, const Measure& measure);

/// Adds the curves of the results' overlays that belong to the panel: dotted, each with its own marker and colour, the
/// same in every panel.
void addOverlays(FigurePanel& panel, const ProbeResults& results, const std::string& task, const Measure& measure);

} // namespace crest::analysis
