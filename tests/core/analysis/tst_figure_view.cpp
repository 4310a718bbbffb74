// SPDX-License-Identifier: Apache-2.0
// What is visible of a figure, worked by hand: positions, cuts, gaps, ticks, ranges.
#include <cmath>
#include <limits>

#include <QTest>

#include "core/analysis/figure_colors.h"
#include "core/analysis/figure_command.h"
#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"

using namespace crest;
using namespace crest::analysis;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

FigurePoint at(double x, double y) {
    FigurePoint point;
    point.x = x;
    point.y = y;
    return point;
}

FigurePanel panelOf(std::vector<std::vector<FigurePoint>> segments, double xLow, double xHigh, double yLow,
                    double yHigh) {
    FigurePanel panel;
    panel.x.low = xLow;
    panel.x.high = xHigh;
    panel.y.low = yLow;
    panel.y.high = yHigh;
    FigureCurve curve;
    curve.id = "a";
    curve.label = "curve a";
    curve.segments = std::move(segments);
    panel.curves = {curve};
    return panel;
}

bool near(double a, double b) {
    return std::abs(a - b) <= 1e-12 * std::max(1.0, std::abs(b));
}
bool near(const XY& a, double x, double y) {
    return near(a.x, x) && near(a.y, y);
}

std::string labels(const std::vector<Tick>& ticks) {
    std::string out;
    for (const Tick& tick : ticks)
        out += (out.empty() ? "" : " ") + tick.label;
    return out;
}

} // namespace

class TestFigureView : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void positions() {
        Axis axis;
        QVERIFY(near(axisPosition(axis, -3), -3));
        QVERIFY(std::isnan(axisPosition(axis, kNan)));
        axis.scale = AxisScale::Log;
        QVERIFY(near(axisPosition(axis, 1000), 3));
        QVERIFY(std::isnan(axisPosition(axis, 0)));
        QVERIFY(std::isnan(axisPosition(axis, -1)));
        QVERIFY(near(axisValue(axis, 3), 1000));
        axis.low = 0;
        QVERIFY(!isDrawable(axis));
        axis.low = 0.5;
        axis.high = 8;
        QVERIFY(isDrawable(axis));
        QVERIFY(inRange(axis, 0.5) && inRange(axis, 8) && !inRange(axis, 8.1) && !inRange(axis, -1));
    }

    void lineIsCutAtTheBox() {
        // y = x from 0 to 10, seen through [2, 6] x [3, 5]: from (3, 3) to (5, 5).
        const FigurePanel panel = panelOf({{at(0, 0), at(10, 10)}}, 2, 6, 3, 5);
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(geometry.lines.size(), std::size_t(1));
        QCOMPARE(geometry.lines[0].size(), std::size_t(2));
        QVERIFY(near(geometry.lines[0][0], 3, 3) && near(geometry.lines[0][1], 5, 5));
        QVERIFY(geometry.markers.empty());
    }

    void lineThatLeavesAndReturnsGivesTwo() {
        // A peak above the box: up through y = 1 at x = 0.5, down through it at x = 1.5.
        const FigurePanel panel = panelOf({{at(0, 0), at(1, 2), at(2, 0)}}, 0, 2, 0, 1);
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(geometry.lines.size(), std::size_t(2));
        QVERIFY(near(geometry.lines[0][1], 0.5, 1));
        QVERIFY(near(geometry.lines[1][0], 1.5, 1));
        QCOMPARE(geometry.markers.size(), std::size_t(2)); // both feet; the peak is out of range
    }

    void logAxisIsCutInItsOwnCoordinates() {
        // From (1, 1) to (100, 100) on log axes, seen from x = 10: the cut is at y = 10, not at 1 + 99/99*9.
        FigurePanel panel = panelOf({{at(1, 1), at(100, 100)}}, 10, 1000, 0.1, 1000);
        panel.x.scale = panel.y.scale = AxisScale::Log;
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QVERIFY(near(geometry.lines.at(0).at(0), 1, 1));
        QVERIFY(near(geometry.lines.at(0).at(1), 2, 2));
    }

    void gapsEndLines() {
        FigurePanel panel = panelOf(
            {{at(0, 1), at(1, 1), at(2, kNan), at(3, 1), at(4, -1), at(5, 1)}, {at(6, 1), at(7, 1)}}, 0, 10, 0.1, 10);
        const CurveGeometry linear = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(linear.lines.size(), std::size_t(4)); // 0-1; 3 down to the border and up to 5; 6-7
        panel.y.scale = AxisScale::Log;
        const CurveGeometry log = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(log.lines.size(), std::size_t(2)); // 0-1, 6-7
        QCOMPARE(log.markers.size(), std::size_t(6));
        QVERIFY(log.markers[2].alone && log.markers[3].alone && !log.markers[0].alone); // x = 3 and x = 5 stand alone
        QCOMPARE(undrawablePoints(panel), 1);
        panel.hiddenNonFinite = 1;
        panel.notes = {"band: SD"};
        QCOMPARE(panelNotes(panel), (std::vector<std::string>{"band: SD", "1 point not finite: shown as gaps",
                                                              "1 point at or below 0: not on a log axis"}));
        panel.curves[0].visible = false;
        QCOMPARE(undrawablePoints(panel), 0);
    }

    void bandIsPressedIntoTheBox() {
        std::vector<FigurePoint> points{at(0, 1), at(2, 1)};
        points[0].low = 0;
        points[0].high = 1;
        points[1].low = 0;
        points[1].high = 3;
        const FigurePanel panel = panelOf({points}, 0, 2, 0.5, 2);
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(geometry.bands.size(), std::size_t(1));
        const BandGeometry& band = geometry.bands[0];
        QCOMPARE(band.upper.size(), std::size_t(3)); // crosses y = 2 at x = 1
        QVERIFY(near(band.upper[0], 0, 1) && near(band.upper[1], 1, 2) && near(band.upper[2], 2, 2));
        for (const XY& edge : band.lower)
            QVERIFY(near(edge.y, 0.5));
    }

    void bandBelowZeroReachesTheBottomOfALogAxis() {
        std::vector<FigurePoint> points{at(1, 1), at(10, 1)};
        for (FigurePoint& point : points) {
            point.low = -1;
            point.high = 2;
        }
        FigurePanel panel = panelOf({points}, 1, 10, 0.1, 10);
        panel.y.scale = AxisScale::Log;
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(geometry.bands.size(), std::size_t(1));
        QVERIFY(near(geometry.bands[0].lower[0].y, -1));
    }

    void longLinesAreThinned() {
        std::vector<FigurePoint> points;
        for (int i = 0; i <= 100'000; ++i)
            points.push_back(at(i, i == 50'000 ? 7 : std::sin(i * 0.01)));
        const FigurePanel panel = panelOf({points}, 0, 100'000, -8, 8);
        const CurveGeometry geometry = curveGeometry(panel, panel.curves[0]);
        QCOMPARE(geometry.lines.size(), std::size_t(1));
        QVERIFY(geometry.lines[0].size() <= 2100);
        QVERIFY(geometry.markers.empty());
        const bool spike =
            std::any_of(geometry.lines[0].begin(), geometry.lines[0].end(), [](const XY& p) { return p.y == 7; });
        QVERIFY2(spike, "the highest point must survive");
    }

    void rangesHoldPointsAndBands() {
        std::vector<FigurePoint> points{at(10, 1), at(1000, 3)};
        points[1].low = 2;
        points[1].high = 5;
        FigurePanel panel = panelOf({points}, 0, 1, 0, 1);
        panel.x.scale = AxisScale::Log;
        fitAxis(panel, Dimension::X);
        fitAxis(panel, Dimension::Y);
        QVERIFY(near(panel.x.low, std::pow(10, 0.9)) && near(panel.x.high, std::pow(10, 3.1))); // 5 % of two decades
        QVERIFY(near(panel.y.low, 0.8) && near(panel.y.high, 5.2));
        panel.curves[0].visible = false;
        fitAxis(panel, Dimension::Y);
        QVERIFY(panel.y.low == 0 && panel.y.high == 1);
        FigurePanel single = panelOf({{at(5, 2)}}, 0, 1, 0, 1);
        fitAxis(single, Dimension::Y);
        QVERIFY(single.y.low < 2 && single.y.high > 2);
    }

    void ticks() {
        Axis axis;
        axis.low = 4.42;
        axis.high = 5.83;
        QCOMPARE(labels(visibleTicks(axis, 9)), std::string("4.6 4.8 5.0 5.2 5.4 5.6 5.8"));
        axis.low = -1;
        axis.high = 1;
        QCOMPARE(labels(visibleTicks(axis, 5)), std::string("-1.0 -0.5 0.0 0.5 1.0"));
        // A low panel has room for three: the finest step that fits, and never one label alone.
        axis.low = 2.7;
        axis.high = 5.2;
        QCOMPARE(labels(visibleTicks(axis, 3)), std::string("3 4 5"));
        axis.low = 1.9;
        axis.high = 8.1;
        QCOMPARE(labels(visibleTicks(axis, 3)), std::string("2 4 6 8")); // not 5
        for (double high = 0.013; high < 1e5; high *= 1.7)
            for (int most = 2; most < 10; ++most) {
                axis.low = -0.37 * high;
                axis.high = high;
                const auto count = static_cast<int>(visibleTicks(axis, most).size());
                QVERIFY2(count >= 2 && count <= std::max(4, most), qPrintable(QStringLiteral("%1 of %2 to %3").arg(count).arg(most).arg(high)));
            }
        axis.low = 0.9;
        axis.high = 5.1;
        axis.format = TickFormat::Whole; // half a step was never taken
        QCOMPARE(labels(visibleTicks(axis, 9)), std::string("1 2 3 4 5"));
        axis.format = TickFormat::Number;
        QCOMPARE(labels(visibleTicks(axis, 9)), std::string("1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0"));
        axis.scale = AxisScale::Log;
        axis.low = 1e-4;
        axis.high = 20;
        QCOMPARE(labels(visibleTicks(axis)), std::string("10⁻⁴ 10⁻³ 10⁻² 10⁻¹ 10⁰ 10¹"));
        QCOMPARE(minorTicks(axis).size(), std::size_t(5 * 8 + 1)); // five whole decades and 20
        axis.low = 0.9;
        axis.high = 12;
        QCOMPARE(labels(visibleTicks(axis)), std::string("1 2 5 10"));
        axis.ticks = {{1, "one"}, {3, "three"}, {50, "fifty"}};
        QCOMPARE(labels(visibleTicks(axis)), std::string("one three"));
        axis.low = 2;
        QCOMPARE(labels(visibleTicks(axis)), std::string("2 5 10")); // one of its own is not enough
        axis.low = 20;
        QVERIFY(visibleTicks(axis).empty());
    }

    void pointsAtOneX() {
        FigurePanel panel = panelOf({{at(1, 2), at(3, 4)}}, 0, 5, 0, 5);
        panel.curves.push_back(panel.curves[0]);
        panel.curves[1].segments[0][1].y = kNan;
        panel.curves.push_back(panel.curves[0]);
        panel.curves[2].visible = false;
        QCOMPARE(pointsAt(panel, 1).size(), std::size_t(2));
        QCOMPARE(pointsAt(panel, 3).size(), std::size_t(1));
        QCOMPARE(pointsAt(panel, 2).size(), std::size_t(0));
    }

    void coloursAreOrderedAndDistinct() {
        const auto luminance = [](Rgb c) { return 0.2126 * c.red + 0.7152 * c.green + 0.0722 * c.blue; };
        for (const bool dark : {false, true}) {
            double before = -1;
            for (int i = 0; i <= 20; ++i) {
                const double now = luminance(orderedColor(i / 20.0, dark));
                QVERIFY2(now > before, "the scale must run from dark to light");
                before = now;
            }
        }
        QCOMPARE(int(categoryColor(0, false).blue), 0xb2); // Okabe and Ito's blue, #0072B2
        QCOMPARE(int(categoryColor(7, false).blue), 0xb2);
        const auto distance = [](Rgb a, Rgb b) { return std::hypot(a.red - b.red, a.green - b.green, a.blue - b.blue); };
        for (const bool dark : {false, true})
            for (int i = 0; i < 7; ++i)
                for (int k = 0; k < i; ++k) // the two nearest of Okabe and Ito's seven, orange and vermilion, are 67 apart
                    QVERIFY2(distance(categoryColor(i, dark), categoryColor(k, dark)) > 60, qPrintable(QStringLiteral("%1 and %2").arg(k).arg(i)));
    }

    void theViewAsOptions() {
        Figure figure;
        figure.panels = {panelOf({{at(1, 1), at(4, 2)}}, 0, 5, 0, 5), panelOf({{at(1, 3), at(4, 5)}}, 0, 5, 0, 5)};
        for (FigurePanel& panel : figure.panels) {
            fitAxis(panel, Dimension::X);
            fitAxis(panel, Dimension::Y);
        }
        QCOMPARE(viewOptions(figure), std::string(" --linear-x"));
        for (FigurePanel& panel : figure.panels) {
            panel.x.scale = panel.y.scale = AxisScale::Log;
            fitAxis(panel, Dimension::X);
            fitAxis(panel, Dimension::Y);
            panel.x.low = 2;
            panel.x.high = 3.5;
        }
        QCOMPARE(viewOptions(figure), std::string(" --log-y --x-range 2 3.5"));
        for (FigurePanel& panel : figure.panels)
            panel.curves[0].visible = false;
        QCOMPARE(viewOptions(figure), " --log-y --hide " + figure.panels[0].curves[0].id + " --x-range 2 3.5");
        figure.panels[1].x.high = 4; // no option says a zoom of one panel alone
        QVERIFY(viewOptions(figure).find(" --x-range") == std::string::npos);
        QVERIFY(viewOptions(figure).find("  # ") != std::string::npos);
    }

    void csvIsExact() {
        Figure figure;
        figure.name = "f";
        figure.provenance = R"({"command":"crest export"})";
        std::vector<FigurePoint> points{at(1, 0.1), at(2, 1.0 / 3), at(9, 9)};
        points[1].low = 0.25;
        points[1].high = 0.5;
        points[1].n = points[1].draws = 12;
        points[1].runs = 3;
        figure.panels = {panelOf({points}, 0, 5, 0, 5)};
        figure.panels[0].title = "loss, \"held-out\"";
        figure.panels[0].badge = "ID";
        figure.panels[0].marks = {{"a", 2, 1, 3, "2 (1 to 3)"}};
        const std::string csv = figureToCsv(figure);
        const std::string rows = csv.substr(csv.find("panel,title"));
        QCOMPARE(rows, std::string("panel,title,role,curve,x,y,low,high,n,runs,draws\n"
                                   "1,\"loss, \"\"held-out\"\"\",ID,curve a,1,0.1,,,,,\n"
                                   "1,\"loss, \"\"held-out\"\"\",ID,curve a,2,0.3333333333333333,0.25,0.5,12,3,12\n"));
        QVERIFY(csv.find("# panel 1: mark on curve a: x 2, from 1 to 3: 2 (1 to 3)\n") != std::string::npos);
        const auto text = recordFromText(csv, "f.csv");
        QVERIFY(text);
        const auto record = parseFigureRecord(*text, "f.csv");
        QVERIFY(record);
        QCOMPARE((*record)["provenance"]["command"].get<std::string>(), std::string("crest export"));
        QCOMPARE((*record)["figure"]["panels"][0]["curves"][0]["points"].get<int>(), 2);
    }

    /// A range of its own making says nothing.
    void anAxisWithoutPointsHasNoTicks() {
        FigurePanel panel;
        panel.x.scale = AxisScale::Log;
        panel.x.format = TickFormat::Tokens;
        for (const Dimension dimension : {Dimension::X, Dimension::Y})
            fitAxis(panel, dimension);
        QVERIFY(isDrawable(panel.x) && isDrawable(panel.y));
        QVERIFY(visibleTicks(panel.x).empty() && visibleTicks(panel.y).empty() && minorTicks(panel.x).empty());
        FigureCurve& curve = panel.curves.emplace_back();
        curve.segments = {{{1e6, 3.0, {}, {}, 0, "", ""}, {8e6, 2.0, {}, {}, 0, "", ""}}};
        for (const Dimension dimension : {Dimension::X, Dimension::Y})
            fitAxis(panel, dimension);
        QCOMPARE(labels(visibleTicks(panel.x)), std::string("1M 2M 4M 8M"));
        QVERIFY(!visibleTicks(panel.y).empty());
    }

    void provenanceThatIsNoJsonIsKept() {
        Figure figure;
        figure.provenance = "made by hand";
        QCOMPARE(Json::parse(figureRecord(figure))["provenance"].get<std::string>(), std::string("made by hand"));
    }
};

QTEST_APPLESS_MAIN(TestFigureView)
#include "tst_figure_view.moc"
