// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/progress_delegate.h"

#include <QApplication>
#include <QPainter>

#include "ui/data/table_models.h"
#include "ui/window/icons.h"

namespace crest::ui {

QColor runStateColor(study::RunState state, const QPalette& palette) {
    const StateColors colors = stateColors(palette);
    switch (state) {
    case study::RunState::Done:
        return colors.good;
    case study::RunState::Failed:
        return colors.bad;
    case study::RunState::Interrupted:
    case study::RunState::Paused:
    case study::RunState::Stopping:
        return colors.warning;
    case study::RunState::Queued:
    case study::RunState::Stopped:
        return colors.muted;
    case study::RunState::Running:
        return palette.color(QPalette::Highlight);
    }
    return palette.color(QPalette::Text);
}

void ProgressDelegate::initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const {
    QStyledItemDelegate::initStyleOption(option, index);
    if (index.column() == RunsModel::State)
        option->palette.setColor(
            QPalette::Text,
            runStateColor(static_cast<study::RunState>(index.data(StateRole).toInt()), option->palette));
}

void ProgressDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    if (index.column() != RunsModel::Progress)
        return QStyledItemDelegate::paint(painter, option, index);
    QStyleOptionViewItem cell = option;
    initStyleOption(&cell, index);
    const QString text = cell.text;
    cell.text.clear();
    QApplication::style()->drawControl(QStyle::CE_ItemViewItem, &cell, painter, cell.widget);
    const QRectF bar = QRectF(option.rect).adjusted(4, 0, -4, 0);
    const QRectF groove(bar.left(), option.rect.bottom() - 4.5, bar.width(), 3);
    const auto state = static_cast<study::RunState>(index.data(StateRole).toInt());
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setPen(Qt::NoPen);
    QColor rest = option.palette.color(QPalette::Mid);
    rest.setAlphaF(0.5);
    painter->setBrush(rest);
    painter->drawRoundedRect(groove, 1.5, 1.5);
    const bool selected = option.state & QStyle::State_Selected;
    const QColor onSelection = option.palette.color(QPalette::HighlightedText);
    painter->setBrush(selected ? onSelection : runStateColor(state, option.palette));
    painter->drawRoundedRect(
        QRectF(groove.topLeft(), QSizeF(groove.width() * index.data(ProgressRole).toDouble(), groove.height())), 1.5,
        1.5);
    painter->setPen(selected ? onSelection : option.palette.color(QPalette::Text));
    painter->drawText(bar.adjusted(0, 0, 0, -4), Qt::AlignLeft | Qt::AlignVCenter, text);
    painter->restore();
}

} // namespace crest::ui
