// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/item_delegate.h"

#include <QApplication>
#include <QPainter>

#include "ui/data/items_model.h"

namespace crest::ui {
namespace {

struct Looks {
    QString sign;
    QColor color;    ///< of the sign
    double tint = 0; ///< of the ground
};

/// Blue and vermilion (Okabe-Ito) tell right from wrong for everybody; what changed is stronger.
Looks looksOf(ItemState state, bool dark) {
    const QColor right = dark ? QColor(0x7c, 0xb8, 0xe8) : QColor(0x00, 0x5f, 0x9e);
    const QColor wrong = dark ? QColor(0xf0, 0x96, 0x5a) : QColor(0xb3, 0x45, 0x00);
    switch (state) {
    case ItemState::Right:
        return {QStringLiteral("\u2713"), right, 0.16};
    case ItemState::Wrong:
        return {QStringLiteral("\u2717"), wrong, 0.12};
    case ItemState::Lost:
        return {QStringLiteral("\u2193"), wrong, 0.42};
    case ItemState::Gained:
        return {QStringLiteral("\u2191"), right, 0.42};
    case ItemState::Missing:
    case ItemState::Number:
        break;
    }
    return {};
}

} // namespace

void ItemDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const QVariant stored = index.data(ItemsModel::StateRole);
    if (!stored.isValid())
        return QStyledItemDelegate::paint(painter, option, index);
    const bool dark = option.palette.color(QPalette::Base).lightnessF() < 0.5;
    const Looks looks = looksOf(static_cast<ItemState>(stored.toInt()), dark);
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    const QRect box = option.rect.adjusted(0, 0, -1, -1);
    painter->save();
    if (selected) {
        painter->fillRect(option.rect, option.palette.highlight());
    } else if (looks.tint > 0) {
        QColor ground = looks.color;
        ground.setAlphaF(static_cast<float>(looks.tint));
        painter->fillRect(box, ground);
    }
    const QString text = index.data(Qt::DisplayRole).toString();
    const QColor ink = option.palette.color(selected ? QPalette::HighlightedText : QPalette::Text);
    const QFontMetrics metrics(option.font);
    painter->setFont(option.font);
    if (looks.sign.isEmpty()) {
        painter->setPen(ink);
        painter->drawText(box, Qt::AlignCenter, text);
    } else {
        const int sign = metrics.horizontalAdvance(looks.sign), gap = metrics.horizontalAdvance(u' ');
        const int width = sign + (text.isEmpty() ? 0 : gap + metrics.horizontalAdvance(text));
        const int left = box.left() + std::max(0, (box.width() - width) / 2);
        painter->setPen(selected ? ink : looks.color);
        painter->drawText(QRect(left, box.top(), sign, box.height()), Qt::AlignVCenter | Qt::AlignLeft, looks.sign);
        painter->setPen(ink);
        painter->drawText(QRect(left + sign + gap, box.top(), box.right() - left, box.height()),
                          Qt::AlignVCenter | Qt::AlignLeft, text);
    }
    if (option.state.testFlag(QStyle::State_HasFocus)) {
        painter->setPen(option.palette.color(QPalette::Text));
        painter->drawRect(box);
    }
    painter->restore();
}

} // namespace crest::ui
