// SPDX-License-Identifier: GPL-3.0-or-later
// Paints the cells of the items' table: a sign and a tint for right and wrong, lost and gained; never colour alone.
#pragma once

#include <QStyledItemDelegate>

namespace crest::ui {

class ItemDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

} // namespace crest::ui
