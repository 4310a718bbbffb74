// SPDX-License-Identifier: Apache-2.0
// The layouts of figures 1 to 6 of Springer et al. (2025) on the user's own series; where a study trains on several data sets in the
// same way, a column for each (probe_data_sets.h). README.md says what of each is the user's and what the paper's. Pure functions;
// any thread. Errors as probe_tuning_figures.h.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// The OOD tasks that figure-1 takes the mean of: benchmarks, whose measure is a share.
std::vector<std::string> benchmarksOf(const ProbeResults& results, const std::string& metric);

/// Base and tuned model side by side: the plain mean of the benchmarks, with one scale.
Result<Figure> figureOne(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);
/// The envelope of every task, ID first, on a linear token axis.
Result<Figure> figureTwo(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);
/// Noise: loss and increase.
Result<Figure> figureThree(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);
/// Fixed rates, the OOD tasks alone: increase (four), loss (five).
Result<Figure> figureFour(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);
Result<Figure> figureFive(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);
/// The tuned model alone: OOD above, ID below.
Result<Figure> figureSix(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections);

} // namespace crest::analysis
