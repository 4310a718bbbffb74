// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/figure_view.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/base/units.h"

namespace crest::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTolerance = 1e-9;

struct Range {
    double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
    void add(double position) {
        if (std::isfinite(position)) {
            low = std::min(low, position);
            high = std::max(high, position);
        }
    }
};

std::string superscript(int number) {
    static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string text;
    for (const char c : std::to_string(number))
        text += c == '-' ? "⁻" : kDigits[c - '0'];
    return text;
}

/// How many multiples of a step lie in a range.
double multiplesIn(double low, double high, double step) {
    return std::floor(high / step + kTolerance) - std::ceil(low / step - kTolerance) + 1;
}

/// The finest of 1, 2 or 5 times a power of ten of which at most `most` multiples lie in the range; the next finer one where that would be one alone.
double niceStep(double low, double high, int most) {
    double finer = 0;
    for (double power = std::pow(10.0, std::floor(std::log10((high - low) / most)));; power *= 10)
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double step = factor * power, count = multiplesIn(low, high, step);
            if (count <= most)
                return count < 2 && finer > 0 ? finer : step;
            finer = step;
        }
}

/// All labels with the same number of decimals (4.5, 5.0), so that they align.
std::vector<Tick> linearTicks(double low, double high, int most, double leastStep = 0) {
    const double step = std::max(leastStep, niceStep(low, high, std::max(2, most)));
    const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + kTolerance)), 0, 12);
    std::vector<Tick> ticks;
    for (double k = std::ceil(low / step - kTolerance); k * step <= high + step * kTolerance; k += 1) {
        const double value = k == 0 ? 0 : k * step; // never "-0"
        ticks.push_back(
            {value, std::abs(value) >= 1e6 ? formatNumber(value, 6) : fmt::format("{:.{}f}", value, decimals)});
    }
    return ticks;
}

/// Powers of ten; below two of them in range also 2 and 5 times a power, below that plain linear steps.
std::vector<Tick> logTicks(double low, double high, int most) {
    const double first = std::log10(low), last = std::log10(high);
    const int from = static_cast<int>(std::ceil(first - kTolerance)),
              to = static_cast<int>(std::floor(last + kTolerance));
    std::vector<Tick> ticks;
    if (to - from >= 2) {
        const int every = (to - from) / std::max(1, most - 1) + 1;
        for (int power = from; power <= to; power += every)
            ticks.push_back({std::pow(10.0, power), "10" + superscript(power)});
        return ticks;
    }
    for (int power = from - 1; power <= to; ++power)
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double value = factor * std::pow(10.0, power);
            if (value >= low * (1 - kTolerance) && value <= high * (1 + kTolerance))
                ticks.push_back({value, formatNumber(value, 6)});
        }
    return ticks.size() >= 3 ? ticks : linearTicks(low, high, most);
}

XY positionOf(const FigurePanel& panel, double x, double y) {
    return {axisPosition(panel.x, x), axisPosition(panel.y, y)};
}

XY between(const XY& a, const XY& b, double t) {
    return {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
}

struct Box {
    double left, right, bottom, top;
};

/// The part [t0, t1] of the straight line a-b inside the box (Liang and Barsky); false where there is none.
bool clipSegment(const XY& a, const XY& b, const Box& box, double& t0, double& t1) {
    t0 = 0;
    t1 = 1;
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double p[] = {-dx, dx, -dy, dy};
    const double q[] = {a.x - box.left, box.right - a.x, a.y - box.bottom, box.top - a.y};
    for (int i = 0; i < 4; ++i) {
        if (p[i] == 0) {
            if (q[i] < 0)
                return false;
        } else if (p[i] < 0) {
            t0 = std::max(t0, q[i] / p[i]);
        } else {
            t1 = std::min(t1, q[i] / p[i]);
        }
    }
    return t0 <= t1;
}

void appendClipped(const std::vector<XY>& line, const Box& box, std::vector<std::vector<XY>>& out) {
    bool open = false;
    for (std::size_t i = 1; i < line.size(); ++i) {
        double t0 = 0, t1 = 1;
        if (!clipSegment(line[i - 1], line[i], box, t0, t1)) {
            open = false;
            continue;
        }
        if (!open || t0 > 0)
            out.push_back({between(line[i - 1], line[i], t0)});
        out.back().push_back(between(line[i - 1], line[i], t1));
        open = t1 >= 1;
    }
}

/// Cuts an edge of a band to [left, right] and presses it into [bottom, top], with a vertex wherever it crosses.
std::vector<XY> pressedEdge(const std::vector<XY>& edge, const Box& box) {
    std::vector<XY> out;
    const auto push = [&](const XY& at) { out.push_back({at.x, std::clamp(at.y, box.bottom, box.top)}); };
    for (std::size_t i = 1; i < edge.size(); ++i) {
        const XY &a = edge[i - 1], &b = edge[i];
        if (b.x < box.left || a.x > box.right || b.x <= a.x)
            continue;
        const double t0 = std::max(0.0, (box.left - a.x) / (b.x - a.x)),
                     t1 = std::min(1.0, (box.right - a.x) / (b.x - a.x));
        std::vector<double> stops{t0};
        for (const double limit : {box.bottom, box.top})
            if ((a.y < limit) != (b.y < limit))
                if (const double t = (limit - a.y) / (b.y - a.y); t > t0 && t < t1)
                    stops.push_back(t);
        stops.push_back(t1);
        std::sort(stops.begin(), stops.end());
        for (std::size_t k = out.empty() ? 0 : 1; k < stops.size(); ++k)
            push(between(a, b, stops[k]));
    }
    return out;
}

/// One run of points that the axes can show, with its band edges (NaN where a point has no band).
struct DrawableRun {
    std::vector<XY> line, upper, lower;
    std::vector<const FigurePoint*> points;
};

std::vector<DrawableRun> drawableRuns(const FigurePanel& panel, const FigureCurve& curve) {
    std::vector<DrawableRun> runs;
    for (const auto& segment : curve.segments) {
        bool open = false;
        for (const FigurePoint& point : segment) {
            const XY at = positionOf(panel, point.x, point.y);
            if (!std::isfinite(at.x) || !std::isfinite(at.y)) {
                open = false;
                continue;
            }
            if (!open)
                runs.emplace_back();
            open = true;
            DrawableRun& run = runs.back();
            run.line.push_back(at);
            run.points.push_back(&point);
            // A lower edge <= 0 on a log axis reaches to the bottom of the panel.
            const double low = point.low ? axisPosition(panel.y, *point.low) : kNan;
            const bool sinks = point.low && std::isfinite(*point.low) && !std::isfinite(low);
            run.lower.push_back({at.x, sinks ? axisPosition(panel.y, panel.y.low) : low});
            run.upper.push_back({at.x, point.high ? axisPosition(panel.y, *point.high) : kNan});
        }
    }
    return runs;
}

/// The error of a point that has no band.
std::vector<XY> errorBar(const DrawableRun& run, std::size_t at, const Box& box) {
    const XY &low = run.lower[at], &high = run.upper[at];
    if (!std::isfinite(low.y) || !std::isfinite(high.y))
        return {};
    return {{low.x, std::clamp(low.y, box.bottom, box.top)}, {high.x, std::clamp(high.y, box.bottom, box.top)}};
}

/// The error of its x. A lower end that a log axis cannot show reaches to the left of the panel.
std::vector<XY> errorAcross(const FigurePanel& panel, const DrawableRun& run, std::size_t at, const Box& box) {
    const FigurePoint& point = *run.points[at];
    if (!panel.errorBars || !point.xLow || !point.xHigh || !std::isfinite(*point.xLow) || !std::isfinite(*point.xHigh))
        return {};
    const double low = axisPosition(panel.x, *point.xLow), high = axisPosition(panel.x, *point.xHigh), y = run.line[at].y;
    if (!std::isfinite(high))
        return {};
    return {{std::isfinite(low) ? std::clamp(low, box.left, box.right) : box.left, y}, {std::clamp(high, box.left, box.right), y}};
}

/// The line itself, or thinned to the least and greatest of each column.
std::vector<XY> thinned(const std::vector<XY>& line, const Box& box, std::size_t maxPoints) {
    const bool many = line.size() > maxPoints && maxPoints >= 4;
    return many ? decimateMinMax(line, box.left, box.right, maxPoints / 4) : line;
}

void appendBands(const DrawableRun& run, const Box& box, std::size_t maxPoints, std::vector<BandGeometry>& out) {
    std::vector<XY> upper, lower;
    const auto flush = [&] {
        BandGeometry band{pressedEdge(thinned(upper, box, maxPoints), box),
                          pressedEdge(thinned(lower, box, maxPoints), box)};
        if (band.upper.size() >= 2 && band.lower.size() >= 2)
            out.push_back(std::move(band));
        upper.clear();
        lower.clear();
    };
    for (std::size_t i = 0; i < run.line.size(); ++i) {
        if (std::isfinite(run.upper[i].y) && std::isfinite(run.lower[i].y)) {
            upper.push_back(run.upper[i]);
            lower.push_back(run.lower[i]);
        } else {
            flush();
        }
    }
    flush();
}

/// The whole field; without a cell where the axes cannot show it.
CellGeometry positionsOf(const FigurePanel& panel, const FigureCell& cell) {
    CellGeometry at{&cell, axisPosition(panel.x, cell.left), axisPosition(panel.x, cell.right),
                    axisPosition(panel.y, cell.bottom), axisPosition(panel.y, cell.top)};
    if (!(at.left < at.right && at.bottom < at.top))
        at.cell = nullptr;
    return at;
}

} // namespace

double axisPosition(const Axis& axis, double value) {
    if (!std::isfinite(value) || (axis.scale == AxisScale::Log && value <= 0))
        return kNan;
    return axis.scale == AxisScale::Log ? std::log10(value) : value;
}

double axisValue(const Axis& axis, double position) {
    return axis.scale == AxisScale::Log ? std::pow(10.0, position) : position;
}

bool isDrawable(const Axis& axis) {
    const double low = axisPosition(axis, axis.low), high = axisPosition(axis, axis.high);
    return std::isfinite(low) && std::isfinite(high) && low < high;
}

bool inRange(const Axis& axis, double value) {
    const double low = axisPosition(axis, axis.low), high = axisPosition(axis, axis.high),
                 at = axisPosition(axis, value);
    const double slack = kTolerance * (high - low);
    return at >= low - slack && at <= high + slack;
}

void fitAxis(FigurePanel& panel, Dimension dimension) {
    Axis& axis = dimension == Dimension::X ? panel.x : panel.y;
    Range range;
    for (const FigureCurve& curve : panel.curves) {
        if (!curve.visible)
            continue;
        for (const auto& segment : curve.segments)
            for (const FigurePoint& point : segment) {
                const XY at = positionOf(panel, point.x, point.y);
                if (!std::isfinite(at.x) || !std::isfinite(at.y))
                    continue;
                const bool ofX = dimension == Dimension::X;
                range.add(ofX ? at.x : at.y);
                if (ofX && !panel.errorBars)
                    continue;
                for (const auto& edge : {ofX ? point.xLow : point.low, ofX ? point.xHigh : point.high})
                    // A band of a log axis may reach far down: it does not widen the range by more than half a
                    // decade.
                    if (edge && (axis.scale == AxisScale::Linear || *edge >= (ofX ? point.x : point.y) / 3))
                        range.add(axisPosition(axis, *edge));
            }
    }
    if (dimension == Dimension::Y && range.low <= range.high)
        for (const FigureLine& line : panel.lines)
            range.add(axisPosition(axis, line.y));
    for (const FigureCell& cell : panel.cells) {
        range.add(axisPosition(axis, dimension == Dimension::X ? cell.left : cell.bottom));
        range.add(axisPosition(axis, dimension == Dimension::X ? cell.right : cell.top));
    }
    axis.isEmpty = range.low > range.high;
    if (axis.isEmpty) {
        axis.low = axis.scale == AxisScale::Log ? 1 : 0;
        axis.high = axis.scale == AxisScale::Log ? 10 : 1;
        return;
    }
    const double width = range.high - range.low;
    const double about = axis.scale == AxisScale::Log ? 1 : std::max(1e-6, std::abs(range.high));
    const double margin = !panel.cells.empty() ? 0 : width > about * 1e-12 ? 0.05 * width : 0.1 * about;
    axis.low = axisValue(axis, range.low - margin);
    axis.high = axisValue(axis, range.high + margin);
}

std::vector<Tick> visibleTicks(const Axis& axis, int most) {
    if (!isDrawable(axis) || axis.isEmpty)
        return {};
    std::vector<Tick> own;
    for (const Tick& tick : axis.ticks)
        if (inRange(axis, tick.value))
            own.push_back(tick);
    if (own.size() >= 2)
        return own;
    if (axis.format == TickFormat::Tokens)
        return tokenTicks(axis.low, axis.high, axis.scale, most);
    return axis.scale == AxisScale::Log ? logTicks(axis.low, axis.high, most) : linearTicks(axis.low, axis.high, most, axis.format == TickFormat::Whole ? 1 : 0);
}

std::vector<double> minorTicks(const Axis& axis) {
    std::vector<double> ticks;
    if (!isDrawable(axis) || axis.isEmpty || axis.scale != AxisScale::Log || axis.format == TickFormat::Tokens)
        return ticks;
    const int from = static_cast<int>(std::floor(std::log10(axis.low))),
              to = static_cast<int>(std::ceil(std::log10(axis.high)));
    if (to - from > 8)
        return ticks;
    for (int power = from; power < to; ++power)
        for (int digit = 2; digit <= 9; ++digit)
            if (const double value = digit * std::pow(10.0, power); inRange(axis, value))
                ticks.push_back(value);
    return ticks;
}

std::vector<FigureCurve> distinctCurves(const Figure& figure) {
    std::vector<FigureCurve> out;
    for (const FigurePanel& panel : figure.panels)
        for (const FigureCurve& curve : panel.curves) {
            const auto same =
                std::find_if(out.begin(), out.end(), [&](const auto& other) { return other.id == curve.id; });
            if (same != out.end()) {
                same->visible = same->visible || curve.visible;
                continue;
            }
            FigureCurve entry = curve;
            entry.segments.clear();
            out.push_back(std::move(entry));
        }
    return out;
}

std::string keyText(const FigureKey& key) {
    const char* symbol = key.symbol == FigureKey::Symbol::Band    ? "band: "
                         : key.symbol == FigureKey::Symbol::Cross ? "cross: "
                         : key.symbol == FigureKey::Symbol::Error ? "error bars: "
                                                                  : "bar: ";
    return symbol + key.text;
}

int undrawablePoints(const FigurePanel& panel) {
    int count = 0;
    for (const FigureCurve& curve : panel.curves)
        if (curve.visible)
            for (const auto& segment : curve.segments)
                for (const FigurePoint& point : segment)
                    if (std::isfinite(point.x) && std::isfinite(point.y)) {
                        const XY at = positionOf(panel, point.x, point.y);
                        count += !std::isfinite(at.x) || !std::isfinite(at.y);
                    }
    for (const FigureCell& cell : panel.cells)
        count += !positionsOf(panel, cell).cell;
    return count;
}

std::vector<std::string> panelNotes(const FigurePanel& panel) {
    std::vector<std::string> notes = panel.notes;
    const auto points = [](int n) { return n == 1 ? std::string("1 point") : fmt::format("{} points", n); };
    if (panel.hiddenNonFinite > 0)
        notes.push_back(points(panel.hiddenNonFinite) + " not finite: shown as gaps");
    if (const int n = undrawablePoints(panel); n > 0)
        notes.push_back(points(n) + " at or below 0: not on a log axis");
    return notes;
}

CurveGeometry curveGeometry(const FigurePanel& panel, const FigureCurve& curve, std::size_t maxPoints) {
    CurveGeometry out;
    if (!isDrawable(panel.x) || !isDrawable(panel.y))
        return out;
    const Box box{axisPosition(panel.x, panel.x.low), axisPosition(panel.x, panel.x.high),
                  axisPosition(panel.y, panel.y.low), axisPosition(panel.y, panel.y.high)};
    for (const DrawableRun& run : drawableRuns(panel, curve)) {
        const std::vector<XY> thin = thinned(run.line, box, maxPoints);
        appendClipped(thin, box, out.lines);
        if (!panel.errorBars)
            appendBands(run, box, maxPoints, out.bands);
        if (thin.size() < run.line.size())
            continue; // no markers on a line that is thinned
        for (std::size_t i = 0; i < run.line.size(); ++i)
            if (inRange(panel.x, run.points[i]->x) && inRange(panel.y, run.points[i]->y))
                out.markers.push_back({run.line[i], run.points[i], run.line.size() == 1,
                                       run.line.size() == 1 || panel.errorBars ? errorBar(run, i, box) : std::vector<XY>{},
                                       errorAcross(panel, run, i, box)});
    }
    return out;
}

std::vector<CellGeometry> cellGeometry(const FigurePanel& panel) {
    std::vector<CellGeometry> out;
    if (!isDrawable(panel.x) || !isDrawable(panel.y))
        return out;
    for (const FigureCell& cell : panel.cells) {
        CellGeometry at = positionsOf(panel, cell);
        at.left = std::max(at.left, axisPosition(panel.x, panel.x.low));
        at.right = std::min(at.right, axisPosition(panel.x, panel.x.high));
        at.bottom = std::max(at.bottom, axisPosition(panel.y, panel.y.low));
        at.top = std::min(at.top, axisPosition(panel.y, panel.y.high));
        if (at.cell && at.left < at.right && at.bottom < at.top)
            out.push_back(at);
    }
    return out;
}

std::vector<double> colorSteps(const Axis& color, int count) {
    std::vector<double> values;
    for (int i = 0; i < count; ++i)
        values.push_back(color.low + (color.high - color.low) * (i + 0.5) / count);
    return values;
}

std::vector<PointAt> pointsAt(const FigurePanel& panel, double x) {
    std::vector<PointAt> out;
    for (const FigureCurve& curve : panel.curves) {
        if (!curve.visible)
            continue;
        for (const auto& segment : curve.segments)
            for (const FigurePoint& point : segment)
                if (std::isfinite(point.y) &&
                    std::abs(point.x - x) <= kTolerance * std::max(std::abs(point.x), std::abs(x)))
                    out.push_back({&curve, &point});
    }
    return out;
}

} // namespace crest::analysis
