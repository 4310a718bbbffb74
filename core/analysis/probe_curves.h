// SPDX-License-Identifier: Apache-2.0
// One curve of a probe as a figure draws it: points with their words, gaps, looks. Pure functions; any thread.
#pragma once

#include <string>

#include "core/analysis/curves.h"
#include "core/analysis/measure.h"
#include "core/analysis/probe_figures.h"
#include "core/base/counted.h"

namespace crest::analysis {

inline constexpr const char* kTokensTitle = "pretraining tokens";
inline constexpr const char* kStepsTitle = "pretraining steps";
/// The title of the x axis; tokens where the wanted quantity is not known.
std::string xTitle(const ProbeResults& results, XQuantity x);
/// Of tokens; steps (Observation) stay what they are.
double xOf(double tokens, const ProbeResults& results, XQuantity x);

/// "base", "gamma=0.1".
std::string curveId(const ProbeResults& results, double strength);
/// Noise for a base evaluation, whose strengths are none.
const study::ProbeKind& kindOf(const ProbeResults& results);
/// "16 noise draws"; "" where nothing is drawn.
std::string drawsText(const study::ProbeKind& kind, std::int64_t draws);

/// Of the strength at this position of a ladder; of a series among series.
Marker markerAt(std::size_t position);
/// The same for categories, of which there are as few colours as markers: no two of the first 49 look alike.
Marker categoryMarkerAt(std::size_t position);
/// On the ordered scale.
double colorPositionAt(std::size_t position, std::size_t count);

struct CurveLooks {
    std::string id, label;
    std::size_t position = 0, count = 0; ///< of the strength on the ladder; of a series among series
    bool series = false;                 ///< a base evaluation's: one colour of the categories, solid, with markers
};
/// Of a probe's own curve: the base dashed, strengths on the ordered scale; in a base evaluation the series' colour.
CurveLooks looksOf(const ProbeResults& results, double strength, std::size_t position);

/// One curve of a panel: what was measured, and how it looks.
struct DrawnCurve {
    const StrengthCurves* source = nullptr;
    CurveLooks looks;
};

struct CurveContent {
    const Measure& measure;
    XQuantity x;
    bool change; ///< modified minus base, in the measure's unit
    std::string place = {}; ///< in words, of points whose place on the axis is none of their own
};
/// Points that are not finite end a segment and are counted in `hidden`; what LineBreaks (probe_gaps.h) has ends one, too.
FigureCurve makeFigureCurve(const ProbeResults& results, const StrengthCurves& source, const CurveContent& content,
                            const CurveLooks& looks, int& hidden);

} // namespace crest::analysis
