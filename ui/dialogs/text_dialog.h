// SPDX-License-Identifier: GPL-3.0-or-later
// Adds a text to measure the loss on: its file, its name, and how it is cut into windows.
#pragma once

#include <QDialog>

#include "core/study/types.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class TextDialog : public QDialog {
    Q_OBJECT
public:
    /// `taken`: names that the study has already; `contextTokens`: the checkpoints' context, 0 where unknown.
    TextDialog(const QString& file, const QStringList& taken, qint64 contextTokens, QWidget* parent);
    study::Task task() const;

private:
    void setupFields(const QString& file, qint64 contextTokens);
    void setupLayout();
    void validate();

    QString m_file;
    QStringList m_taken;
    QLineEdit* m_name;
    QSpinBox *m_window, *m_stride, *m_windows;
    QLabel* m_problem;
    QPushButton* m_add = nullptr;
};

} // namespace crest::ui
