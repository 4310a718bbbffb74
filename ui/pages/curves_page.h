// SPDX-License-Identifier: GPL-3.0-or-later
// The curves of one run, or another figure of it: small multiples, what the axes show, and the recipe of a pinned point.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <QWidget>

#include "core/analysis/probe_figures.h"
#include "ui/charts/panel_grid.h"
#include "ui/data/background.h"
#include "ui/data/study_session.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QStackedLayout;

namespace crest::ui {

class Actions;
class RecipePanel;
class ShareSlider;

class CurvesPage : public QWidget {
    Q_OBJECT
public:
    CurvesPage(StudySession& session, Actions& actions, QWidget* parent);

    bool hasFigure() const { return !m_grid->figure().panels.empty(); }
    /// As it is seen. What several panels say alike stands once below them, not in the panels.
    const analysis::Figure& figure() const { return m_grid->figure(); }
    /// The same for paper: each panel says all that holds for it.
    analysis::Figure figureForExport() const;
    PanelGrid* grid() const { return m_grid; }

Q_SIGNALS:
    void figureChanged();
    void failed(const QString& message);

protected:
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void setupBar();
    void setupLayout();
    void connectSession();
    void connectView(Actions& actions);

    void fillRuns();
    QString runWords(const std::string& run) const;
    void fillMetrics();
    void fillFigures();
    void fillPlaces();
    void fillX();
    void fillShares();
    void showShare();
    void chooseFigure(const std::string& name);
    void requestFigure();
    void takeFigure(Result<analysis::Figure> figure);
    void fitNotes();
    void showEmpty();
    void showScales();

    StudySession& m_session;
    Actions& m_actions;
    analysis::FigureOptions m_options;
    Background m_making;
    bool m_busy = false, m_again = false;
    std::string m_name = "curves"; ///< of the figure: one of those that the shown run can give
    std::map<std::string, analysis::YQuantity> m_y; ///< what was chosen for each figure
    std::map<std::string, double> m_at;             ///< which strength, for those of one strength
    std::optional<double> m_wantedBudget;           ///< of the trade-off
    std::map<std::string, QString> m_runWords;      ///< of runs that train, what tells them apart
    QString m_figureRun; ///< the run whose curves are shown

    QWidget* m_bar;
    QComboBox *m_run, *m_figure, *m_strength, *m_budget, *m_metric, *m_x, *m_spread;
    QLabel *m_runLabel = nullptr, *m_figureLabel = nullptr, *m_strengthLabel = nullptr, *m_budgetLabel = nullptr,
           *m_metricLabel = nullptr;
    QCheckBox* m_inflections;
    ShareSlider* m_share; ///< of an interpolation's curves
    QLabel *m_shareLabel = nullptr, *m_xLabel = nullptr;
    PanelGrid* m_grid;
    QLabel *m_empty, *m_notes;
    QScrollArea* m_notesArea; ///< holds m_notes
    std::vector<std::vector<std::string>> m_panelNotes; ///< of every panel as the figure came
    RecipePanel* m_recipe;
    QStackedLayout* m_stack = nullptr;
};

} // namespace crest::ui
