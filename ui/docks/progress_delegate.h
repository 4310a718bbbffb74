// SPDX-License-Identifier: GPL-3.0-or-later
// Draws a run's progress as a bar with its numbers, and its state in the state's colour.
#pragma once

#include <QStyledItemDelegate>

#include "core/study/runs.h"

namespace crest::ui {

/// The colour a run's state is written in, on this palette.
QColor runStateColor(study::RunState state, const QPalette& palette);

class ProgressDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override;
};

} // namespace crest::ui
