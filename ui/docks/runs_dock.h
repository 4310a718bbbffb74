// SPDX-License-Identifier: GPL-3.0-or-later
// The runs of the study, newest first, and the controls of the one that is shown: progress, rate, time left, pause,
// stop, continue, log.
#pragma once

#include <QDockWidget>

#include "ui/data/study_session.h"
#include "ui/data/table_models.h"

class QLabel;
class QProgressBar;
class QTableView;
class QToolButton;

namespace crest::ui {

class Actions;

class RunsDock : public QDockWidget {
    Q_OBJECT
public:
    RunsDock(StudySession& session, Actions& actions, QWidget* parent);

    /// The run that is shown and controlled; nullptr where there is none. Valid until the next event.
    const study::RunStatus* shown() const;

protected:
    void changeEvent(QEvent* event) override;

private:
    void setupTable();
    void setupHead(Actions& actions);
    void connectSignals(Actions& actions);
    void showRuns();
    void showHead();
    void colorHead(const study::RunStatus& run);
    void showRerun(int failed);
    void control(study::RunCommand command);
    void showLog();

    StudySession& m_session;
    RunsModel m_model;
    QTableView* m_table;
    QProgressBar* m_bar;
    QLabel *m_state, *m_detail;
    QToolButton* m_rerun = nullptr;
    bool m_updating = false;
};

} // namespace crest::ui
