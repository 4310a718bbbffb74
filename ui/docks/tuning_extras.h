// SPDX-License-Identifier: GPL-3.0-or-later
// What fine-tuning does against forgetting besides LoRA (a pull to the start, the head first, replay of pretraining text), the
// room for tuned weights that are kept, and training in less memory: rarely used, so folded away until a probe has any of it.
#pragma once

#include "ui/docks/folded_rows.h"
#include "ui/docks/stored_amount.h"

class QCheckBox;
class QLineEdit;
class QSpinBox;
class QToolButton;

namespace crest::ui {

class TuningExtras : public FoldedRows {
    Q_OBJECT
public:
    explicit TuningExtras(QWidget* parent = nullptr);

    /// From the settings of a probe that trains (study::completeSettings); unfolds where they use any of it.
    void showSettings(const Json& settings);
    /// Into them. What the user has not touched keeps its exact value; what is off is not written.
    void takeInto(Json& settings) const;
    /// What is wrong with what was typed, in a sentence; "" where nothing is.
    QString problem(bool hasAdapters) const;

Q_SIGNALS:
    /// The user has changed something, which may be half typed.
    void edited();
    /// It stands: to be stored.
    void settled();

private:
    void setupFields();
    void setupRows();
    void connectFields();
    void chooseText();
    void showReplayRows();

    Json m_settings; ///< as last shown
    double m_storedPull = 0;
    QToolButton* m_choose;
    QLineEdit *m_pull, *m_text;
    QWidget* m_textRow;
    QSpinBox* m_window; ///< of replayed text
    StoredAmount m_head, m_replay, m_keep;
    QCheckBox* m_recompute;
};

} // namespace crest::ui
