// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a dock that are rarely used: folded away below their title.
#pragma once

#include <QWidget>

class QToolButton;

namespace crest::ui {

class RowForm;

class FoldedRows : public QWidget {
    Q_OBJECT
public:
    FoldedRows(const QString& title, const QString& about, QWidget* parent = nullptr);

    void unfold();

protected:
    RowForm* rows() const { return m_rows; }

private:
    void fold(bool open);

    QToolButton* m_title;
    QWidget* m_body;
    RowForm* m_rows;
};

} // namespace crest::ui
