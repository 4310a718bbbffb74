// SPDX-License-Identifier: GPL-3.0-or-later
// The table that crest demo prints.
#pragma once

#include <ostream>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::app {

/// For each task: loss by budget (columns) and strength (rows, base first; the lowest of a row marked *), then the
/// inflections with interval, or why none.
void printDemoTable(std::ostream& out, const analysis::ProbeResults& results,
                    const std::vector<analysis::InflectionRow>& inflections);

} // namespace crest::app
