// SPDX-License-Identifier: GPL-3.0-or-later
// The rest of how a training goes, which has usual values: its length in steps, schedule, warm-up, weight decay, clipping, what of
// LoRA there is beside the rank, how often its state is saved. Folded away until a probe has another value for one of them.
#pragma once

#include "ui/docks/folded_rows.h"
#include "ui/docks/stored_amount.h"

class QComboBox;
class QSpinBox;

namespace crest::ui {

class TrainingDetails : public FoldedRows {
    Q_OBJECT
public:
    explicit TrainingDetails(QWidget* parent = nullptr);

    /// From the settings of a probe that trains (study::completeSettings); unfolds where they are not the usual ones.
    void showSettings(const Json& settings);
    /// Into them. What the user has not touched keeps its exact value.
    void takeInto(Json& settings) const;
    /// 0: the epochs say how long a training is.
    int steps() const;
    /// "linear to zero", as in sentences.
    QString scheduleWords() const;

Q_SIGNALS:
    void edited();

private:
    void setupFields();
    void setupRows();
    void showLoraRows(bool hasAdapters);

    Json m_settings; ///< as last shown
    QSpinBox* m_steps;
    QComboBox *m_schedule, *m_loraMatrices;
    StoredAmount m_warmup, m_decay, m_clip, m_loraAlpha, m_stateSeconds;
};

} // namespace crest::ui
