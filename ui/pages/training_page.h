// SPDX-License-Identifier: GPL-3.0-or-later
// The training curves of a fine-tuning run: loss, learning rate and gradient norm of one checkpoint's cells by step, while
// they are trained and afterwards.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QWidget>

#include "core/analysis/training_figure.h"
#include "ui/charts/panel_grid.h"
#include "ui/data/background.h"
#include "ui/data/study_session.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QStackedLayout;

namespace crest::ui {

/// Files are read by a worker, while the page is seen: with every look of the session at a run that is at work (twice a
/// second), and when results come in.
class TrainingPage : public QWidget {
    Q_OBJECT
public:
    TrainingPage(StudySession& session, QWidget* parent);

    bool hasFigure() const { return !figure().panels.empty(); }
    /// As it is seen.
    const analysis::Figure& figure() const { return m_grid->figure(); }
    PanelGrid* grid() const { return m_grid; }

Q_SIGNALS:
    void figureChanged();

protected:
    void showEvent(QShowEvent* event) override;

private:
    /// What a worker found.
    struct Reading {
        analysis::TrainingChoice choice;
        std::string fingerprint;
        std::optional<analysis::Figure> figure; ///< nothing where it would be the one that is shown
    };

    void setupBar();
    void setupLayout();
    void connectSession();

    const std::shared_ptr<const analysis::ProbeResults>& results() const { return m_session.probeView().results; }
    bool isTrained() const { return results() && analysis::isTrained(results()->plan.probe); }
    bool atWork() const;
    void fillChoices();
    analysis::TrainingChoice choice() const;
    void show(const analysis::TrainingChoice& choice);
    void watch();
    void ask();
    void take(Reading reading);
    void draw(const analysis::Figure& figure, std::string fingerprint);
    void showEmpty();

    StudySession& m_session;
    Background m_reading;
    bool m_busy = false, m_again = false;
    bool m_wasAtWork = false;
    QString m_filledFor;       ///< the run that the boxes are of
    std::string m_fingerprint; ///< of what is drawn

    QWidget* m_bar;
    QComboBox *m_checkpoint, *m_rate, *m_seed;
    QLabel* m_seedLabel = nullptr;
    QCheckBox* m_follow;
    PanelGrid* m_grid;
    QLabel* m_empty;
    QStackedLayout* m_stack = nullptr;
};

} // namespace crest::ui
