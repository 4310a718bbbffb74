// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/hover_text.h"

#include <cmath>

#include <QStringList>

#include "core/analysis/figure_view.h"
#include "core/base/units.h"

namespace crest::ui {
namespace {

constexpr int kDigits = 6;

QString number(double value) {
    return QString::fromStdString(formatNumber(value, kDigits));
}

QString xLine(const analysis::FigurePanel& panel, double x) {
    const QString title = QString::fromStdString(panel.x.title);
    if (panel.x.format != analysis::TickFormat::Tokens)
        return title + u": " + number(x);
    const QString exact = std::abs(x) < 1e15 ? QString::number(static_cast<qlonglong>(std::llround(x))) : number(x);
    return QString::fromStdString(formatTokens(x)) + u" (" + exact + u") " + title;
}

QString band(const analysis::FigurePoint& point) {
    if (!point.low || !point.high)
        return {};
    return number(*point.low) + u" to " + number(*point.high);
}

} // namespace

QString hoverText(const analysis::FigurePanel& panel, double x, const analysis::FigurePoint* nearest) {
    QStringList lines{xLine(panel, x)};
    for (const auto& [curve, point] : analysis::pointsAt(panel, x)) {
        QString line = QString::fromStdString(curve->label) + u": " + number(point->y);
        if (const QString error = band(*point); !error.isEmpty())
            line += u" (" + error + u')';
        if (point->n > 0)
            line += u", N " + QString::number(point->n);
        lines << line;
    }
    if (nearest && !nearest->detail.empty())
        lines << QString::fromStdString(nearest->detail);
    return lines.join(u'\n');
}

QString hoverHtml(const analysis::FigurePanel& panel, double x, const analysis::FigurePoint* nearest,
                  const ChartTheme& theme) {
    QString html = u"<b>" + xLine(panel, x).toHtmlEscaped() + u"</b><table cellspacing='0' cellpadding='2'>";
    for (const auto& [curve, point] : analysis::pointsAt(panel, x)) {
        const QString color = curveColor(*curve, theme).name();
        const QString weight = point == nearest ? QStringLiteral("font-weight:600") : QString();
        html += u"<tr style='" + weight + u"'><td><span style='color:" + color + u"'>&#9632;</span> " +
                QString::fromStdString(curve->label).toHtmlEscaped() + u"</td><td align='right'>&nbsp;" +
                number(point->y) + u"</td><td>&nbsp;" + band(*point) + u"</td><td align='right'>&nbsp;" +
                (point->n > 0 ? QString(u"N " + QString::number(point->n)) : QString()) + u"</td></tr>";
    }
    html += u"</table>";
    if (nearest && !nearest->detail.empty())
        html += u"<div>" +
                QString::fromStdString(nearest->detail).toHtmlEscaped().replace(u'\n', QStringLiteral("<br>")) +
                u"</div>";
    return html;
}

} // namespace crest::ui
