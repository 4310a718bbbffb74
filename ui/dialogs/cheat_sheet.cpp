// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/cheat_sheet.h"

#include <QAction>
#include <QDialogButtonBox>
#include <QGridLayout>
#include <QLabel>
#include <QVBoxLayout>

#include "ui/dialogs/command_search.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

struct Line {
    QString keys, what;
};

const std::pair<const char*, const char*> kPanelKeys[] = {
    {"Hover", "exact values, error and N of all curves"},
    {"Click", "pin a point and see its recipe"},
    {"Drag", "zoom into a box"},
    {"Wheel", "zoom at the cursor; Shift: tokens only"},
    {"R", "previous zoom"},
    {"Double-click", "all data again"},
    {"Arrows, Return", "walk the points, pin"},
    {"Click a legend entry", "hide or show the curve"},
    {"Ctrl+click, Alt+click, or S", "show the curve alone"},
};

QGridLayout* columnOf(const QString& title, const QList<Line>& lines) {
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(2 * kRhythm);
    grid->setVerticalSpacing(kRhythm / 2);
    auto* head = new QLabel(QStringLiteral("<b>%1</b>").arg(title));
    grid->addWidget(head, 0, 0, 1, 2);
    int row = 1;
    for (const Line& line : lines) {
        grid->addWidget(new QLabel(line.keys), row, 0);
        grid->addWidget(new QLabel(line.what), row, 1);
        ++row;
    }
    grid->setRowStretch(row, 1);
    grid->setColumnStretch(1, 1);
    return grid;
}

} // namespace

CheatSheet::CheatSheet(const QList<QAction*>& actions, QWidget* parent)
    : QDialog(parent) {
    setWindowTitle(tr("Keys and mouse"));
    setAttribute(Qt::WA_DeleteOnClose);
    QList<Line> keys, panel;
    for (const QAction* action : actions)
        if (!action->shortcut().isEmpty())
            keys << Line{action->shortcut().toString(QKeySequence::NativeText), commandName(action)};
    for (const auto& [what, does] : kPanelKeys)
        panel << Line{tr(what), tr(does)};
    auto* columns = new QHBoxLayout;
    columns->setSpacing(4 * kRhythm);
    const qsizetype half = (keys.size() + 1) / 2; // low enough for a magnified screen
    columns->addLayout(columnOf(tr("Window"), keys.mid(0, half)));
    columns->addLayout(columnOf(QString(), keys.mid(half)));
    columns->addLayout(columnOf(tr("Panels of curves"), panel));
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    auto* all = new QVBoxLayout(this);
    all->setContentsMargins(2 * kRhythm, 2 * kRhythm, 2 * kRhythm, 2 * kRhythm);
    all->setSpacing(2 * kRhythm);
    all->addLayout(columns);
    all->addWidget(buttons);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

} // namespace crest::ui
