// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/panel_grid.h"

#include <algorithm>

#include <QGridLayout>
#include <QKeyEvent>
#include <QPainter>
#include <QScrollArea>
#include <QVBoxLayout>

namespace crest::ui {
namespace {

constexpr int kTakeEveryMs = 100;
constexpr int kNarrowestPanel = 260, kLowestPanel = 190, kLowestPlot = 90;

analysis::AxisScale other(analysis::AxisScale scale) {
    return scale == analysis::AxisScale::Log ? analysis::AxisScale::Linear : analysis::AxisScale::Log;
}

} // namespace

PanelGrid::PanelGrid(QWidget* parent)
    : QWidget(parent)
    , m_legend(new Legend(this))
    , m_scroll(new QScrollArea(this))
    , m_content(new QWidget)
    , m_layout(new QGridLayout(m_content)) {
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 8, 8, 8);
    column->setSpacing(8);
    column->addWidget(m_legend);
    column->addWidget(m_scroll, 1);
    m_layout->setContentsMargins(0, 0, 0, 0);
    m_layout->setSpacing(8);
    m_scroll->setWidget(m_content);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    m_scroll->viewport()->setAutoFillBackground(false); // the chart's ground shows through
    m_content->setAutoFillBackground(false);
    setFocusPolicy(Qt::StrongFocus);
    connect(m_legend, &Legend::visibilityAsked, this, &PanelGrid::setCurvesVisible);
    for (QTimer* timer : {&m_takeTimer, &m_updateTimer, &m_alignTimer})
        timer->setSingleShot(true);
    connect(&m_takeTimer, &QTimer::timeout, this, &PanelGrid::takeNext);
    connect(&m_updateTimer, &QTimer::timeout, this, &PanelGrid::updateOne);
    connect(&m_alignTimer, &QTimer::timeout, this, &PanelGrid::alignOne);
}

void PanelGrid::setFigure(const analysis::Figure& figure) {
    m_next = figure;
    if (m_takeTimer.isActive())
        return;
    const qint64 since = m_sinceTaken.isValid() ? m_sinceTaken.elapsed() : kTakeEveryMs;
    m_takeTimer.start(static_cast<int>(std::max<qint64>(0, kTakeEveryMs - since)));
}

/// Every chart is laid out once, with margins that are aligned already.
void PanelGrid::showNow(const analysis::Figure& figure) {
    m_next.reset();
    m_takeTimer.stop();
    m_sinceTaken.start();
    m_source = figure;
    applyUserState();
    if (m_painted) {
        m_updateTimer.stop();
        m_alignTimer.stop();
        while (m_panels.size() < m_figure.panels.size())
            m_panels.push_back(makePanel());
        std::vector<const PanelChart*> charts;
        for (std::size_t i = 0; i < m_panels.size(); ++i) {
            m_panels[i]->chart()->setFrozen(true);
            m_panels[i]->chart()->setLabels(labelsOf(i));
            m_panels[i]->setPanel(m_figure.panels[i]);
            m_figure.panels[i].x = m_panels[i]->panel().x; // a zoom that is kept
            m_figure.panels[i].y = m_panels[i]->panel().y;
            charts.push_back(m_panels[i]->chart());
        }
        const std::vector<PanelMargins> margins = alignedMargins(charts, m_columns);
        for (std::size_t i = 0; i < m_panels.size(); ++i) {
            m_panels[i]->chart()->setMargins(margins[i]);
            m_panels[i]->chart()->setFrozen(false);
        }
        m_updated = m_figure.panels.size();
    }
    Q_EMIT figureChanged();
    if (m_painted)
        Q_EMIT panelsShown();
}

void PanelGrid::takeNext() {
    if (!m_next)
        return;
    m_sinceTaken.start();
    m_source = std::move(*m_next);
    m_next.reset();
    applyUserState();
    Q_EMIT figureChanged();
}

/// Makes m_figure from m_source and what the user has chosen, and has all panels updated.
void PanelGrid::applyUserState() {
    if (m_figure.name != m_source.name) // another figure has other axes
        m_flipX = m_flipY = false;
    m_figure = m_source;
    for (std::size_t i = 0; i < m_figure.panels.size(); ++i) {
        analysis::FigurePanel& panel = m_figure.panels[i];
        for (analysis::FigureCurve& curve : panel.curves)
            if (const auto chosen = m_visible.find(curve.id); chosen != m_visible.end())
                curve.visible = chosen->second;
        const auto scaleX = m_flipX ? other(m_source.panels.front().x.scale) : panel.x.scale;
        const auto scaleY = m_flipY ? other(m_source.panels.front().y.scale) : panel.y.scale;
        if (panel.x.scale != scaleX) {
            panel.x.scale = scaleX;
            analysis::fitAxis(panel, analysis::Dimension::X);
        }
        if (panel.y.scale != scaleY) {
            panel.y.scale = scaleY;
            analysis::fitAxis(panel, analysis::Dimension::Y);
        }
    }
    while (m_panels.size() > m_figure.panels.size()) {
        m_panels.back()->deleteLater();
        m_panels.back()->hide();
        m_panels.pop_back();
    }
    m_legend->setCurves(analysis::distinctCurves(m_figure));
    m_legend->setKeys(m_figure.keys);
    m_legend->setVisible(!m_figure.panels.empty());
    m_updated = 0;
    placePanels(); // those that are there may stand in the columns of another figure
    if (m_painted)
        m_updateTimer.start(0);
}

/// Gives all rows and columns their place before the panels come, so that none is resized by those after it.
void PanelGrid::reserveRows() {
    m_columns = columnsFor(width());
    const int rows = (static_cast<int>(m_figure.panels.size()) + m_columns - 1) / m_columns;
    for (int row = 0; row < std::max(rows, m_layout->rowCount()); ++row) {
        m_layout->setRowStretch(row, row < rows ? 1 : 0);
        m_layout->setRowMinimumHeight(row, row < rows ? kLowestPanel : 0);
    }
    for (int column = 0; column < std::max(m_columns, m_layout->columnCount()); ++column)
        m_layout->setColumnStretch(column, column < m_columns ? 1 : 0);
}

void PanelGrid::updateOne() {
    if (m_updated >= m_figure.panels.size())
        return;
    const std::size_t index = m_updated;
    if (index == m_panels.size())
        m_panels.push_back(makePanel());
    CurvePanel* panel = m_panels[index];
    panel->chart()->setFrozen(true);
    panel->chart()->setLabels(labelsOf(index));
    panel->setPanel(m_figure.panels[index]);
    const PanelMargins& before = index > 0 ? m_panels[index - 1]->chart()->margins() : panel->chart()->margins();
    PanelMargins margins = panel->chart()->neededMargins(); // as the neighbour, so that aligning moves little
    margins.left = std::max(margins.left, before.left);
    margins.right = std::max(margins.right, before.right);
    panel->chart()->setMargins(margins);
    panel->chart()->setFrozen(false);
    ++m_updated;
    // A zoom that is kept shows in the figure as well.
    m_figure.panels[index].x = panel->panel().x;
    m_figure.panels[index].y = panel->panel().y;
    if (m_updated < m_figure.panels.size()) {
        m_updateTimer.start(0);
        return;
    }
    placePanels(); // the width may have changed meanwhile
    alignSoon();
    Q_EMIT panelsShown();
}

CurvePanel* PanelGrid::makePanel() {
    auto* panel = new CurvePanel(m_content);
    const std::size_t index = m_panels.size();
    panel->setOwnMargins(false);
    panel->setMinimumHeight(kLowestPanel);
    panel->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Ignored); // all cells are equal from the start
    connect(panel, &CurvePanel::viewChanged, this, [this, index] { panelViewChanged(index); });
    connect(panel, &CurvePanel::xRangeChanged, this,
            [this, panel](double low, double high) { linkX(panel, low, high); });
    connect(panel, &CurvePanel::pointPinned, this, &PanelGrid::pointPinned);
    connect(panel, &CurvePanel::pointReleased, this, &PanelGrid::pointReleased);
    connect(panel, &CurvePanel::styleChanged, this, &PanelGrid::alignSoon);
    connect(panel, &CurvePanel::widthChanged, this, [this] {
        if (isUpToDate())
            alignSoon();
    });
    const int columns = std::max(1, m_columns);
    m_layout->addWidget(panel, static_cast<int>(index) / columns, static_cast<int>(index) % columns);
    panel->show();
    return panel;
}

int PanelGrid::columnsFor(int width) const {
    const int fitting = std::max(1, (width - 16) / kNarrowestPanel);
    return std::clamp(m_figure.columns, 1, fitting);
}

/// Labels follow the columns that fit, not those the figure asks for.
PanelLabels PanelGrid::labelsOf(std::size_t index) const {
    analysis::Figure shape;
    shape.columns = m_columns;
    shape.panels.resize(m_figure.panels.size());
    for (std::size_t i = 0; i < m_figure.panels.size(); ++i)
        shape.panels[i].x = m_figure.panels[i].x;
    return panelLabels(shape, static_cast<int>(index));
}

void PanelGrid::placePanels() {
    const int before = m_columns;
    reserveRows();
    if (m_columns == before)
        return;
    for (std::size_t i = 0; i < m_panels.size(); ++i) {
        const int index = static_cast<int>(i);
        m_layout->removeWidget(m_panels[i]);
        m_layout->addWidget(m_panels[i], index / m_columns, index % m_columns);
        m_panels[i]->chart()->setLabels(labelsOf(i));
    }
}

void PanelGrid::alignSoon() {
    m_alignNext = 0;
    m_alignTimer.start(0);
}

/// One panel per turn of the event loop; those that keep their margins cost nothing.
void PanelGrid::alignOne() {
    if (m_alignNext == 0) {
        std::vector<const PanelChart*> charts;
        for (const CurvePanel* panel : m_panels)
            charts.push_back(panel->chart());
        m_margins = alignedMargins(charts, m_columns);
    }
    while (m_alignNext < m_panels.size() && m_alignNext < m_margins.size()) {
        CurvePanel* panel = m_panels[m_alignNext];
        PanelChart* chart = panel->chart();
        const PanelMargins& margins = m_margins[m_alignNext++];
        // Many notes make a panel higher, and the grid scrolls; they never take the plot's room.
        panel->setMinimumHeight(std::max(kLowestPanel, static_cast<int>(margins.top + margins.bottom) + kLowestPlot));
        if (chart->margins() == margins)
            continue;
        chart->setMargins(margins);
        m_alignTimer.start(0);
        return;
    }
}

void PanelGrid::setCurvesVisible(const Visibility& wanted) {
    for (const auto& [id, visible] : wanted)
        m_visible[id] = visible;
    for (auto* figure : {&m_source, &m_figure})
        for (analysis::FigurePanel& panel : figure->panels)
            for (analysis::FigureCurve& curve : panel.curves)
                if (const auto one = wanted.find(curve.id); one != wanted.end())
                    curve.visible = one->second;
    for (CurvePanel* panel : m_panels)
        panel->setCurvesVisible(wanted);
    m_legend->setCurves(analysis::distinctCurves(m_figure));
    alignSoon(); // what is left out is said in the notes
    Q_EMIT figureChanged();
}

void PanelGrid::toggleLog(analysis::Dimension dimension) {
    if (m_source.panels.empty())
        return;
    bool& flip = dimension == analysis::Dimension::X ? m_flipX : m_flipY;
    flip = !flip;
    for (CurvePanel* panel : m_panels)
        panel->resetZoom();
    applyUserState();
    Q_EMIT figureChanged();
}

void PanelGrid::resetZoom() {
    for (CurvePanel* panel : m_panels)
        panel->resetZoom();
}

void PanelGrid::panelViewChanged(std::size_t index) {
    if (index >= m_figure.panels.size() || index >= m_updated)
        return;
    m_figure.panels[index].x = m_panels[index]->panel().x;
    m_figure.panels[index].y = m_panels[index]->panel().y;
    alignSoon(); // other tick labels may need other room
    Q_EMIT figureChanged();
}

void PanelGrid::linkX(const CurvePanel* from, double low, double high) {
    for (CurvePanel* panel : m_panels)
        if (panel != from && panel->panel().x.title == from->panel().x.title &&
            panel->panel().x.scale == from->panel().x.scale)
            panel->setXRange(low, high);
}

void PanelGrid::paintEvent(QPaintEvent*) {
    QPainter(this).fillRect(rect(), themeFor(palette()).ground);
    if (m_painted)
        return;
    m_painted = true;
    m_updateTimer.start(0);
}

void PanelGrid::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    if (isUpToDate())
        placePanels();
    alignSoon();
}

void PanelGrid::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        update();
}

void PanelGrid::keyPressEvent(QKeyEvent* event) {
    const bool plain = (event->modifiers() & (Qt::ControlModifier | Qt::AltModifier)) == 0;
    if (event->key() == Qt::Key_G && plain)
        toggleLog(analysis::Dimension::X);
    else if (event->key() == Qt::Key_L && plain)
        toggleLog(analysis::Dimension::Y);
    else if (event->key() == Qt::Key_0 && event->modifiers().testFlag(Qt::ControlModifier))
        resetZoom();
    else
        QWidget::keyPressEvent(event);
}

} // namespace crest::ui
