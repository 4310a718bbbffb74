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
    /// wins. `templates`: resources/tuning. The front of large data is shown first, then what the whole of it counts.
    void read(const data::TuningDataSettings& settings, const std::filesystem::path& templates,
              const std::filesystem::path& checkpoint);

protected:
    void changeEvent(QEvent* event) override;

Q_SIGNALS:
    /// What was asked for is there: the settings with their definitions, or "" and why not. Of large data twice.
    void settled(const crest::data::TuningDataSettings& resolved, const QString& problem);

private:
    struct Content {
        data::TuningDataSettings resolved;
        data::TuningPreview preview;
    };
    struct Source {
        data::TuningDataSettings settings;
        std::filesystem::path templates, checkpoint;
    };
    static Result<Content> readContent(const Source& source, std::int64_t rows, const JobContext& job);
    void read(const Source& source, std::int64_t rows);
    void show(const Content& content);
    void showProblem(const QString& problem);
    void showRows();

    QLabel *m_head, *m_problem;
    LengthBars* m_lengths;
    QTextBrowser* m_text;
    data::TuningPreview m_preview; ///< of which it shows the rows
    QString m_shown;               ///< in it
    Background m_reading;
};

} // namespace crest::ui
