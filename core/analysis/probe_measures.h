// SPDX-License-Identifier: Apache-2.0
// Which metric of a task is looked at, and its values as observations. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/analysis/measure.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// The stored rows of a plan by their keys. Valid as long as the results.
class ResultIndex {
public:
    explicit ResultIndex(const ProbeResults& results);
    /// Null where it is not stored.
    const study::ResultRow* row(const study::Cell& cell, std::size_t task) const;
    /// Any row of a task, null where there is none.
    const study::ResultRow* anyRow(std::size_t task) const;
    std::vector<const study::ResultRow*> rowsOf(std::size_t task) const;

private:
    const ProbeResults& m_results;
    std::unordered_map<std::string_view, const study::ResultRow*> m_rows;
};

/// The cells of the plan with every result stored; the others are still to come, or failed.
std::int64_t storedCells(const ProbeResults& results);

/// The metric of a row by name, the row's own (the first) where it has none of that name; null for the loss of a text.
const data::MetricValue* metricOfRow(const study::ResultRow& row, const std::string& metric);

/// Whether a task can have a curve: false where what is stored of it has no number but how much was written (texts that
/// are kept as they are).
bool canHaveCurve(const ResultIndex& index, std::size_t task);

/// What is shown of a task where `metric` is asked for ("": the task's own).
Measure measureOfTask(const ProbeResults& results, const ResultIndex& index, std::size_t task,
                      const std::string& metric);

/// The share of right answers that guessing gives: over the items the mean of 1 / choices. NaN where the measure is no
/// accuracy or the items have no choices.
double chanceOf(const ResultIndex& index, std::size_t task, const Measure& measure);

/// The strength of the plan's grid that is asked for, else its middle one; 0 where nothing is modified. An error names the strengths
/// that there are.
Result<double> wantedStrength(const ProbeResults& results, const FigureOptions& options);

/// The token count of a checkpoint, or its step: what all quantities of an x axis are made from.
std::optional<std::int64_t> placeOf(const study::PlannedCheckpoint& checkpoint, XQuantity x);
/// Whether figures can be drawn over steps: some checkpoint has one, and more tokens never mean fewer steps (a later stage of a
/// pretraining counts them anew).
bool canShowSteps(const study::Plan& plan);
/// What figures of these results are drawn over where `wanted` is asked for: steps where no token count is known, tokens where
/// steps cannot be shown.
XQuantity shownX(const study::Plan& plan, XQuantity wanted = XQuantity::Tokens);

/// observationsOf with a place for each checkpoint of the plan; those without one are left out.
std::vector<Observation> observationsAt(const ProbeResults& results, const std::string& metric,
                                        const std::vector<std::optional<double>>& places);

/// Checkpoints that have a place on the axis: those with a token count (or step); of copies with the same content there,
/// the first; none where contents differ at one budget and pretraining seed, because nothing says which run is which.
struct CheckpointChoice {
    std::vector<char> counted;                       ///< by checkpoint of the plan
    std::vector<std::vector<std::string>> ambiguous; ///< names that stand at one place
};
CheckpointChoice chooseCheckpoints(const study::Plan& plan, XQuantity x = XQuantity::Tokens);

} // namespace crest::analysis
