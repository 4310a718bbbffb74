// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/crest/demo_table.h"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "core/analysis/curves.h"
#include "core/base/units.h"

namespace crest::app {
namespace {

void printCurve(std::ostream& out, const analysis::StrengthCurves& curve) {
    out << fmt::format("{:>12}", curve.strength == 0 ? "base" : "gamma " + formatNumber(curve.strength));
    double lowest = INFINITY;
    for (const analysis::CurvePoint& point : curve.value.points)
        lowest = point.mean < lowest ? point.mean : lowest;
    for (const analysis::CurvePoint& point : curve.value.points)
        out << fmt::format(" {:>7.3f}{}", point.mean, point.mean == lowest ? "*" : " ");
    out << "\n";
}

} // namespace

void printDemoTable(std::ostream& out, const analysis::ProbeResults& results,
                    const std::vector<analysis::InflectionRow>& inflections) {
    const std::vector<analysis::Observation> observations = analysis::observationsOf(results);
    const auto curves = analysis::buildCurves(observations);
    if (!curves) {
        out << curves.error().text() << "\n";
        return;
    }
    std::string task;
    for (const analysis::StrengthCurves& curve : *curves) {
        if (curve.task != task) {
            task = curve.task;
            std::string role;
            for (const study::TaskInProbe& wanted : results.plan.probe.tasks)
                if (wanted.task == task)
                    role = wanted.role == study::Role::InDistribution ? "ID" : "OOD";
            out << fmt::format("\n{} ({}): loss in nats/token by pretraining tokens, lowest of a row *\n{:>12}", task,
                               role, "");
            for (const analysis::CurvePoint& point : curve.value.points)
                out << fmt::format(" {:>7} ", formatTokens(point.tokens));
            out << "\n";
        }
        printCurve(out, curve);
    }
    out << "\ninflection points (95 % interval)\n";
    for (const analysis::InflectionRow& row : inflections)
        out << fmt::format("{:>12} gamma {:<5} {}\n", row.task, formatNumber(row.strength),
                           analysis::inflectionLabel(row.inflection));
}

} // namespace crest::app
