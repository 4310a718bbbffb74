// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/recipe_panel.h"

#include <QClipboard>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QPlainTextEdit>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {

RecipePanel::RecipePanel(QWidget* parent)
    : QWidget(parent)
    , m_text(new QPlainTextEdit) {
    m_text->setReadOnly(true);
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_text->setAccessibleName(tr("Recipe of the pinned point"));
    m_text->setFixedHeight(13 * kRhythm);
    m_text->setFrameShape(QFrame::NoFrame);
    auto* copy = new QToolButton;
    copy->setIcon(icon(QStringLiteral("copy")));
    copy->setToolTip(tr("Copy the recipe"));
    auto* close = new QToolButton;
    close->setIcon(icon(QStringLiteral("close")));
    close->setToolTip(tr("Hide the recipe"));
    for (QToolButton* button : {copy, close}) {
        button->setAutoRaise(true);
        button->setAccessibleName(button->toolTip());
    }
    auto* buttons = new QVBoxLayout;
    buttons->addWidget(close);
    buttons->addWidget(copy);
    buttons->addStretch(1);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(kRhythm, 0, kRhythm / 2, kRhythm / 2);
    row->addWidget(m_text, 1);
    row->addLayout(buttons);
    hide();
    connect(copy, &QToolButton::clicked, this,
            [this] { QGuiApplication::clipboard()->setText(m_text->toPlainText()); });
    connect(close, &QToolButton::clicked, this, &QWidget::hide);
}

void RecipePanel::showRecipe(const QString& recipe) {
    m_text->setPlainText(recipe);
    setVisible(!recipe.isEmpty());
}

} // namespace crest::ui
