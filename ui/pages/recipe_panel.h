// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe of a pinned point below the curves: settings, seeds, versions, the command; copied or closed.
#pragma once

#include <QWidget>

class QPlainTextEdit;

namespace crest::ui {

class RecipePanel : public QWidget {
    Q_OBJECT
public:
    explicit RecipePanel(QWidget* parent = nullptr);
    void showRecipe(const QString& recipe); ///< hides where there is none

private:
    QPlainTextEdit* m_text;
};

} // namespace crest::ui
