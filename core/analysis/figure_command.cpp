// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/figure_command.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figure_list.h"
#include "core/base/json.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

constexpr const char* kUnsaid = "  # the zoom of each panel is not in it";

const Axis& axisOf(const FigurePanel& panel, Dimension dimension) {
    return dimension == Dimension::X ? panel.x : panel.y;
}

/// A panel before anybody zoomed or hid a curve.
FigurePanel asMade(const FigurePanel& panel) {
    FigurePanel made = panel;
    for (FigureCurve& curve : made.curves)
        curve.visible = true;
    fitAxis(made, Dimension::X);
    fitAxis(made, Dimension::Y);
    return made;
}

bool close(double a, double b) {
    return std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}
bool sameRange(const Axis& a, const Axis& b) {
    return close(a.low, b.low) && close(a.high, b.high);
}

struct Zoom {
    bool any = false;
    std::optional<Axis> common; ///< of all panels, where they agree
};

Zoom zoomOf(const Figure& figure, Dimension dimension) {
    Zoom zoom;
    bool agree = true;
    for (const FigurePanel& panel : figure.panels) {
        const Axis& axis = axisOf(panel, dimension);
        zoom.any = zoom.any || !sameRange(axis, axisOf(asMade(panel), dimension));
        agree = agree && sameRange(axis, axisOf(figure.panels.front(), dimension));
    }
    if (agree && !figure.panels.empty())
        zoom.common = axisOf(figure.panels.front(), dimension);
    return zoom;
}

} // namespace

std::string shellQuoted(const std::string& text) {
    constexpr const char* kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@%=,";
    if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos)
        return text;
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string makingOptions(const std::string& figure, const FigureOptions& options) {
    std::string text;
    if (options.x != XQuantity::Tokens)
        text += options.x == XQuantity::Flops   ? " --x flops"
                : options.x == XQuantity::Steps ? " --x steps"
                                                : " --x tokens-per-parameter";
    if (options.y != defaultsOf(figure).y)
        text += options.y == YQuantity::Value ? " --y value" : options.y == YQuantity::Change ? " --y change" : " --y both";
    if (options.spread == Spread::Deviation)
        text += " --spread sd";
    if (!options.metric.empty())
        text += " --metric " + shellQuoted(options.metric);
    if (!options.inflections)
        text += " --no-inflections";
    if (options.strength)
        text += *options.strength == kEnvelopeStrength ? std::string(" --strength best") : fmt::format(" --strength {}", *options.strength);
    if (options.budget)
        text += fmt::format(" --budget {}", *options.budget);
    if (options.quickExponent != FigureOptions{}.quickExponent)
        text += fmt::format(" --quick-exponent {}", options.quickExponent);
    return text;
}

std::string viewOptions(const Figure& figure) {
    if (figure.panels.empty())
        return {};
    std::string text;
    const FigureDefaults usual = defaultsOf(figure.name);
    if (const AxisScale x = figure.panels.front().x.scale; x != usual.xScale)
        text += x == AxisScale::Linear ? " --linear-x" : " --log-x";
    if (const AxisScale y = figure.panels.front().y.scale; y != usual.yScale)
        text += y == AxisScale::Linear ? " --linear-y" : " --log-y";
    for (const FigureCurve& curve : distinctCurves(figure))
        if (!curve.visible)
            text += " --hide " + shellQuoted(curve.id);
    bool unsaid = false;
    for (const Dimension dimension : {Dimension::X, Dimension::Y}) {
        const Zoom zoom = zoomOf(figure, dimension);
        if (zoom.any && zoom.common)
            text += fmt::format(" --{}-range {} {}", dimension == Dimension::X ? "x" : "y", zoom.common->low,
                                zoom.common->high);
        unsaid = unsaid || (zoom.any && !zoom.common);
    }
    return unsaid ? text + kUnsaid : text;
}

Figure withCommandOptions(const Figure& figure, const std::string& options) {
    Figure out = figure;
    auto provenance = parseJson(figure.provenance, "provenance");
    if (!provenance || !provenance->is_object() || !provenance->contains("command") ||
        !(*provenance)["command"].is_string())
        return out;
    (*provenance)["command"] = (*provenance)["command"].get<std::string>() + options;
    out.provenance = provenance->dump(-1, ' ', false, Json::error_handler_t::replace);
    return out;
}

} // namespace crest::analysis
