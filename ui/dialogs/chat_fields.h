// SPDX-License-Identifier: GPL-3.0-or-later
// How tasks are asked as a chat: the box, and below it, once it is on, which of the tokenizer's templates, how shots are
// written, and what the model is told before everything else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <QWidget>

#include "core/data/suite.h"

class QComboBox;
class QLabel;
class QLineEdit;

namespace crest::ui {

class ChatBox;
class RowForm;

class ChatFields : public QWidget {
    Q_OBJECT
public:
    explicit ChatFields(QWidget* parent = nullptr);

    /// One of the series; "" for none.
    void setCheckpoint(const std::filesystem::path& checkpoint);
    bool isOn() const;
    /// The task as it is asked with so many shots (-1: its own number).
    data::TaskDefinition asked(const data::TaskDefinition& task, std::int64_t shots) const;

private:
    void showState();
    std::string templateName() const;
    std::string system() const;

    std::filesystem::path m_checkpoint;
    RowForm* m_form;
    ChatBox* m_box;
    QComboBox *m_template, *m_shots;
    QLineEdit* m_system;
    QLabel* m_note;
};

} // namespace crest::ui
