// SPDX-License-Identifier: Apache-2.0
// From the stored results of one probe to what is looked at: figures and the inflection table. Pure functions over
// plain structs; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/analysis/curves.h"
#include "core/analysis/figure.h"
#include "core/analysis/inflection.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::analysis {

/// All that a figure of one probe is made from.
struct ProbeResults {
    study::Plan plan;                    ///< which results belong to the probe: those whose keys it names
    std::vector<study::ResultRow> rows;  ///< may hold others; they are left out
    std::int64_t parameters = 0;         ///< of the checkpoints; 0 where unknown or not all the same
    double flopsPerToken = 0;            ///< of pretraining (forward and backward); 0 where unknown
    std::string studyName, studyCommand; ///< studyCommand: what draws it again, without options
};

enum class XQuantity { Tokens, TokensPerParameter, Flops };
enum class YQuantity { Value, Change, Both };

struct FigureOptions {
    XQuantity x = XQuantity::Tokens;
    YQuantity y = YQuantity::Value;
    AxisScale xScale = AxisScale::Log;
    AxisScale yScale = AxisScale::Linear;
    Spread spread = Spread::Confidence95;
    bool inflections = true; ///< draw them where the data support one
};

/// One task at one strength.
struct InflectionRow {
    std::string task;
    study::Role role = study::Role::InDistribution;
    double strength = 0;
    Inflection inflection;
};

/// What is stored of a probe as observations, in the order of the rows. Rows without token count are left out.
std::vector<Observation> observationsOf(const ProbeResults& results);

/// The inflection of every task and strength (not of the base), ID tasks first. Takes some 10 ms a row: not for the
/// thread that draws.
Result<std::vector<InflectionRow>> inflectionTable(const ProbeResults& results);

/// The curves page: one panel per task (two with YQuantity::Both), ID first. Base dashed, strengths on the ordered
/// scale.
Result<Figure> curvesFigure(const ProbeResults& results, const FigureOptions& options,
                            const std::vector<InflectionRow>& inflections);

/// What a figure of these results must carry to be explained and made again: one JSON object as text.
std::string figureProvenance(const ProbeResults& results, const std::string& figure, const FigureOptions& options);

} // namespace crest::analysis
