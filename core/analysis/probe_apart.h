// SPDX-License-Identifier: Apache-2.0
// Finals that are no later point of the run (ProbeResults::apart): in the panels of curves, but on no line. Pure functions; any
// thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_curves.h"

namespace crest::analysis {

/// They stand at the tokens that the user gave, else right of the last checkpoint, behind a border of their own.
class ApartFinals {
public:
    static Result<ApartFinals> of(const ProbeResults& results, const FigureOptions& options);

    /// To the curves that are drawn of `task` already. Nothing where nothing is measured.
    void addTo(FigurePanel& panel, const std::string& task, const CurveContent& content, const std::vector<DrawnCurve>& drawn) const;

private:
    struct Final {
        std::string name, what;
        double place = 0, border = 0; ///< place as Observation::tokens; border: 0 where the place is known
        std::vector<StrengthCurves> curves;
    };
    explicit ApartFinals(const ProbeResults& results)
        : m_results(results) {}
    bool addPoints(FigurePanel& panel, const Final& final, const std::string& task, const CurveContent& content,
                   const std::vector<DrawnCurve>& drawn) const;

    const ProbeResults& m_results;
    std::vector<Final> m_finals;
};

} // namespace crest::analysis
