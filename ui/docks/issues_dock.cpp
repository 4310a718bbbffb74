// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/issues_dock.h"

#include <algorithm>

#include <QAction>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QTableView>

#include "ui/window/icons.h"

namespace crest::ui {
namespace {

constexpr int kMostMeasured = 60; ///< rows whose height follows their text: measuring more would hold the window up

} // namespace

IssuesDock::IssuesDock(StudySession& session, QWidget* parent)
    : QDockWidget(tr("Issues"), parent)
    , m_session(session)
    , m_table(new QTableView) {
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
    auto* copy = new QAction(icon(QStringLiteral("copy")), tr("&Copy text"), m_table);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    m_table->addAction(copy);
    m_rerun = new QAction(icon(QStringLiteral("rescan")), tr("&Re-run the failed cells of this run"), m_table);
    m_table->addAction(m_rerun);
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    connect(copy, &QAction::triggered, this, &IssuesDock::copySelected);
    connect(m_rerun, &QAction::triggered, this, [this] {
        const QString run = m_table->currentIndex().data(RunIdRole).toString();
        m_session.showRun(run);
        m_session.resume(run);
    });
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &IssuesDock::offerRerun);
    connect(&m_session, &StudySession::runsChanged, this, &IssuesDock::offerRerun);
    // A dock that was hidden, or narrow, has rows for another width.
    connect(m_table->horizontalHeader(), &QHeaderView::sectionResized, this, &IssuesDock::fitRows);
    connect(this, &QDockWidget::visibilityChanged, this, &IssuesDock::fitRows);
    setWidget(m_table);
}

void IssuesDock::showIssues() {
    m_model.setIssues(m_session.issues());
    fitRows();
    offerRerun();
    const int count = m_model.rowCount();
    setWindowTitle(count == 0 ? tr("Issues") : tr("Issues (%1)").arg(count));
}

/// Of the row that is selected, where it tells of a cell that failed and its run is not at work again.
void IssuesDock::offerRerun() {
    const QString id = m_table->currentIndex().data(RunIdRole).toString();
    const auto& runs = m_session.runs();
    const auto run = std::find_if(runs.begin(), runs.end(),
                                  [&](const study::RunStatus& one) { return QString::fromStdString(one.id) == id; });
    m_rerun->setEnabled(!id.isEmpty() && m_session.writable() && run != runs.end() &&
                        run->state == study::RunState::Failed);
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
