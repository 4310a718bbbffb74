// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/figure_painter.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QPainter>

#include "ui/charts/legend.h"

namespace crest::ui {
namespace {

constexpr double kNarrowestMm = 55;
/// In em: a title of two lines and two notes. What stands above a plot beyond that makes the panel higher, not the plot lower.
constexpr double kUsualTop = 6;

} // namespace

int columnsOnPaper(const analysis::Figure& figure, const PaperSize& paper) {
    const int count = std::max(1, static_cast<int>(figure.panels.size()));
    if (paper.columns > 0)
        return std::min(paper.columns, count);
    const int fitting = std::max(1, static_cast<int>(paper.widthMm / kNarrowestMm));
    return std::clamp(figure.columns, 1, std::min(fitting, count));
}

FigurePainter::FigurePainter(const analysis::Figure& figure, const PaperSize& paper, const ChartTheme& theme)
    : m_scene(std::make_unique<QGraphicsScene>()) {
    m_scene->setItemIndexMethod(QGraphicsScene::NoIndex);
    analysis::Figure shape = figure;
    shape.columns = columnsOnPaper(figure, paper);
    layOut(shape, paper, chartStyle(theme, QApplication::font(), paper.fontPt * kUnitsPerPoint));
}

FigurePainter::~FigurePainter() = default;

void FigurePainter::layOut(const analysis::Figure& figure, const PaperSize& paper, const ChartStyle& style) {
    const double width = paper.widthMm * kUnitsPerMm, gap = 0.6 * style.em,
                 rowHeight = paper.panelHeightMm * kUnitsPerMm;
    const int columns = figure.columns;
    const double panelWidth = (width - gap * (columns - 1)) / columns;
    auto* legend = new LegendItem(figure, style, width - style.em);
    m_scene->addItem(legend);
    legend->setPos(0.5 * style.em, 0);
    double y = legend->height() > 0 ? legend->height() + 0.5 * style.em : 0;

    double leastTop = kUsualTop * style.em, leastBottom = 1e9;
    for (std::size_t i = 0; i < figure.panels.size(); ++i) {
        auto* chart = new PanelChart(style);
        m_scene->addItem(chart);
        chart->setFrozen(true);
        chart->setLabels(panelLabels(figure, static_cast<int>(i)));
        chart->setPanel(figure.panels[i]);
        chart->setSize({panelWidth, rowHeight});
        m_charts.push_back(chart);
    }
    const PanelMargins sides = commonSides({m_charts.begin(), m_charts.end()});
    std::vector<PanelMargins> margins;
    for (const PanelChart* chart : m_charts) {
        margins.push_back(chart->neededMargins(sides));
        leastTop = std::min(leastTop, margins.back().top);
        leastBottom = std::min(leastBottom, margins.back().bottom);
    }
    for (std::size_t row = 0; row < m_charts.size(); row += static_cast<std::size_t>(columns)) {
        const std::size_t end = std::min(m_charts.size(), row + static_cast<std::size_t>(columns));
        double top = 0, bottom = 0;
        for (std::size_t i = row; i < end; ++i) {
            top = std::max(top, margins[i].top);
            bottom = std::max(bottom, margins[i].bottom);
        }
        const double height = rowHeight + (top - leastTop) + (bottom - leastBottom);
        for (std::size_t i = row; i < end; ++i) {
            m_charts[i]->setPos(static_cast<double>(i - row) * (panelWidth + gap), y);
            m_charts[i]->setSize({panelWidth, height});
        }
        y += height + gap;
    }
    alignMargins(m_charts, columns);
    for (PanelChart* chart : m_charts)
        chart->setFrozen(false);
    m_size = {width, std::max(style.em, y - (m_charts.empty() ? 0 : gap))};
    m_scene->setSceneRect(QRectF(QPointF(0, 0), m_size));
}

void FigurePainter::paint(QPainter* painter, const QRectF& target) {
    painter->setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
    m_scene->render(painter, target, m_scene->sceneRect(), Qt::IgnoreAspectRatio);
}

} // namespace crest::ui
