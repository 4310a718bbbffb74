// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/charts/sample_figure.h"

#include <cmath>

#include <fmt/format.h>

#include "core/analysis/figure_view.h"
#include "core/base/units.h"

namespace crest::test {
namespace {

using analysis::AxisScale;
using analysis::CurveColor;
using analysis::Dimension;
using analysis::Figure;
using analysis::FigureCurve;
using analysis::FigurePanel;
using analysis::Marker;

constexpr double kBudgets[] = {5e5, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6};
const std::vector<double> kBaseGcide{4.786, 4.326, 3.766, 3.289, 3.083, 2.922, 2.812, 2.750};
const std::vector<double> kBaseBible{5.069, 4.782, 4.429, 4.040, 3.846, 3.752, 3.615, 3.580};

struct Noise {
    double gamma;
    std::vector<double> loss;
};
const std::vector<Noise> kNoise{{0.10, {4.810, 4.358, 3.805, 3.357, 3.187, 3.080, 3.057, 3.195}},
                                {0.15, {4.813, 4.366, 3.827, 3.418, 3.275, 3.244, 3.355, 3.794}},
                                {0.20, {4.818, 4.377, 3.859, 3.506, 3.404, 3.489, 3.814, 4.643}},
                                {0.30, {4.831, 4.409, 3.952, 3.765, 3.786, 4.195, 5.103, 6.511}}};
struct Tuned {
    double rate;
    std::vector<double> ood, sd, id;
};
const std::vector<Tuned> kTuned{{0.004,
                                 {5.354, 5.297, 5.082, 4.817, 4.696, 4.665, 4.688, 4.804},
                                 {0.014, 0.006, 0.028, 0.021, 0.011, 0.033, 0.018, 0.030},
                                 {3.910, 3.741, 3.284, 2.964, 2.825, 2.730, 2.644, 2.607}},
                                {0.008,
                                 {5.580, 5.493, 5.389, 5.215, 5.193, 5.227, 5.257, 5.423},
                                 {0.032, 0.022, 0.027, 0.039, 0.034, 0.017, 0.016, 0.063},
                                 {3.746, 3.593, 3.170, 2.899, 2.782, 2.709, 2.638, 2.625}},
                                {0.012,
                                 {5.674, 5.614, 5.539, 5.455, 5.462, 5.479, 5.548, 5.699},
                                 {0.033, 0.007, 0.036, 0.057, 0.025, 0.028, 0.009, 0.064},
                                 {3.696, 3.521, 3.120, 2.881, 2.777, 2.718, 2.660, 2.650}}};
constexpr Marker kMarkers[] = {Marker::Circle, Marker::Square, Marker::Diamond, Marker::TriangleUp};

FigureCurve curve(std::string id, std::string label, const std::vector<double>& y, const std::vector<double>& sd = {}) {
    FigureCurve out;
    out.id = std::move(id);
    out.label = std::move(label);
    out.segments.emplace_back();
    for (std::size_t i = 0; i < y.size(); ++i) {
        analysis::FigurePoint point;
        point.x = kBudgets[i];
        point.y = y[i];
        if (!sd.empty()) {
            point.low = y[i] - sd[i];
            point.high = y[i] + sd[i];
            point.n = 3;
        }
        point.recipe = fmt::format("{} at {}", out.label, formatTokens(point.x));
        out.segments.back().push_back(point);
    }
    return out;
}

FigureCurve base(const std::vector<double>& y) {
    FigureCurve out = curve("base", "base", y);
    out.color = CurveColor::Base;
    out.dashed = true;
    out.marker = Marker::None;
    return out;
}

FigurePanel panel(std::string title, std::string badge, std::string yTitle, AxisScale yScale = AxisScale::Linear) {
    FigurePanel out;
    out.title = std::move(title);
    out.badge = std::move(badge);
    out.x.title = "pretraining tokens";
    out.x.scale = AxisScale::Log;
    out.x.format = analysis::TickFormat::Tokens;
    for (const double tokens : kBudgets)
        out.x.ticks.push_back({tokens, formatTokens(tokens)});
    out.y.title = std::move(yTitle);
    out.y.scale = yScale;
    return out;
}

void finish(FigurePanel& panel) {
    analysis::fitAxis(panel, Dimension::X);
    analysis::fitAxis(panel, Dimension::Y);
}

} // namespace

Figure trialFigure() {
    Figure figure;
    figure.name = "curves";
    figure.title = "Trial series: noise and fine-tuning";
    FigurePanel loss = panel("Gaussian noise: GCIDE loss", "ID", "loss (nats/token)");
    FigurePanel change = panel("Gaussian noise: sensitivity", "ID", "increase over base (nats)", AxisScale::Log);
    FigurePanel tuned = panel("Fine-tuned on Bible: Bible loss", "ID", "loss (nats/token)");
    FigurePanel forgotten = panel("Fine-tuned on Bible: GCIDE loss", "OOD", "loss (nats/token)");
    loss.curves.push_back(base(kBaseGcide));
    tuned.curves.push_back(base(kBaseBible));
    for (std::size_t i = 0; i < kNoise.size(); ++i) {
        const std::string id = fmt::format("gamma={}", kNoise[i].gamma), label = fmt::format("γ = {}", kNoise[i].gamma);
        std::vector<double> increase;
        for (std::size_t k = 0; k < kNoise[i].loss.size(); ++k)
            increase.push_back(kNoise[i].loss[k] - kBaseGcide[k]);
        for (auto* target : {&loss, &change}) {
            target->curves.push_back(curve(id, label, target == &loss ? kNoise[i].loss : increase));
            target->curves.back().colorPosition = static_cast<double>(i) / 3;
            target->curves.back().marker = kMarkers[i];
        }
    }
    for (std::size_t i = 0; i < kTuned.size(); ++i) {
        const std::string id = fmt::format("rate={}", kTuned[i].rate), label = fmt::format("rate {}", kTuned[i].rate);
        tuned.curves.push_back(curve(id, label, kTuned[i].id));
        forgotten.curves.push_back(curve(id, label, kTuned[i].ood, kTuned[i].sd));
        for (auto* target : {&tuned, &forgotten}) {
            target->curves.back().colorPosition = static_cast<double>(i) / 2.4;
            target->curves.back().marker = kMarkers[i];
        }
    }
    loss.marks = {{"gamma=0.1", 32e6, 16e6, 32e6, "32M (16M to 32M)"},
                  {"gamma=0.15", 16e6, 8e6, 16e6, "16M (8M to 16M)"},
                  {"gamma=0.2", 8e6, 4e6, 16e6, "8M (4M to 16M)"},
                  {"gamma=0.3", 4e6, 4e6, 8e6, "4M (4M to 8M)"}};
    forgotten.marks = {{"rate=0.004", 16e6, 8e6, 32e6, "16M (8M to 32M)"},
                       {"rate=0.008", 8e6, 4e6, 16e6, "8M (4M to 16M)"},
                       {"rate=0.012", 4e6, 4e6, 16e6, "4M (4M to 16M)"}};
    forgotten.notes = {"three tuning seeds"};
    figure.keys = {{analysis::FigureKey::Symbol::Band, "SD over 3 tuning seeds"},
                   {analysis::FigureKey::Symbol::Interval, "inflection with its 95 % interval"}};
    figure.panels = {loss, change, tuned, forgotten};
    for (FigurePanel& each : figure.panels)
        finish(each);
    figure.provenance =
        R"({"command":"crest export STUDY --figure curves","data":{"gcide":"sha256:0a1b"},)"
        R"("seeds":[1,2,3],"settings":{"gammas":[0.1,0.15,0.2,0.3]},"versions":{"crest":"0.1.0"}})";
    return figure;
}

Figure largeFigure(int panels, int curves, int points) {
    Figure figure;
    figure.name = "large";
    figure.columns = 3;
    for (int p = 0; p < panels; ++p) {
        FigurePanel each = panel(fmt::format("Task {}", p + 1), p < 2 ? "ID" : "OOD", "loss (nats/token)");
        each.x.ticks.clear();
        for (int c = 0; c < curves; ++c) {
            FigureCurve line;
            line.id = fmt::format("curve {}", c);
            line.label = line.id;
            line.colorPosition = static_cast<double>(c) / std::max(1, curves - 1);
            line.marker = static_cast<Marker>(1 + c % 7);
            line.segments.emplace_back();
            for (int i = 0; i < points; ++i) {
                analysis::FigurePoint point;
                point.x = 5e5 * std::pow(128.0, static_cast<double>(i) / std::max(1, points - 1));
                point.y = 3 + std::cos(0.7 * c + 6.0 * i / points) + 0.1 * p;
                point.low = point.y - 0.05;
                point.high = point.y + 0.05;
                point.n = 48;
                line.segments.back().push_back(point);
            }
            each.curves.push_back(line);
        }
        finish(each);
        figure.panels.push_back(each);
    }
    figure.provenance = "{}";
    return figure;
}

} // namespace crest::test
