// SPDX-License-Identifier: GPL-3.0-or-later
// Every problem of the study with its place and what to do; rows can be copied as text, and the failed cells of a run
// tried again from theirs.
#pragma once

#include <QDockWidget>

#include "ui/data/study_session.h"
#include "ui/data/table_models.h"

class QAction;
class QTableView;

namespace crest::ui {

class IssuesDock : public QDockWidget {
    Q_OBJECT
public:
    IssuesDock(StudySession& session, QWidget* parent);

private:
    void setupTable();
    void showIssues();
    void fitRows();
    void copySelected();
    void offerRerun();

    StudySession& m_session;
    IssuesModel m_model;
    QTableView* m_table;
    QAction* m_rerun = nullptr;
};

} // namespace crest::ui
