// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/folded_rows.h"

#include <QToolButton>
#include <QVBoxLayout>

#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {

FoldedRows::FoldedRows(const QString& title, const QString& about, QWidget* parent)
    : QWidget(parent)
    , m_title(new QToolButton)
    , m_body(new QWidget)
    , m_rows(new RowForm) {
    m_title->setText(title);
    m_title->setToolTip(about);
    m_title->setCheckable(true);
    m_title->setAutoRaise(true);
    m_title->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_title->setFocusPolicy(Qt::StrongFocus); // by Tab, and opened by the space bar
    m_rows->setContentsMargins(kRhythm, 0, 0, 0);
    m_body->setLayout(m_rows);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm / 2);
    column->addWidget(m_title);
    column->addWidget(m_body);
    connect(m_title, &QToolButton::toggled, this, &FoldedRows::fold);
    fold(false);
}

void FoldedRows::unfold() {
    m_title->setChecked(true);
}

void FoldedRows::fold(bool open) {
    m_title->setArrowType(open ? Qt::DownArrow : Qt::RightArrow);
    m_body->setVisible(open);
}

} // namespace crest::ui
