// SPDX-License-Identifier: GPL-3.0-or-later
// Every problem of the study with its place and what to do. A row leads to its checkpoint (double click, Return) and to the
// log of its run; rows can be copied as text, and the failed cells of a run tried again from theirs.
#pragma once

#include <QDockWidget>

#include "ui/data/study_session.h"
#include "ui/data/table_models.h"

class QAction;
class QLabel;
class QTableView;

namespace crest::ui {

class IssuesDock : public QDockWidget {
    Q_OBJECT
public:
    IssuesDock(StudySession& session, QWidget* parent);

Q_SIGNALS:
    /// A row is followed; `checkpoint` is its found name.
    void checkpointAsked(const QString& series, const QString& checkpoint);

private:
    void setupTable();
    void setupActions();
    void showIssues();
    void fitRows();
    void copySelected();
    void follow();
    void showLog();
    void rerun();
    void offerActions();
    const Issue* current() const;
    const study::RunStatus* currentRun() const;

    StudySession& m_session;
    IssuesModel m_model;
    QTableView* m_table;
    QLabel* m_none; ///< instead of rows
    QAction *m_follow = nullptr, *m_log = nullptr, *m_rerun = nullptr;
};

} // namespace crest::ui
