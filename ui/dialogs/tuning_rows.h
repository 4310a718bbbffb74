// SPDX-License-Identifier: GPL-3.0-or-later
// The first rows of fine-tuning data exactly as the model sees them: what is learned and what is only read, the end
// token, what is cut off, and how long the examples are.
#pragma once

#include <filesystem>

#include <QWidget>

#include "core/data/tuning_preview.h"
#include "ui/data/background.h"

class QLabel;
class QTextBrowser;

namespace crest::ui {

class LengthBars;

class TuningRows : public QWidget {
    Q_OBJECT
public:
    explicit TuningRows(QWidget* parent = nullptr);
    /// Reads the data (any form, resolved or not) with the tokenizer of `checkpoint`, beside the window; the latest call
    /// wins. `templates`: resources/tuning.
    void read(const data::TuningDataSettings& settings, const std::filesystem::path& templates,
              const std::filesystem::path& checkpoint);

Q_SIGNALS:
    /// What was asked for is there: the settings with their definitions, or "" and why not.
    void settled(const crest::data::TuningDataSettings& resolved, const QString& problem);

private:
    struct Content {
        data::TuningDataSettings resolved;
        data::TuningPreview preview;
    };
    static Result<Content> readContent(data::TuningDataSettings settings, const std::filesystem::path& templates,
                                       const std::filesystem::path& checkpoint, const JobContext& job);
    void show(const Content& content);

    QLabel* m_head;
    LengthBars* m_lengths;
    QTextBrowser* m_text;
    Background m_reading;
};

} // namespace crest::ui
