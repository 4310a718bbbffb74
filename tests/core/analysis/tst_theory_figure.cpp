// SPDX-License-Identifier: Apache-2.0
// The theory lab's figure: what stands in its panels is what the tables of the specification say, with simulation beside closed form.
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include <QTest>

#include "core/analysis/figure_colors.h"
#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/theory_figure.h"

using namespace crest;
using namespace crest::analysis;

namespace {

const FigureCurve* curveOf(const FigurePanel& panel, const std::string& id) {
    for (const FigureCurve& curve : panel.curves)
        if (curve.id == id)
            return &curve;
    return nullptr;
}

/// The points that stand alone, by x.
std::vector<double> dots(const FigureCurve& curve) {
    std::vector<double> out;
    for (const auto& segment : curve.segments)
        if (segment.size() == 1)
            out.push_back(segment.front().y);
    return out;
}

/// The line's value at x, straight between its points on the log axis.
double lineAt(const FigureCurve& curve, double x) {
    const auto& line = curve.segments.front();
    for (std::size_t i = 1; i < line.size(); ++i)
        if (line[i].x >= x * (1 - 1e-12)) {
            const double share = std::log(x / line[i - 1].x) / std::log(line[i].x / line[i - 1].x);
            return line[i - 1].y + share * (line[i].y - line[i - 1].y);
        }
    return std::nan("");
}

TheoryEstimates estimatesFor(const TheoryState& state) {
    TheoryEstimates estimates{state.model, state.draws, state.seed, {}};
    const std::vector<double> gammas = missingGammas(state, estimates);
    auto sampled = sampleNoisyLosses(state.model, gammas, state.draws, state.seed, {});
    for (std::size_t g = 0; sampled && g < gammas.size(); ++g)
        estimates.byGamma[gammas[g]] = (*sampled)[g];
    return estimates;
}

bool hasNote(const FigurePanel& panel, const std::string& words) {
    return std::any_of(panel.notes.begin(), panel.notes.end(), [&](const auto& note) { return note.find(words) != std::string::npos; });
}

Figure figureOf(const TheoryState& state, const TheoryEstimates& estimates = {}) {
    return theoryFigure(state, readTheory(state), estimates);
}

} // namespace

class TheoryFigureTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void learning();
    void modesAreToldApart();
    void noise();
    void fineTuning();
    void pulled();
    void divergedRunsAreGaps();
    void exportsCarryTheSettings();
};

void TheoryFigureTest::learning() {
    const TheoryState state = theoryPresets()[0].state;
    const Figure figure = figureOf(state);
    QCOMPARE(figure.panels.size(), 4u);
    const FigurePanel& spectra = figure.panels[0];
    QCOMPARE(spectra.lines.size(), 1u);
    QVERIFY(std::abs(spectra.lines[0].y - 0.48) < 1e-12); // 2 x 6 x 0.2^2
    const FigurePanel& panel = figure.panels[1];
    QCOMPARE(panel.curves.size(), 6u);
    const std::vector<double> tau{3.2532, 4.7785, 7.7513, 12.9029, 21.8805, 42.0281};
    for (std::size_t i = 0; i < 6; ++i) {
        const FigureCurve& curve = panel.curves[i];
        QCOMPARE(curve.segments.size(), 2u);
        QVERIFY(std::abs(curve.segments[1].front().x - tau[i]) < 0.5e-4);
        QCOMPARE(curve.segments[1].front().y, state.model.sigma[i] / 2);
        QVERIFY(std::abs(curve.segments[0].back().y - state.model.sigma[i]) < 1e-6);
        QVERIFY(curve.segments[0].front().y < 1e-2 * state.model.sigma[i]);
    }
    QCOMPARE(panel.marks.size(), 1u); // where the theory puts the inflection: mode 5 switches on
    QVERIFY(panel.marks[0].curve == "mode=5" && std::abs(panel.marks[0].x - 21.8805) < 0.5e-4);
}

/// More modes than the palette has colours; that of the chosen strength is none of them.
void TheoryFigureTest::modesAreToldApart() {
    TheoryState state = theoryPresets()[1].state;
    state.model.sigma.clear();
    for (std::size_t mode = 0; mode < kMostModes; ++mode)
        state.model.sigma.push_back(4 - 0.2 * static_cast<double>(mode));
    state.model.target = state.model.sigma;
    const Figure figure = figureOf(state);
    std::set<std::tuple<std::array<int, 3>, bool, bool>> looks;
    const auto colorOf = [](const FigureCurve& curve) {
        const Rgb color = curveColor(curve, false);
        return std::array<int, 3>{color.red, color.green, color.blue};
    };
    const auto chosen = colorOf(*curveOf(figure.panels[3], "chosen"));
    for (const FigureCurve& mode : figure.panels[1].curves) {
        QVERIFY2(colorOf(mode) != chosen, mode.label.c_str());
        QVERIFY2(looks.insert({colorOf(mode), mode.dashed, mode.dotted}).second, mode.label.c_str());
    }
    QCOMPARE(looks.size(), kMostModes);
}

void TheoryFigureTest::noise() {
    const TheoryState state = theoryPresets()[0].state;
    QCOMPARE(missingGammas(state, {}).size(), 5u); // 0.2 stands in the ladder
    const Figure bare = figureOf(state);
    QVERIFY(hasNote(bare.panels[3], "at work"));
    QVERIFY(dots(*curveOf(bare.panels[3], "chosen")).empty());
    const TheoryEstimates estimates = estimatesFor(state);
    QVERIFY(missingGammas(state, estimates).empty());
    const Figure figure = figureOf(state, estimates);
    const FigurePanel& loss = figure.panels[3];
    const std::vector<double> expected{3.8297, 2.4147, 1.9991, 1.9270, 1.9448, 1.9728}, stops = stopTimes(state.model);
    const FigureCurve* chosen = curveOf(loss, "chosen");
    QVERIFY(chosen && curveOf(loss, "base") && curveOf(loss, "base")->dashed);
    const std::vector<double> sampled = dots(*chosen);
    QCOMPARE(sampled.size(), 6u);
    for (std::size_t n = 0; n < 6; ++n) {
        QVERIFY(std::abs(sampled[n] / expected[n] - 1) < 0.015);
        QVERIFY(std::abs(lineAt(*chosen, stops[n]) / expected[n] - 1) < 0.01); // 96 points: a little off between them
        const FigurePoint& dot = chosen->segments[n + 1].front();
        QVERIFY(dot.low && dot.high && *dot.low < dot.y && dot.y < *dot.high);
        QCOMPARE(dot.n, state.draws);
    }
    // The errors are drawn.
    std::size_t bars = 0;
    for (const MarkerGeometry& marker : curveGeometry(loss, *chosen).markers)
        bars += marker.bar.size() == 2 && marker.bar[0].y < marker.bar[1].y;
    QCOMPARE(bars, 6u);
    // Inflections as in the table: none at 0.05 and 0.1, then stops 4, 3, 1.
    QCOMPARE(loss.marks.size(), 4u);
    const std::map<std::string, std::size_t> best{{"strength=2", 3}, {"strength=3", 2}, {"strength=4", 0}, {"chosen", 3}};
    for (const FigureMark& mark : loss.marks)
        QCOMPARE(mark.x, stops[best.at(mark.curve)]);
    // What noise adds is loss minus base.
    const FigureCurve* added = curveOf(figure.panels[2], "chosen");
    QVERIFY(std::abs(added->segments[0][50].y - (chosen->segments[0][50].y - curveOf(loss, "base")->segments[0][50].y)) < 1e-12);
    for (std::size_t i = 1; i < added->segments[0].size(); ++i)
        QVERIFY(added->segments[0][i].y >= added->segments[0][i - 1].y); // monotone in time
    // Another model: nothing of the old estimates is shown.
    TheoryState other = state;
    other.model.sigma[0] = 3.1;
    QVERIFY(dots(*curveOf(figureOf(other, estimates).panels[3], "chosen")).empty());
}

void TheoryFigureTest::fineTuning() {
    const TheoryState state = theoryPresets()[1].state;
    const Figure figure = figureOf(state);
    const FigurePanel &task = figure.panels[2], &pretraining = figure.panels[3];
    QVERIFY(task.badge == "ID" && pretraining.badge == "OOD");
    const std::vector<double> a{4.9522, 3.6227, 2.9640, 2.7556, 2.9341, 3.5452}, b{7.8100, 7.8913, 7.6598, 6.9445, 5.3497, 2.3206};
    const std::vector<double> onA = dots(*curveOf(pretraining, "chosen")), onB = dots(*curveOf(task, "chosen"));
    QVERIFY(onA.size() == 6 && onB.size() == 6);
    const std::vector<double> stops = stopTimes(state.model);
    for (std::size_t n = 0; n < 6; ++n) {
        QVERIFY(std::abs(onA[n] - a[n]) <= 0.5e-4 && std::abs(onB[n] - b[n]) <= 0.5e-4);
        // Gradient flow, near the steps of size 0.002.
        QVERIFY(std::abs(lineAt(*curveOf(pretraining, "chosen"), stops[n]) / a[n] - 1) < 0.02);
    }
    QVERIFY(curveOf(figure.panels[0], "target") && curveOf(figure.panels[0], "tuned"));
    QVERIFY(figure.panels[0].lines.empty());
    for (const FigureMark& mark : pretraining.marks)
        QCOMPARE(mark.x, stops[mark.curve == "strength=1" ? 4u : 3u]);
    QCOMPARE(pretraining.marks.size(), 4u); // none at 0.0005
    const Figure aligned = figureOf(theoryPresets()[3].state);
    QVERIFY(aligned.panels[3].marks.empty() && aligned.panels[1].marks.empty() && hasNote(aligned.panels[3], "no inflection"));
}

void TheoryFigureTest::pulled() {
    const TheoryState state = theoryPresets()[2].state;
    const Figure figure = figureOf(state);
    const std::vector<double> stops = stopTimes(state.model);
    const std::vector<std::size_t> best{2, 2, 3, 4}; // lambda 0.5, 1, 2, 5
    std::vector<FigureMark> marks = figure.panels[3].marks;
    QCOMPARE(marks.size(), 6u);
    const FigureMark limit = marks.back(); // of the closed form: between the stops before and after the best
    marks.pop_back();
    QVERIFY2(limit.curve == "chosen" && limit.label == "closed form: t 12", limit.label.c_str());
    QVERIFY(limit.x > stops[1] && limit.x < stops[3] && limit.low == limit.x && limit.high == limit.x);
    for (const FigureMark& mark : marks)
        QCOMPARE(mark.x, stops[mark.curve == "chosen" ? 2 : best[static_cast<std::size_t>(mark.curve.back() - '0')]]);
    QVERIFY(figure.panels[1].marks.empty()); // no mode of its own
    // Lines are the steps themselves: through the dots, but for the straight pieces between 96 points.
    const FigureCurve* chosen = curveOf(figure.panels[3], "chosen");
    for (std::size_t n = 0; n < 6; ++n)
        QVERIFY(std::abs(lineAt(*chosen, stops[n]) / dots(*chosen)[n] - 1) < 0.01);
}

void TheoryFigureTest::divergedRunsAreGaps() {
    TheoryState state = theoryPresets()[1].state;
    state.tuning.rate = 0.9;
    const Figure figure = figureOf(state);
    QCOMPARE(figure.panels[3].hiddenNonFinite, 6);
    QVERIFY(dots(*curveOf(figure.panels[3], "chosen")).empty());
}

void TheoryFigureTest::exportsCarryTheSettings() {
    for (const TheoryPreset& preset : theoryPresets()) {
        const Figure figure = figureOf(preset.state);
        const auto text = recordFromText(figureToCsv(figure), "csv");
        QVERIFY(text.has_value());
        const auto record = parseFigureRecord(*text, "csv");
        QVERIFY(record.has_value());
        const Json& theory = (*record)["provenance"]["theory"];
        QCOMPARE(theory["sigma"].get<std::vector<double>>(), preset.state.model.sigma);
        QCOMPARE(theory["s0"].get<double>(), 1e-8);
        QVERIFY((*record)["provenance"]["data"].get<std::string>().starts_with("none"));
        const std::string tex = figureToTex(figure, 174);
        QVERIFY(tex.find("\\sigma") != std::string::npos);
        // No letter is left that plain pdflatex does not know.
        const std::size_t picture = tex.find("\\begin{tikzpicture}");
        for (const char* letter : {"γ", "η", "λ", "τ", "σ", "²"})
            QVERIFY2(picture != std::string::npos && tex.find(letter, picture) == std::string::npos, letter);
    }
}

QTEST_GUILESS_MAIN(TheoryFigureTest)
#include "tst_theory_figure.moc"
