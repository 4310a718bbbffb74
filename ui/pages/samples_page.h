// SPDX-License-Identifier: GPL-3.0-or-later
// The same prompts continued by every checkpoint: side by side in a table, and one prompt to be read from checkpoint to
// checkpoint, with what changed against the one before.
#pragma once

#include <memory>
#include <optional>

#include <QWidget>

#include "ui/data/background.h"
#include "ui/data/item_texts.h"
#include "ui/data/samples_model.h"
#include "ui/data/study_session.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QTableView;
class QTextBrowser;

namespace crest::ui {

class SamplesPage : public QWidget {
    Q_OBJECT
public:
    SamplesPage(StudySession& session, QWidget* parent);

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    void setupBar();
    void setupTable();
    void setupLayout();
    void connectSession();

    void fillChoices();
    static QString strengthChoice(const study::Probe& probe, double strength);
    void ask();
    void take(const std::shared_ptr<const SamplesView>& view);
    void readTexts();
    void showPrompts();
    void showReading();
    void copyCell();
    void copyReading();

    StudySession& m_session;
    SamplesModel m_model;
    std::shared_ptr<const ItemTexts> m_texts;
    QString m_textsOf;
    std::optional<analysis::ItemTableOptions> m_wanted; ///< that the session was asked for
    Background m_reading, m_rendering;
    std::shared_ptr<const SamplesView> m_view;

    QWidget* m_bar;
    QComboBox *m_task, *m_strength, *m_run;
    QLabel *m_strengthLabel = nullptr, *m_runLabel = nullptr;
    QCheckBox* m_diff;
    QTableView* m_table;
    QTextBrowser* m_text;
    QLabel* m_empty;
    QWidget* m_content;
};

struct SampleColors {
    QString muted, mark; ///< names of the colours of what is said beside, and of the ground of what differs
};
/// A prompt with what each checkpoint wrote, as HTML; `diff`: marks the words that the checkpoint before does not have.
/// Any thread.
QString samplesHtml(const analysis::SampleTable& table, int row, const QString& prompt, bool diff,
                    const SampleColors& colors);

} // namespace crest::ui
