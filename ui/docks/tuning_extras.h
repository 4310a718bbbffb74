// SPDX-License-Identifier: GPL-3.0-or-later
// What fine-tuning does against forgetting besides LoRA (a pull to the start, the head first, replay of pretraining text), the
// room for tuned weights that are kept, and training in less memory: rarely used, so folded away until a probe has any of it.
#pragma once

#include <QWidget>

#include "core/base/json.h"

class QCheckBox;
class QDoubleSpinBox;
class QLineEdit;
class QToolButton;

namespace crest::ui {

class RowForm;

class TuningExtras : public QWidget {
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
    /// A share or an amount: what the study says, and what the box made of it.
    struct Amount {
        QDoubleSpinBox* box = nullptr;
        double unit = 1; ///< of the box: 0.01 for percent
        double stored = 0, shown = 0;
        double value() const;
        void show(double wanted);
    };
    void setupFields();
    void setupLayout();
    void connectFields();
    void chooseText();
    void fold(bool open);
    void showReplayRow();

    Json m_settings; ///< as last shown
    double m_storedPull = 0;
    QToolButton *m_fold, *m_choose;
    QWidget* m_body;
    RowForm* m_form = nullptr;
    QLineEdit *m_pull, *m_text;
    QWidget* m_textRow;
    Amount m_head, m_replay, m_keep;
    QCheckBox* m_recompute;
};

} // namespace crest::ui
