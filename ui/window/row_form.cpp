// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/row_form.h"

#include <QLabel>

#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kLabels = 0;
constexpr int kFields = 1;

} // namespace

RowForm::RowForm() {
    setHorizontalSpacing(kRhythm);
    setVerticalSpacing(kRhythm);
    setColumnStretch(kFields, 1);
}

QLabel* RowForm::addRow(const QString& text, QWidget* field) {
    const int row = rowCount();
    auto* label = new QLabel(text);
    label->setBuddy(field);
    addWidget(label, row, kLabels);
    addWidget(field, row, kFields);
    return label;
}

void RowForm::addRow(QWidget* widget) {
    addWidget(widget, rowCount(), kLabels, 1, 2);
}

void RowForm::addRow(QLayout* layout) {
    addLayout(layout, rowCount(), kLabels, 1, 2);
}

QLabel* RowForm::labelOf(const QWidget* field) const {
    for (int i = 0; i < count(); ++i)
        if (auto* label = qobject_cast<QLabel*>(itemAt(i)->widget()); label && label->buddy() == field)
            return label;
    return nullptr;
}

void RowForm::setRowVisible(QWidget* field, bool visible) {
    field->setVisible(visible);
    if (QLabel* label = labelOf(field))
        label->setVisible(visible);
}

} // namespace crest::ui
