// SPDX-License-Identifier: GPL-3.0-or-later
// Adds tasks of a suite to a probe: the suite's file, the folder that holds the data, which tasks, shots and limit. What
// is missing says which file it wants.
#pragma once

#include <filesystem>
#include <vector>

#include <QDialog>
#include <QTimer>

#include "core/study/types.h"
#include "ui/data/background.h"
#include "ui/data/suite_model.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QTableView;

namespace crest::ui {

class ChatFields;

class SuiteDialog : public QDialog {
    Q_OBJECT
public:
    /// `existing`: the study's tasks; a task that is there already with other settings gets another name.
    SuiteDialog(std::vector<study::Task> existing, QWidget* parent);

    std::vector<study::Task> tasks() const; ///< those that were chosen
    study::Role role() const;

    /// As if chosen in a file dialog.
    void setSuiteFile(const QString& file);
    void setDataFolder(const QString& folder);
    /// One of the series: tasks can be asked by the chat template of its tokenizer, where that has one.
    void setCheckpoint(const std::filesystem::path& checkpoint);

private:
    void setupFields();
    void setupTable();
    void setupLayout();
    QWidget* pathRow(QLineEdit* line, QPushButton* browse);
    void fillSuites();
    void suiteChosen();
    void readSuite(const QString& file);
    void lookForData();
    QString stateText() const;
    void showState();

    std::vector<study::Task> m_existing;
    SuiteModel m_model;
    Background m_reading, m_looking;
    QTimer m_lookTimer;
    QString m_readFile; ///< the suite's
    QString m_problem;  ///< of the suite file
    int m_looked = 0;  ///< tasks whose data were looked for

    QComboBox *m_suite, *m_role;
    QLineEdit* m_folder;
    QSpinBox *m_shots, *m_limit;
    QCheckBox* m_all;
    ChatFields* m_chat;
    QTableView* m_table;
    QLabel *m_about, *m_state;
    QPushButton* m_add = nullptr;
};

} // namespace crest::ui
