// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/flow_layout.h"

#include <algorithm>

#include <QLabel>

#include "ui/window/theme.h"

namespace crest::ui {
namespace {

bool isLabelOfNext(const QLayoutItem* item, const QLayoutItem* next) {
    const auto* label = qobject_cast<const QLabel*>(item->widget());
    return label && label->buddy() && label->buddy() == next->widget();
}

/// What stays together: a field, or a label with its field.
struct Piece {
    std::vector<QLayoutItem*> items;
    int width = 0, height = 0;
};

std::vector<Piece> piecesOf(const std::vector<QLayoutItem*>& items, int spacing) {
    std::vector<QLayoutItem*> shown;
    for (QLayoutItem* item : items)
        if (!item->isEmpty()) // hidden
            shown.push_back(item);
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const QSize size = shown[i]->sizeHint();
        if (i == 0 || !isLabelOfNext(shown[i - 1], shown[i]))
            pieces.emplace_back();
        Piece& piece = pieces.back();
        piece.width += size.width() + (piece.items.empty() ? 0 : spacing);
        piece.height = std::max(piece.height, size.height());
        piece.items.push_back(shown[i]);
    }
    return pieces;
}

} // namespace

FlowLayout::FlowLayout(QWidget* parent)
    : QLayout(parent) {
    setContentsMargins(kRhythm, kRhythm / 2, kRhythm, kRhythm / 2);
    setSpacing(kRhythm);
}

FlowLayout::~FlowLayout() {
    for (QLayoutItem* item : m_items)
        delete item;
}

QLabel* FlowLayout::addField(const QString& text, QWidget* field) {
    auto* label = new QLabel(text);
    label->setBuddy(field);
    addWidget(label);
    addWidget(field);
    return label;
}

void FlowLayout::addItem(QLayoutItem* item) {
    m_items.push_back(item);
}

int FlowLayout::count() const {
    return static_cast<int>(m_items.size());
}

QLayoutItem* FlowLayout::itemAt(int index) const {
    return index >= 0 && index < count() ? m_items[static_cast<std::size_t>(index)] : nullptr;
}

QLayoutItem* FlowLayout::takeAt(int index) {
    QLayoutItem* item = itemAt(index);
    if (item)
        m_items.erase(m_items.begin() + index);
    return item;
}

int FlowLayout::heightForWidth(int width) const {
    return layOut(QRect(0, 0, width, 0), false);
}

QSize FlowLayout::minimumSize() const {
    const QMargins margins = contentsMargins();
    QSize size(0, 0);
    for (const Piece& piece : piecesOf(m_items, spacing()))
        size = size.expandedTo(QSize(piece.width, piece.height));
    return size.grownBy(margins);
}

QSize FlowLayout::sizeHint() const {
    const QMargins margins = contentsMargins();
    QSize size(0, 0);
    for (const Piece& piece : piecesOf(m_items, spacing())) {
        size.rwidth() += piece.width + spacing();
        size.rheight() = std::max(size.height(), piece.height);
    }
    return size.grownBy(margins);
}

void FlowLayout::setGeometry(const QRect& rect) {
    QLayout::setGeometry(rect);
    layOut(rect, true);
}

int FlowLayout::layOut(const QRect& rect, bool place) const {
    const QMargins margins = contentsMargins();
    const QRect inner = rect.marginsRemoved(margins);
    int x = inner.left(), y = inner.top(), row = 0;
    for (const Piece& piece : piecesOf(m_items, spacing())) {
        if (x > inner.left() && x + piece.width > inner.right() + 1) {
            x = inner.left();
            y += row + spacing() / 2;
            row = 0;
        }
        row = std::max(row, piece.height);
        const int next = x + piece.width + spacing();
        for (QLayoutItem* item : piece.items) {
            const QSize size = item->sizeHint();
            const int width = std::min(size.width(), inner.right() + 1 - x);
            if (place)
                item->setGeometry(QRect(x, y + (piece.height - size.height()) / 2, width, size.height()));
            x += size.width() + spacing();
        }
        x = next;
    }
    return y + row - rect.top() + margins.bottom();
}

} // namespace crest::ui
