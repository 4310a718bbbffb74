// SPDX-License-Identifier: GPL-3.0-or-later
// The first window of a text exactly as the model sees it: each token boxed, the end token named, what is scored and
// what is only context.
#pragma once

#include <filesystem>
#include <vector>

#include <QDialog>

#include "core/study/types.h"
#include "ui/data/background.h"

class QLabel;
class QTextBrowser;

namespace crest::ui {

/// One token of the window.
struct PreviewToken {
    QString text; ///< as decoded alone
    int id = 0;
    bool scored = false, end = false;
};
struct TextPreviewContent {
    std::vector<PreviewToken> tokens;
    qint64 documents = 0, bytes = 0; ///< of the whole text
};
/// Reads the text and the tokenizer of `checkpoint` and cuts the first window. Any thread.
Result<TextPreviewContent> readTextPreview(const study::Task& task, const std::filesystem::path& text,
                                           const std::filesystem::path& checkpoint, const JobContext& job);

class TextPreview : public QDialog {
    Q_OBJECT
public:
    TextPreview(const study::Task& task, const std::filesystem::path& text, const std::filesystem::path& checkpoint,
                QWidget* parent);

private:
    void showContent(const TextPreviewContent& content);

    study::Task m_task;
    QLabel* m_head;
    QTextBrowser* m_text;
    Background m_reading;
};

} // namespace crest::ui
