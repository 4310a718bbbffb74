// SPDX-License-Identifier: GPL-3.0-or-later
// The first items of a suite's task exactly as a model is asked, with how many there are and which rows cannot be used.
#pragma once

#include <filesystem>

#include <QDialog>

#include "core/data/suite.h"
#include "core/study/types.h"
#include "ui/data/background.h"

class QLabel;
class QTextBrowser;

namespace crest::ui {

class ItemPreview : public QDialog {
    Q_OBJECT
public:
    /// `checkpoint`: whose chat template a task is asked by that is asked as a chat; "" shows the texts without it and says so.
    ItemPreview(const study::Task& task, const std::filesystem::path& studyFolder, const std::filesystem::path& checkpoint,
                QWidget* parent);

private:
    struct Made {
        data::TaskItems items;
        QString note;
    };
    static Result<Made> make(const study::Task& task, const std::filesystem::path& studyFolder,
                             const std::filesystem::path& checkpoint, const JobContext& job);
    void show(const Made& made);

    QLabel* m_head;
    QTextBrowser* m_text;
    Background m_reading;
};

} // namespace crest::ui
