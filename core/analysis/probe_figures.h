// SPDX-License-Identifier: Apache-2.0
// From the stored results of one probe to what is looked at: figures and the inflection table. Pure functions over
// plain structs; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/curves.h"
#include "core/analysis/figure.h"
#include "core/analysis/inflection.h"
#include "core/base/result.h"
#include "core/base/version.h"
#include "core/study/types.h"

namespace crest::analysis {

/// Between two places of a series nothing is known: checkpoints are missing there. Both at one place: the checkpoint there is
/// broken. Absent where the checkpoints have none.
struct SeriesHole {
    std::optional<std::int64_t> tokensFrom, tokensTo, stepFrom, stepTo;
    bool operator==(const SeriesHole&) const = default;
};

/// A final that is no later point of the run, such as the average of several.
struct ApartCheckpoint {
    std::string what;                   ///< "the average of the parallel runs of stage 2"
    std::optional<std::int64_t> tokens; ///< where the user gave it a place
    bool operator==(const ApartCheckpoint&) const = default;
};

/// All that a figure of one probe is made from.
struct ProbeResults {
    study::Plan plan;                    ///< which results belong to the probe: those whose keys it names
    std::vector<study::ResultRow> rows;  ///< may hold others; they are left out
    std::int64_t parameters = 0;         ///< of the checkpoints; 0 where unknown or not all the same
    double flopsPerToken = 0;            ///< of pretraining (forward and backward); 0 where unknown
    /// Stage of pretraining by "series/checkpoint", where more is known than the names say (corrections by hand).
    std::map<std::string, int> stages = {};
    std::vector<SeriesHole> holes = {}; ///< of the probe's series; no line is drawn over them
    /// By "series/checkpoint"; in `plan` they have neither tokens nor step, so no statement over pretraining counts them.
    std::map<std::string, ApartCheckpoint> apart = {};
    std::vector<study::Overlay> overlays; ///< points of others
    /// Base evaluations of other series that measure the same tasks: drawn in the same panels, a colour for each.
    std::vector<ProbeResults> others;
    /// Of a run that trains: the other runs of the study that train checkpoints of the same series, oldest first. Rows where they
    /// can be drawn with this one (probe_training_runs.h).
    std::vector<ProbeResults> siblings;
    std::string studyName, studyCommand; ///< studyCommand: what draws it again, without figure and options
    std::int64_t excluded = 0;           ///< checkpoints of the run that the study has excluded since; they are not in `plan`

    /// Numerics version of the rows: one in a run, which is planned by one version of Crest. This Crest's where there are none.
    int numerics() const { return rows.empty() ? kNumericsVersion : rows.front().numerics; }
};

enum class XQuantity { Tokens, TokensPerParameter, Flops, Steps };
enum class YQuantity { Value, Change, Both };

struct FigureOptions {
    XQuantity x = XQuantity::Tokens;
    YQuantity y = YQuantity::Value; ///< defaultsOf (probe_figure_list.h) has what a figure is usually made with
    /// Absent: as the figure has it; of curves a logarithmic token axis and a linear vertical one.
    std::optional<AxisScale> xScale = {}, yScale = {};
    Spread spread = Spread::Confidence95;
    bool inflections = true; ///< draw them where the data support one
    std::string metric = {}; ///< of the tasks of suites that have it; "": the first of each
    /// Of a figure of one strength; absent: the middle of the grid, of a trade-off what tradeOffChoices (probe_trade_off.h) has.
    std::optional<double> strength = {};
    std::optional<double> budget = {};   ///< tokens (or steps), of a figure of one budget; absent: the largest
    double quickExponent = 0.5; ///< the chosen rate falls quickly where it is ~ tokens^-this or faster (probe_rate_trend.h)
};

/// One task at one strength.
struct InflectionRow {
    std::string task;
    study::Role role = study::Role::InDistribution;
    double strength = 0; ///< 0: the base; kEnvelopeStrength (probe_envelope.h): each checkpoint at its tuned rate
    Inflection inflection;
    std::string metric = "loss"; ///< that was looked at
    std::string modified = {};   ///< in words: "base", "gamma 0.1", "4 bits"
};

/// Tasks of a probe, ID first, otherwise in the user's order.
std::vector<study::TaskInProbe> orderedTasks(const study::Probe& probe);

/// What is stored of a probe as observations, in the order of the cells: losses of texts, and of the tasks of suites
/// `metric` (FigureOptions::metric), as the ratio behind it (Measure). Rows without token count are left out; with Steps those
/// without a step, and Observation::tokens are steps.
std::vector<Observation> observationsOf(const ProbeResults& results, const std::string& metric = {},
                                        XQuantity x = XQuantity::Tokens);

/// The metrics that the tasks of suites were measured with, in order of appearance.
std::vector<std::string> metricsOf(const ProbeResults& results);

/// The inflection of every task and strength (of the base only where there is nothing else), ID tasks first: the budget
/// after which the metric gets worse, which for an accuracy is a fall; where learning rates are varied, then those of the
/// envelope. Over steps where no token count is known (Inflection::overSteps). Takes some 10 ms a row: not for the thread that draws.
Result<std::vector<InflectionRow>> inflectionTable(const ProbeResults& results, const std::string& metric = {});

/// The curves page: one panel per task (two with YQuantity::Both), ID first. Base dashed, strengths on the ordered
/// scale.
Result<Figure> curvesFigure(const ProbeResults& results, const FigureOptions& options,
                            const std::vector<InflectionRow>& inflections);

/// What a figure of these results must carry to be explained and made again: one JSON object as text.
std::string figureProvenance(const ProbeResults& results, const std::string& figure, const FigureOptions& options);

} // namespace crest::analysis
