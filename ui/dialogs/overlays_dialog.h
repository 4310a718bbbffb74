// SPDX-License-Identifier: GPL-3.0-or-later
// The points of others that are drawn over the curves: importing files or the papers' points, looking, removing. Every
// change is an undoable edit of the study.
#pragma once

#include <QDialog>

#include "ui/data/overlays_model.h"
#include "ui/data/study_session.h"

class QLabel;
class QMenu;
class QPlainTextEdit;
class QPushButton;
class QTableView;

namespace crest::ui {

class OverlaysDialog : public QDialog {
    Q_OBJECT
public:
    OverlaysDialog(StudySession& session, QWidget* parent);
    /// As if these were chosen in the file dialog.
    void importFiles(const QStringList& files);

private:
    void setupTable();
    void setupLayout();
    void fillPapers(QMenu* menu);
    void chooseFiles();
    void chooseFolder();
    void take(const analysis::OverlayImport& import);
    void removeSelected();
    void update();

    StudySession& m_session;
    OverlaysModel m_model;
    QTableView* m_table;
    QLabel *m_empty, *m_said;
    QPlainTextEdit* m_problems;
    QPushButton* m_remove = nullptr;
};

} // namespace crest::ui
