// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/runs_dock.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QProgressBar>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/dialogs/log_dialog.h"
#include "ui/docks/elided_label.h"
#include "ui/docks/progress_delegate.h"
#include "ui/window/actions.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

QToolButton* buttonFor(QAction* action) {
    auto* button = new QToolButton;
    button->setDefaultAction(action);
    button->setAutoRaise(true);
    button->setAccessibleName(action->objectName());
    return button;
}

/// "gamma 0.1, 16M tokens  12.3k tok/s  0:24 left", or why it does not go on.
QString detailText(const study::RunStatus& run) {
    if (!run.message.empty())
        return toQString(run.message);
    QStringList parts;
    if (run.state == study::RunState::Running || run.state == study::RunState::Stopping) {
        parts << toQString(run.phase) << rateText(run.tokensPerSecond);
        if (run.secondsLeft)
            parts << QObject::tr("%1 left").arg(durationText(*run.secondsLeft));
    } else if (run.state == study::RunState::Queued) {
        parts << QObject::tr("waits for a runner");
    } else if (run.state == study::RunState::Interrupted) {
        parts << QObject::tr("its runner is gone; what is finished is kept, Continue computes the rest");
    } else if (run.state == study::RunState::Stopped || run.state == study::RunState::Paused) {
        parts << QObject::tr("what is finished is kept, Continue computes the rest");
    }
    if (!run.failed.empty())
        parts << QObject::tr("%1 failed: %2").arg(run.failed.size()).arg(toQString(run.failed.front().message));
    parts.removeAll(QString());
    return parts.join(QStringLiteral("   "));
}

} // namespace

RunsDock::RunsDock(StudySession& session, Actions& actions, QWidget* parent)
    : QDockWidget(tr("Runs"), parent)
    , m_session(session)
    , m_table(new QTableView)
    , m_bar(new QProgressBar)
    , m_state(new QLabel)
    , m_detail(new ElidedLabel) {
    setObjectName(QStringLiteral("runsDock"));
    setupTable();
    setupHead(actions);
    connectSignals(actions);
    showHead();
}

void RunsDock::setupTable() {
    m_table->setModel(&m_model);
    m_table->setItemDelegate(new ProgressDelegate(m_table));
    m_table->setAccessibleName(tr("Runs"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setShowGrid(false);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(3 * kRhythm + 2);
    QHeaderView* header = m_table->horizontalHeader();
    header->setHighlightSections(false);
    header->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setColumnWidth(RunsModel::Name, 340);
    m_table->setColumnWidth(RunsModel::Progress, 170);
    m_table->setColumnWidth(RunsModel::Phase, 190);
    for (const int column : {RunsModel::Rate, RunsModel::Left, RunsModel::Elapsed})
        m_table->setColumnWidth(column, 88);
    header->setStretchLastSection(true);
}

void RunsDock::setupHead(Actions& actions) {
    m_bar->setTextVisible(true);
    m_bar->setFixedWidth(25 * kRhythm);
    m_bar->setAccessibleName(tr("Progress of the run"));
    m_detail->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_detail->setMinimumWidth(0);
    m_detail->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    auto* head = new QHBoxLayout;
    head->setSpacing(kRhythm);
    head->addWidget(m_bar);
    head->addWidget(m_state);
    head->addWidget(m_detail, 1);
    m_rerun = buttonFor(actions.at(ActionId::RerunFailed));
    m_rerun->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    head->addWidget(m_rerun);
    for (const ActionId id :
         {ActionId::Pause, ActionId::Continue, ActionId::Stop, ActionId::StopNow, ActionId::ShowLog})
        head->addWidget(buttonFor(actions.at(id)));
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(kRhythm, kRhythm / 2, kRhythm, kRhythm);
    column->setSpacing(kRhythm / 2);
    column->addLayout(head);
    column->addWidget(m_table, 1);
    setWidget(content);
}

void RunsDock::connectSignals(Actions& actions) {
    connect(&m_session, &StudySession::runsChanged, this, &RunsDock::showRuns);
    connect(&m_session, &StudySession::probeChanged, this, &RunsDock::showRuns);
    connect(&m_session, &StudySession::closed, this, &RunsDock::showRuns);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, [this](const QModelIndex& row) {
        const study::RunStatus* run = m_model.at(row.row());
        if (run && !m_updating && toQString(run->id) != m_session.shownRun())
            m_session.showRun(toQString(run->id));
        showHead();
    });
    connect(actions.at(ActionId::Pause), &QAction::triggered, this, [this] { control(study::RunCommand::Pause); });
    connect(actions.at(ActionId::Stop), &QAction::triggered, this, [this] { control(study::RunCommand::Stop); });
    connect(actions.at(ActionId::StopNow), &QAction::triggered, this, [this] { control(study::RunCommand::StopNow); });
    for (const ActionId id : {ActionId::Continue, ActionId::RerunFailed})
        connect(actions.at(id), &QAction::triggered, this, [this] {
            if (const study::RunStatus* run = shown())
                m_session.resume(toQString(run->id));
        });
    connect(actions.at(ActionId::ShowLog), &QAction::triggered, this, &RunsDock::showLog);
}

const study::RunStatus* RunsDock::shown() const {
    for (const study::RunStatus& run : m_session.runs())
        if (toQString(run.id) == m_session.shownRun())
            return &run;
    return nullptr;
}

void RunsDock::showRuns() {
    m_updating = true;
    QStringList words;
    for (const study::RunStatus& run : m_session.runs())
        words << m_session.trainingWordsOf(run.id);
    m_model.setRuns(m_session.runs(), words);
    for (int row = 0; row < m_model.rowCount(); ++row)
        if (toQString(m_model.at(row)->id) == m_session.shownRun() && m_table->currentIndex().row() != row)
            m_table->setCurrentIndex(m_model.index(row, 0));
    m_updating = false;
    showHead();
}

void RunsDock::showHead() {
    const study::RunStatus* run = shown();
    m_bar->setVisible(run != nullptr);
    m_state->setVisible(run != nullptr);
    showRerun(run ? static_cast<int>(run->failed.size()) : 0);
    if (!run) {
        m_detail->setText(m_session.runsKnown()
                              ? tr("No run yet. A probe that is set up on the right is started with Run.")
                              : tr("Reading the study..."));
        return;
    }
    m_bar->setRange(0, static_cast<int>(std::max<std::int64_t>(1, run->totalCells)));
    m_bar->setValue(static_cast<int>(run->doneCells));
    m_bar->setFormat(tr("%1/%2").arg(run->doneCells).arg(countText(run->totalCells, "cell")));
    m_state->setText(runStateText(run->state));
    const QString detail = detailText(*run);
    m_detail->setText(detail);
    m_detail->setToolTip(detail);
    colorHead(*run);
    m_bar->setAccessibleDescription(runStateText(run->state) + QStringLiteral(", ") + detail);
}

void RunsDock::colorHead(const study::RunStatus& run) {
    QPalette colored = palette();
    colored.setColor(QPalette::WindowText, runStateColor(run.state, palette()));
    m_state->setPalette(colored);
    QPalette detailColors = palette();
    if (!run.failed.empty())
        detailColors.setColor(QPalette::WindowText, stateColors(palette()).bad);
    m_detail->setPalette(detailColors);
}

/// State and failures have colours of their own.
void RunsDock::changeEvent(QEvent* event) {
    QDockWidget::changeEvent(event);
    if (event->type() != QEvent::PaletteChange)
        return;
    if (const study::RunStatus* run = shown())
        colorHead(*run);
}

/// The button is there where something failed, and says how much.
void RunsDock::showRerun(int failed) {
    m_rerun->setVisible(failed > 0);
    m_rerun->defaultAction()->setText(failed > 0 ? tr("Re-run %1 &failed").arg(failed) : tr("Re-run &failed"));
}

void RunsDock::control(study::RunCommand command) {
    if (const study::RunStatus* run = shown())
        m_session.control(toQString(run->id), command);
}

void RunsDock::showLog() {
    if (const study::RunStatus* run = shown())
        LogDialog::showFor(m_session.folder(), *run, this);
}

} // namespace crest::ui
