// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/issues_dock.h"

#include <algorithm>

#include <QAction>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QTableView>
#include <QVBoxLayout>

#include "ui/data/issues.h"
#include "ui/dialogs/log_dialog.h"
#include "ui/window/icons.h"

namespace crest::ui {
namespace {

constexpr int kMostMeasured = 60; ///< rows whose height follows their text: measuring more would hold the window up

} // namespace

IssuesDock::IssuesDock(StudySession& session, QWidget* parent)
    : QDockWidget(tr("Issues"), parent)
    , m_session(session)
    , m_table(new QTableView)
    , m_none(new QLabel(tr("Nothing is wrong. Problems with checkpoints, data and runs are listed here, with what to do."))) {
    setObjectName(QStringLiteral("issuesDock"));
    setupTable();
    connect(&m_session, &StudySession::issuesChanged, this, &IssuesDock::showIssues);
    connect(&m_session, &StudySession::closed, this, &IssuesDock::showIssues);
}

void IssuesDock::setupTable() {
    m_table->setModel(&m_model);
    m_table->setAccessibleName(tr("Issues"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setWordWrap(true);
    m_table->setShowGrid(false);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setColumnWidth(IssuesModel::Where, 320);
    m_table->setTextElideMode(Qt::ElideLeft);
    m_none->setWordWrap(true);
    m_none->setAlignment(Qt::AlignCenter);
    m_none->setForegroundRole(QPalette::PlaceholderText);
    (new QVBoxLayout(m_table->viewport()))->addWidget(m_none);
    setupActions();
    connect(m_table, &QAbstractItemView::activated, this, &IssuesDock::follow);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &IssuesDock::offerActions);
    for (const auto change : {&StudySession::runsChanged, &StudySession::seriesChanged})
        connect(&m_session, change, this, &IssuesDock::offerActions);
    // A dock that was hidden, or narrow, has rows for another width.
    connect(m_table->horizontalHeader(), &QHeaderView::sectionResized, this, &IssuesDock::fitRows);
    connect(this, &QDockWidget::visibilityChanged, this, &IssuesDock::fitRows);
    setWidget(m_table);
}

void IssuesDock::setupActions() {
    const auto add = [this](const QString& iconName, const QString& text, auto act) {
        auto* action = new QAction(icon(iconName), text, m_table);
        m_table->addAction(action);
        connect(action, &QAction::triggered, this, act);
        return action;
    };
    QAction* copy = add(QStringLiteral("copy"), tr("&Copy text"), &IssuesDock::copySelected);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    m_rerun = add(QStringLiteral("rescan"), tr("&Re-run the failed cells of this run"), &IssuesDock::rerun);
    m_follow = add(QStringLiteral("search"), tr("&Show the checkpoint in Series"), &IssuesDock::follow);
    m_log = add(QStringLiteral("log"), tr("Show the &log of this run, with every failed cell"), &IssuesDock::showLog);
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
}

void IssuesDock::showIssues() {
    m_model.setIssues(m_session.issues());
    fitRows();
    offerActions();
    const int count = m_model.rowCount();
    m_none->setVisible(count == 0);
    setWindowTitle(count == 0 ? tr("Issues") : tr("Issues (%1)").arg(count));
}

const Issue* IssuesDock::current() const {
    return m_model.at(m_table->currentIndex().row());
}

/// The run whose cells the selected row tells of.
const study::RunStatus* IssuesDock::currentRun() const {
    const Issue* issue = current();
    const auto& runs = m_session.runs();
    const auto run = std::find_if(runs.begin(), runs.end(), [&](const study::RunStatus& one) {
        return issue && !issue->run.isEmpty() && QString::fromStdString(one.id) == issue->run;
    });
    return run == runs.end() ? nullptr : &*run;
}

/// What the selected row leads to; cells are tried again where their run is not at work again.
void IssuesDock::offerActions() {
    const Issue* issue = current();
    const study::RunStatus* run = currentRun();
    m_follow->setEnabled(issue && checkpointOf(*issue, m_session.series()));
    m_log->setEnabled(run);
    m_rerun->setEnabled(run && m_session.writable() && run->state == study::RunState::Failed);
}

void IssuesDock::follow() {
    const Issue* issue = current();
    if (const auto place = issue ? checkpointOf(*issue, m_session.series()) : std::nullopt)
        Q_EMIT checkpointAsked(place->series, place->checkpoint);
}

void IssuesDock::showLog() {
    if (const study::RunStatus* run = currentRun())
        LogDialog::showFor(m_session.folder(), *run, this);
}

void IssuesDock::rerun() {
    if (const study::RunStatus* run = currentRun()) {
        const QString id = QString::fromStdString(run->id);
        m_session.showRun(id);
        m_session.resume(id);
    }
}

void IssuesDock::fitRows() {
    if (m_table->isVisible() && m_model.rowCount() <= kMostMeasured)
        m_table->resizeRowsToContents();
}

void IssuesDock::copySelected() {
    QModelIndexList rows = m_table->selectionModel()->selectedRows();
    std::sort(rows.begin(), rows.end());
    QStringList lines;
    for (const QModelIndex& row : rows)
        lines << row.siblingAtColumn(IssuesModel::Where).data().toString() + QStringLiteral(": ") +
                     row.siblingAtColumn(IssuesModel::Message).data().toString();
    if (!lines.isEmpty())
        QGuiApplication::clipboard()->setText(lines.join(u'\n'));
}

} // namespace crest::ui
