// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/task_roles.h"

#include <QCheckBox>
#include <QGridLayout>
#include <QLabel>
#include <QMenu>
#include <QToolButton>

#include "core/data/suite.h"
#include "ui/data/format.h"
#include "ui/docks/elided_label.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

QString taskToolTip(const study::Task& task) {
    const std::string asked = data::chatWords(Json::parse(task.definition, nullptr, false));
    if (task.kind == study::TaskKind::Suite)
        return QObject::tr("Task of a suite, data in %1\n%2%3, %4")
            .arg(toQString(task.textsPath), asked.empty() ? QString() : toQString(asked) + QStringLiteral(", "),
                 task.shots < 0 ? QObject::tr("the suite's number of shots") : countText(task.shots, "shot"),
                 task.limit > 0 ? QObject::tr("the first %1").arg(countText(task.limit, "item")) : QObject::tr("all items"));
    if (task.kind == study::TaskKind::TuningLoss)
        return QObject::tr("%1\nThe held-out part of fine-tuning data: the loss of what would be learned").arg(toQString(task.textsPath));
    const QString count =
        task.maxWindows > 0 ? QObject::tr("the first %1").arg(countText(task.maxWindows, "window")) : QObject::tr("all windows");
    return QObject::tr("%1\n%2 of %3, stride %4")
        .arg(toQString(task.textsPath), count, countText(task.windowTokens, "token"))
        .arg(task.strideTokens);
}

QLabel* taskName(const QString& name) {
    auto* label = new ElidedLabel(name);
    label->setTextFormat(Qt::PlainText);
    label->setMinimumWidth(6 * kRhythm);
    label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    return label;
}

QCheckBox* roleBox(const QString& role, const QString& task, const QString& tip) {
    auto* box = new QCheckBox;
    box->setAccessibleName(QStringLiteral("%1: %2").arg(task, role));
    box->setObjectName(role + u':' + task);
    box->setToolTip(tip);
    return box;
}

} // namespace

TaskRoles::TaskRoles(QWidget* parent)
    : QWidget(parent)
    , m_grid(new QGridLayout(this))
    , m_empty(new QLabel) {
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(kRhythm);
    m_grid->setVerticalSpacing(kRhythm / 2);
    m_grid->setColumnStretch(0, 1);
    int column = 1;
    for (const QString& title : {tr("ID"), tr("OOD")}) {
        auto* label = new QLabel(title);
        label->setAlignment(Qt::AlignCenter);
        label->setToolTip(column == 1 ? tr("In-distribution: held-out text of the pretraining domain; for fine-tuning, of its data")
                                      : tr("Out-of-distribution: another domain, or a task"));
        m_grid->addWidget(label, 0, column++);
    }
    m_empty->setText(tr("No task yet. Add a held-out text of the pretraining domain to measure the loss on, or the tasks of a "
                        "suite."));
    m_empty->setWordWrap(true);
    m_grid->addWidget(m_empty, 1, 0, 1, 4);
}

void TaskRoles::clear() {
    while (m_grid->count() > 0) {
        QLayoutItem* item = m_grid->itemAt(m_grid->count() - 1);
        int row = 0, column = 0, rows = 0, columns = 0;
        m_grid->getItemPosition(m_grid->count() - 1, &row, &column, &rows, &columns);
        if (row == 0 || item->widget() == m_empty)
            break;
        item->widget()->deleteLater();
        delete m_grid->takeAt(m_grid->count() - 1);
    }
    m_rows.clear();
}

void TaskRoles::setTasks(const std::vector<study::Task>& tasks) {
    if (tasks == m_tasks)
        return;
    clear();
    m_tasks = tasks;
    for (const study::Task& task : tasks)
        addRow(task);
    m_empty->setVisible(tasks.empty());
}

void TaskRoles::addRow(const study::Task& task) {
    const QString name = toQString(task.name);
    const int row = static_cast<int>(m_rows.size()) + 2;
    auto* label = taskName(name);
    label->setToolTip(name + u'\n' + taskToolTip(task));
    auto* preview = new QToolButton;
    preview->setIcon(icon(QStringLiteral("search")));
    preview->setAutoRaise(true);
    preview->setToolTip(task.kind == study::TaskKind::Suite        ? tr("See the first items as the model is asked")
                        : task.kind == study::TaskKind::TuningLoss ? tr("See the first rows as the model sees them")
                                                                   : tr("See the first window as the model sees it"));
    preview->setAccessibleName(tr("Preview %1").arg(name));
    preview->setPopupMode(QToolButton::MenuButtonPopup);
    auto* menu = new QMenu(preview);
    connect(menu->addAction(icon(QStringLiteral("search")), tr("&Preview")), &QAction::triggered, this,
            [this, name] { Q_EMIT previewAsked(name); });
    connect(menu->addAction(icon(QStringLiteral("remove")), tr("&Remove from the study")), &QAction::triggered, this,
            [this, name] { Q_EMIT removeAsked(name); });
    preview->setMenu(menu);
    const Row made{task.name, roleBox(tr("ID"), name, tr("Measure it as in-distribution")),
                   roleBox(tr("OOD"), name, tr("Measure it as out-of-distribution")), preview};
    m_grid->addWidget(label, row, 0);
    m_grid->addWidget(made.id, row, 1, Qt::AlignCenter);
    m_grid->addWidget(made.ood, row, 2, Qt::AlignCenter);
    m_grid->addWidget(preview, row, 3);
    // A text has one role in a probe.
    connect(made.id, &QCheckBox::clicked, this, [this, made](bool checked) {
        if (checked)
            made.ood->setChecked(false);
        Q_EMIT rolesEdited();
    });
    connect(made.ood, &QCheckBox::clicked, this, [this, made](bool checked) {
        if (checked)
            made.id->setChecked(false);
        Q_EMIT rolesEdited();
    });
    connect(preview, &QToolButton::clicked, this, [this, name] { Q_EMIT previewAsked(name); });
    m_rows.push_back(made);
}

void TaskRoles::tabBehind(QWidget* field) const {
    for (const Row& row : m_rows)
        for (QWidget* next : {static_cast<QWidget*>(row.id), static_cast<QWidget*>(row.ood), static_cast<QWidget*>(row.preview)}) {
            setTabOrder(field, next);
            field = next;
        }
}

void TaskRoles::setRoles(const std::vector<study::TaskInProbe>& roles) {
    for (const Row& row : m_rows) {
        const auto at = std::find_if(roles.begin(), roles.end(),
                                     [&](const study::TaskInProbe& one) { return one.task == row.task; });
        row.id->setChecked(at != roles.end() && at->role == study::Role::InDistribution);
        row.ood->setChecked(at != roles.end() && at->role == study::Role::OutOfDistribution);
    }
}

std::vector<study::TaskInProbe> TaskRoles::roles() const {
    std::vector<study::TaskInProbe> out;
    for (const Row& row : m_rows)
        if (row.id->isChecked() || row.ood->isChecked())
            out.push_back(
                {row.task, row.id->isChecked() ? study::Role::InDistribution : study::Role::OutOfDistribution});
    return out;
}

} // namespace crest::ui
