// SPDX-License-Identifier: GPL-3.0-or-later
// What the runner has said, and what failed: text that can be copied into a report.
#pragma once

#include <QDialog>

#include "core/study/runs.h"
#include "ui/data/background.h"

class QPlainTextEdit;

namespace crest::ui {

class LogDialog : public QDialog {
    Q_OBJECT
public:
    /// Opens beside the window; the log's end is read on another thread.
    static void showFor(const QString& studyFolder, const study::RunStatus& run, QWidget* parent);

private:
    LogDialog(const QString& studyFolder, const study::RunStatus& run, QWidget* parent);

    QPlainTextEdit* m_text;
    Background m_reading;
};

} // namespace crest::ui
