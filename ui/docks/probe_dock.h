// SPDX-License-Identifier: GPL-3.0-or-later
// Where a probe is set up: its kind (Gaussian noise with gammas, draws and scale, or the checkpoints as they are), number
// format, tasks with their roles; what it will cost stands on it before it is started.
#pragma once

#include <optional>

#include <QDockWidget>
#include <QTimer>

#include "ui/data/study_session.h"

class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class Actions;
class FinerRatesRow;
class RowForm;
class StrengthEdit;
class TaskRoles;
class TrainingDetails;
class TuningExtras;

class ProbeDock : public QDockWidget {
    Q_OBJECT
public:
    ProbeDock(StudySession& session, Actions& actions, QWidget* parent);

    /// Whether Run makes sense: the plan is known, can run, and has new cells.
    bool planReady() const { return m_ready; }
    const study::Probe& probe() const { return m_probe; }
    /// The series that was chosen elsewhere, where that takes nothing away: the probe here has no run yet.
    void offerSeries(const QString& name);

Q_SIGNALS:
    void planChanged();
    void previewAsked(const QString& task);

protected:
    void changeEvent(QEvent* event) override;

private:
    void setupKinds();
    void setupFields();
    void setupLayout(Actions& actions);
    RowForm* formOfFields(Actions& actions);
    void connectFields();
    void connectSession(Actions& actions);

    void loadStudy();
    void chooseKind();
    bool isBase() const;
    bool isKind(const char* kind) const;
    bool isDrawn() const;
    bool trains() const;
    QString fieldProblem() const;
    QString strengthsLabel() const;
    bool fieldsAreGood() const;
    void loadProbe();
    void showProbe();
    void showRowsOfKind();
    study::Probe probeOfFields() const;
    void edited();
    void store();
    void askPlan();
    void takePlan(const PlanPreview& preview);
    void runsChanged();
    void showPlan();
    void colorProblem();
    void styleRun();
    void showScaleHelp();
    void showDevices();
    std::optional<study::RunState> stateOfRun() const;
    void run();
    void refine();
    void takeFiner(const Result<analysis::Refinement>& found);
    void setFiner(const study::FinerRates& finer);
    void addText();
    void addSuite();
    void addPrompts();
    void addTuning();
    void showTuning();
    void takeTuning(study::Probe& changed) const;
    static void setDataTask(study::Probe& probe, const std::string& name);
    const study::Probe* probeAlike() const;
    std::vector<study::TaskInProbe> firstRoles() const;
    void addToProbe(const std::vector<study::Task>& tasks, study::Role role);

    StudySession& m_session;
    study::Probe m_probe;
    std::optional<PlanPreview> m_plan; ///< of m_probe as it stands
    quint64 m_request = 0;
    bool m_ready = false;
    bool m_showing = false;
    bool m_untaken = false; ///< something was edited while a field held what is no number: taken once all are good
    QString m_runStates; ///< of the last look, to plan again when a run ends
    QTimer m_planTimer;

    RowForm* m_form = nullptr;
    QString m_studyFolder;                 ///< whose probes m_seenProbes are
    std::vector<study::Probe> m_seenProbes; ///< to follow an undo that concerns the other kind
    QComboBox *m_kind, *m_series, *m_scale, *m_compute, *m_device;
    QSpinBox* m_seeds;
    QSpinBox* m_group;          ///< of quantisation
    QComboBox* m_data;          ///< of what trains, these four
    QSpinBox *m_epochs, *m_batch;
    QSpinBox* m_loraRank;       ///< 0: all weights are trained
    TrainingDetails* m_details; ///< steps, schedule, decay
    TuningExtras* m_extras;     ///< mitigations, kept weights
    StrengthEdit* m_rate;       ///< of interpolation: one learning rate
    StrengthEdit* m_strengths;
    FinerRatesRow* m_finer;     ///< of fine-tuning
    QLabel* m_strengthsLabel = nullptr;
    QLabel* m_seedsLabel = nullptr;
    TaskRoles* m_tasks;
    QLabel *m_scaleHelp, *m_cost, *m_problem;
    QPushButton* m_run;
};

} // namespace crest::ui
