// SPDX-License-Identifier: GPL-3.0-or-later
// The theory lab: the two-layer linear network in which overtraining can be computed, with closed form and simulation together. Needs no study.
#pragma once

#include <QTimer>
#include <QWidget>

#include "core/analysis/theory_figure.h"
#include "ui/charts/panel_grid.h"
#include "ui/data/background.h"

class QLabel;
class QPushButton;

namespace crest::ui {

class TheoryControls;

/// What follows a slider is computed and drawn at once; the Monte Carlo runs on another thread and fills in.
class TheoryPage : public QWidget {
    Q_OBJECT
public:
    explicit TheoryPage(QWidget* parent = nullptr);

    /// As it is seen; no panel before the page has been shown.
    const analysis::Figure& figure() const { return m_grid->figure(); }
    TheoryControls* controls() const { return m_controls; }
    PanelGrid* grid() const { return m_grid; }
    /// All that the settings ask for is drawn, the Monte Carlo included.
    bool isComplete() const;
    /// Without a study beside it: offers the way back to the start page.
    void setStandalone(bool standalone);

Q_SIGNALS:
    void startAsked();

protected:
    void showEvent(QShowEvent* event) override;

private:
    void setupLayout();
    void showState();
    void sample();
    void takeEstimates(const analysis::TheoryEstimates& estimates);

    TheoryControls* m_controls;
    PanelGrid* m_grid;
    QLabel* m_sentence;
    QPushButton* m_back;
    analysis::TheoryEstimates m_estimates;
    Background m_sampling;
    QTimer m_sampleTimer;
};

} // namespace crest::ui
