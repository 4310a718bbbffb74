// SPDX-License-Identifier: GPL-3.0-or-later
// A row of widgets that goes on below where it does not fit: the bars of the pages, on screens of any width.
#pragma once

#include <vector>

#include <QLayout>
#include <QWidgetItem>

class QLabel;

namespace crest::ui {

class FlowLayout : public QLayout {
public:
    explicit FlowLayout(QWidget* parent);
    ~FlowLayout() override;

    /// A field with its label (as the label's buddy); both go to the next row together.
    QLabel* addField(const QString& text, QWidget* field);

    void addItem(QLayoutItem* item) override;
    int count() const override;
    QLayoutItem* itemAt(int index) const override;
    QLayoutItem* takeAt(int index) override;
    Qt::Orientations expandingDirections() const override { return {}; }
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;
    QSize minimumSize() const override;
    QSize sizeHint() const override;
    void setGeometry(const QRect& rect) override;

private:
    /// Puts everything into `rect` where `place` is set; the height that it takes.
    int layOut(const QRect& rect, bool place) const;

    std::vector<QLayoutItem*> m_items;
};

} // namespace crest::ui
