// SPDX-License-Identifier: Apache-2.0
// The figures of a run by name: for the window's choice and `crest export --figure NAME`. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// "figure-1" to "figure-6" are presets: the figures of Springer et al. (2025, arXiv 2503.19206) on the user's own series. README.md
/// says what of each is the user's and what the paper's.
struct NamedFigure {
    std::string name;  ///< "rate-map": file stem, and the option's value
    std::string label; ///< "map of learning rate and tokens"
    bool operator==(const NamedFigure&) const = default;
};
/// All names there are.
std::vector<std::string> figureNames();
/// Those that this run's probe can give, "curves" first. Looks at the plan, and for the benchmarks of figure-1 at the results.
std::vector<NamedFigure> figuresOf(const ProbeResults& results);

/// How a figure is without options; also of a name with a panel's number ("rate-map-2").
struct FigureDefaults {
    YQuantity y = YQuantity::Value;
    AxisScale xScale = AxisScale::Log, yScale = AxisScale::Linear;
};
FigureDefaults defaultsOf(const std::string& figure);
/// False of figures without curves that could turn: FigureOptions::inflections changes nothing there.
bool showsInflections(const std::string& figure);

/// Any of them. Errors: NotFound for another name (or a strength the run lacks), Mismatch where this run cannot give it, in a sentence that
/// says what can.
Result<Figure> makeFigure(const std::string& name, const ProbeResults& results, const FigureOptions& options,
                          const std::vector<InflectionRow>& inflections);

} // namespace crest::analysis
