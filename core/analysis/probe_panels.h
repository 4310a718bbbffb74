// SPDX-License-Identifier: Apache-2.0
// What panels of a probe's figures have in common: axes, bands in words, marks, cautions; and the figure with a panel (or two)
// for each task. Pure functions; any thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"

namespace crest::analysis {

/// Scales as asked for, else `xScale` and `yScale`; ranges that show everything.
void setAxes(FigurePanel& panel, const ProbeResults& results, const FigureOptions& options, const std::string& yTitle,
             AxisScale yScale = AxisScale::Linear);

/// What the band of a panel is, "" without one; the legend says it where all panels agree (shareBands).
std::string addBandNotes(FigurePanel& panel, const std::vector<const StrengthCurves*>& curves, bool change,
                         const std::string& item, const study::ProbeKind& kind);
/// One band for all panels goes into the legend; where they differ, each says its own.
void shareBands(Figure& figure, const std::vector<std::string>& bands);

/// False while results of the plan are to come, or failed.
bool isComplete(const ProbeResults& results);

/// Marks, or the note that none is supported, for `task`. `curveOf` names the curve of a strength, "" where it is not shown.
void addInflections(FigurePanel& panel, const ProbeResults& results, const std::string& task,
                    const std::vector<InflectionRow>& rows, XQuantity x,
                    const std::function<std::string(double strength)>& curveOf);

/// Texts that are measured and replayed in training: what is seen there is learning by heart, not less forgetting.
void addReplayedTexts(FigurePanel& panel, const ProbeResults& results);

/// What else a reader must know of these results. `x`: checkpoints without a place there are said.
void addCautions(FigurePanel& panel, const ProbeResults& results, XQuantity x);

/// By task: how many checkpoints with a place on the axis have no result at all. They would vanish without a word.
std::map<std::string, std::int64_t> withoutResult(const ProbeResults& results,
                                                  const std::vector<Observation>& observations, XQuantity x);
void addWithoutResult(FigurePanel& panel, const std::map<std::string, std::int64_t>& missing, const std::string& task);

/// On a figure of the grid's strengths alone: that single checkpoints have finer rates, and where these are shown.
void addFinerRates(Figure& figure, const ProbeResults& results);

/// Index of a task in the plan.
std::size_t indexOfTask(const study::Plan& plan, const std::string& name);

/// A panel for each task that can have curves, ID first: value, change from base, or both.
struct TaskFigureInput {
    const ProbeResults& results;
    std::string name; ///< of the figure
    FigureOptions options;
    std::vector<Observation> observations;           ///< strength 0 is the base
    std::function<CurveLooks(double strength)> looks;
    const std::vector<InflectionRow>& inflections;
};
Result<Figure> taskFigure(const TaskFigureInput& input);

} // namespace crest::analysis
