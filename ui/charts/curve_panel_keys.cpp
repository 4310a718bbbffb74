// SPDX-License-Identifier: GPL-3.0-or-later
// A panel by keyboard.
#include <algorithm>

#include <QKeyEvent>

#include "ui/charts/curve_panel.h"
#include "ui/charts/panel_cells.h"

namespace crest::ui {

void CurvePanel::walkFields(int key) {
    const analysis::FigureCell* now = m_hoverText.isEmpty() ? nullptr : cellFor(panel(), m_cursorX, m_cursorY);
    showHover({nullptr, now ? &cellBeside(panel(), *now, key)->point : &panel().cells.front().point});
}

void CurvePanel::walk(int key) {
    if (!panel().cells.empty())
        return walkFields(key);
    std::vector<Hit> column, row; // the points at the cursor's x, and those of its curve
    for (const analysis::FigureCurve& curve : panel().curves)
        if (curve.visible)
            for (const auto& segment : curve.segments)
                for (const analysis::FigurePoint& point : segment)
                    if (analysis::inRange(panel().x, point.x) && analysis::inRange(panel().y, point.y)) {
                        if (curve.id == m_cursorCurve || m_cursorCurve.empty() || m_hoverText.isEmpty())
                            row.push_back({&curve, &point});
                        if (point.x == m_cursorX)
                            column.push_back({&curve, &point});
                    }
    const bool sideways = key == Qt::Key_Left || key == Qt::Key_Right;
    const std::vector<Hit>& list = sideways || column.empty() ? row : column;
    if (list.empty())
        return;
    const auto now = std::find_if(list.begin(), list.end(), [&](const Hit& hit) {
        return hit.curve->id == m_cursorCurve && hit.point->x == m_cursorX && !m_hoverText.isEmpty();
    });
    if (now == list.end()) {
        showHover(list.front());
        return;
    }
    const int step = key == Qt::Key_Left || key == Qt::Key_Up ? -1 : 1, last = static_cast<int>(list.size()) - 1;
    showHover(list[static_cast<std::size_t>(std::clamp(static_cast<int>(now - list.begin()) + step, 0, last))]);
}

void CurvePanel::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_Left:
    case Qt::Key_Right:
    case Qt::Key_Up:
    case Qt::Key_Down:
        walk(event->key());
        return;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        if (const Hit hit = hitAtCursor(); hit.point)
            pinHit(hit);
        return;
    case Qt::Key_Escape:
        hideHover();
        pinHit({});
        return;
    case Qt::Key_R:
        previousZoom();
        return;
    case Qt::Key_0:
        if (event->modifiers().testFlag(Qt::ControlModifier)) {
            resetZoom();
            return;
        }
        break;
    default:
        break;
    }
    QWidget::keyPressEvent(event); // the page's own keys
}

} // namespace crest::ui
