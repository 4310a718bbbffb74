// SPDX-License-Identifier: GPL-3.0-or-later
// What the theory lab is set to, as a column of fields.
#pragma once

#include <functional>

#include <QWidget>

#include "core/analysis/theory_state.h"

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class LogSlider;
class RowForm;
class SpectrumEdit;

class TheoryControls : public QWidget {
    Q_OBJECT
public:
    explicit TheoryControls(QWidget* parent = nullptr);

    /// Always passes checkTheoryState.
    const analysis::TheoryState& state() const { return m_state; }
    /// Shows it and emits changed().
    void setState(const analysis::TheoryState& state);

Q_SIGNALS:
    void changed();

private:
    void setupChoices(RowForm* form);
    void setupStrengths(RowForm* form);
    void setupSpectra(RowForm* form);
    void connectFields();
    void connectSpectra();
    void show();
    void showRows();
    void showHandle();
    void edit(const std::function<void(analysis::TheoryState&)>& change);
    analysis::TheoryTuning& tuning(analysis::TheoryState& state) const;
    void takeLadder();
    void showProblem(const QString& problem);
    void setModes(int count);

    analysis::TheoryState m_state;
    RowForm* m_form;
    QComboBox *m_preset, *m_change, *m_draws, *m_stops;
    QPushButton* m_reset;
    LogSlider *m_gamma, *m_rate, *m_pull, *m_steps, *m_start;
    QLineEdit* m_ladder;
    QLabel* m_problem;
    SpectrumEdit* m_spectra;
    QSpinBox *m_modes, *m_mode;
    QDoubleSpinBox *m_sigma, *m_target;
};

} // namespace crest::ui
