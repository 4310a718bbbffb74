// SPDX-License-Identifier: GPL-3.0-or-later
// Adds prompts that every checkpoint continues: their file, a name, how many tokens are written, whether they are given as a chat.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <QDialog>

#include "core/study/types.h"
#include "ui/data/background.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class ChatBox;

class PromptsDialog : public QDialog {
    Q_OBJECT
public:
    PromptsDialog(const QString& file, std::vector<study::Task> existing, QWidget* parent);
    study::Task task() const;
    /// One of the series: prompts can be given by the chat template of its tokenizer, where that has one.
    void setCheckpoint(const std::filesystem::path& checkpoint);

private:
    void setupFields();
    void setupLayout();
    void lookAtFile();
    std::string taskName() const;
    bool nameIsTaken() const;
    void validate();

    QString m_file;
    std::vector<study::Task> m_existing;
    QString m_fileProblem;
    bool m_read = false;
    Background m_reading;
    QLineEdit* m_name;
    QSpinBox *m_tokens, *m_limit;
    QLabel *m_found, *m_problem;
    ChatBox* m_chat;
    QPushButton* m_add = nullptr;
};

} // namespace crest::ui
