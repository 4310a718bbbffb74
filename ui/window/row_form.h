// SPDX-License-Identifier: GPL-3.0-or-later
// Labels beside fields, of which whole rows come and go.
//
// QFormLayout can hide a row, too, but with a label that wraps among its rows (any item whose height follows its width) Qt 6.4 takes the
// hidden row's height, nothing, for the row that stands in its place: setupHfwLayoutData reads the index that the hidden item last had.
#pragma once

#include <QGridLayout>

class QLabel;

namespace crest::ui {

class RowForm : public QGridLayout {
public:
    RowForm();

    /// A field with its label, as the label's buddy.
    QLabel* addRow(const QString& text, QWidget* field);
    /// Over both columns.
    void addRow(QWidget* widget);
    void addRow(QLayout* layout);

    /// A row of one widget, or of a field with its label; a hidden row leaves no gap.
    void setRowVisible(QWidget* field, bool visible);

private:
    QLabel* labelOf(const QWidget* field) const;
};

} // namespace crest::ui
