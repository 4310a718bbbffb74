// SPDX-License-Identifier: GPL-3.0-or-later
// The open study as the window sees it: one object on the GUI thread whose slow work (scans, planning, reading results,
// statistics) runs on worker threads and comes back by signals. Qt Core only.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QObject>
#include <QString>
#include <QUndoStack>

#include "core/analysis/item_table.h"
#include "core/analysis/overlay.h"
#include "core/analysis/probe_finer_rates.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_figures.h"
#include "core/analysis/sample_table.h"
#include "core/series/series.h"
#include "core/study/planner.h"
#include "core/study/runs.h"
#include "core/study/study_folder.h"
#include "ui/data/devices.h"
#include "ui/data/study_writer.h"

namespace crest::ui {

/// One problem with its place and what to do.
struct Issue {
    QString where, message;
    QString run = {};        ///< whose cells failed, "" for any other problem
    QString checkpoint = {}; ///< and of which "series/checkpoint"
    QString details = {};    ///< more than a row has room for
    bool operator==(const Issue&) const = default;
};

/// What the button of the probe dock says, and why it may be off.
struct PlanPreview {
    quint64 request = 0;
    std::optional<study::Plan> plan;
    study::PlanCost cost;
    qint64 repeatedTrainings = 0; ///< study::repeatedTrainings
    QString problem; ///< why it cannot run, "" where it can
};

/// What the pages show of one run's probe.
struct ProbeView {
    quint64 version = 0;
    std::shared_ptr<const analysis::ProbeResults> results;
    std::vector<analysis::InflectionRow> inflections; ///< of `metric`
    std::string metric;                               ///< of the tasks of suites; "": the first of each
    std::vector<std::string> metrics;                 ///< that there are
    std::vector<analysis::NamedFigure> figures;       ///< that these results can give, "curves" first
    std::vector<std::string> textTasks;               ///< of which texts are stored
    std::map<std::string, std::string> suspects;      ///< as suspectScores says it
};

/// What the items' page shows; `table` is empty where `problem` says why.
struct ItemsView {
    analysis::ItemTableOptions wanted;
    std::optional<analysis::ItemTable> table;
    QString problem;
};
struct SamplesView {
    analysis::ItemTableOptions wanted;
    std::optional<analysis::SampleTable> table;
    QString problem;
};

class StudySession : public QObject {
    Q_OBJECT
public:
    explicit StudySession(QObject* parent = nullptr, SaveStudy save = {});
    ~StudySession() override;

    // Opening. All return at once; opened() or failed() follows.
    /// A study folder, or a folder of checkpoints: that is opened in an untitled study in the user's data folder. Of a
    /// file, the folder it stands for (folderToOpen).
    void open(const QString& path);
    void openSample();
    void close();
    bool isOpen() const;
    bool writable() const;
    QString readOnlyReason() const; ///< where it is not writable: why, as a sentence's end
    QString folder() const;
    std::filesystem::path trainingsFolder() const; ///< "" where no study is open
    QString name() const;
    bool untitled() const;
    /// Ctrl+S: moves an untitled study to a place and name.
    void saveAs(const QString& folder);

    const study::Study& study() const;
    const std::vector<series::Series>& series() const;
    const std::vector<Issue>& issues() const;
    const std::vector<study::RunStatus>& runs() const;
    /// As it was planned; null while a run's plan is not read, and where it cannot be.
    const study::Probe* probeOfRun(const std::string& runId) const;
    /// Of a run that trains, what tells it from others that are mostly called alike; "" of others.
    QString trainingWordsOf(const std::string& runId) const;
    /// False until the runs of a study that was just opened have been read.
    bool runsKnown() const;
    /// Unfinished, neither paused nor stopped by the user, and nobody works on it or was just asked to: its runner was
    /// killed, or none ever came.
    bool isUnattended(const study::RunStatus& run) const;
    /// Stored results of a checkpoint, by "series/checkpoint".
    int measuredResults(const QString& checkpoint) const;

    /// Adds another folder of checkpoints to this study.
    void addSeries(const QString& folder);
    /// A series whose folder moved: `folder` is looked at in a worker and taken where its weights are those that were
    /// measured; undoable. Where the series is there and only some of its measured checkpoints are not, these are looked
    /// for by their weights. located() or failed() follows.
    void locate(const QString& series, const QString& folder);
    void rescan();

    // Probes. Edits go through the undo stack.
    QUndoStack* undoStack();
    void setProbe(const study::Probe& probe); ///< as the study's last; one of that name goes; undoable
    void addTask(const study::Task& task);    ///< undoable
    /// Adds tasks, and with them the probe that uses them, as one edit; tasks of the same names are replaced. Undoable.
    void addTasks(const std::vector<study::Task>& tasks, const std::optional<study::Probe>& probe);
    void removeTask(const QString& task); ///< from the study and its probes; what is stored stays; undoable

    // Of series and checkpoints; `checkpoint` is its found name. All undoable; files are never touched.
    void setExcluded(const QString& series, const QString& checkpoint, bool excluded);
    /// What the user corrected of a checkpoint: empty where nothing is.
    series::CheckpointCorrection correction(const QString& series, const QString& checkpoint) const;
    void correct(const QString& series, const QString& checkpoint, const series::CheckpointCorrection& correction);
    void setTokensPerStep(const QString& series, std::optional<std::int64_t> tokens);

    // Points of others.
    /// Reads the files in a worker; overlayRead() or failed() follows.
    void readOverlay(const QStringList& files);
    void addOverlay(study::Overlay overlay);   ///< under a name that is new to the study; undoable
    void removeOverlay(const QString& name);   ///< undoable

    /// Plans in a worker; planReady() follows. A newer request makes older answers drop.
    quint64 requestPlan(const study::Probe& probe);
    /// Finer rates than a plan's, around the best of what is stored of it, `between` on each side (analysis::refineRates); `done`
    /// comes later, on this thread. Nothing where no study is open.
    void findFinerRates(const study::Plan& plan, int between,
                        std::function<void(const Result<analysis::Refinement>&)> done);
    /// Queues the plan, or goes on with the run that it has already, and starts a runner where none is at work; one
    /// that does not come up is started again, twice, and then reported.
    void run(const study::Plan& plan);
    void control(const QString& runId, study::RunCommand command);
    /// What runs are computed on: those that were found (the CPU until then), and the chosen one, which is remembered.
    /// devicesChanged() follows a search.
    const std::vector<Device>& devices() const;
    QString device() const;
    void chooseDevice(const QString& name);
    void findDevices();
    /// Continues an interrupted, stopped or failed run: only what is missing. Cells that failed are tried again.
    void resume(const QString& runId);

    /// Which run's probe the pages show; probeChanged() follows, and again when results come in (at most 2 a second).
    void showRun(const QString& runId);
    QString shownRun() const;
    const ProbeView& probeView() const;
    /// Which metric of the tasks of suites is looked at; probeChanged() follows.
    void showMetric(const QString& metric);
    /// The items, or samples, of a task of the shown run; itemsChanged() follows, and again when results come in.
    /// Nothing: no more.
    void watchItems(std::optional<analysis::ItemTableOptions> wanted);
    void watchSamples(std::optional<analysis::ItemTableOptions> wanted);

Q_SIGNALS:
    void opened();
    void closed();
    void failed(const QString& message); ///< an action failed: a sentence for people
    void seriesChanged();
    void studyChanged();
    void issuesChanged();
    void located(const QString& message); ///< what was verified: a sentence for people
    void devicesChanged();
    void runsChanged();
    void scanProgress(int checkpointsFound, bool finished);
    /// While a study is listed for the first time: checkpoints as they are found, some at a time, before they are
    /// judged. seriesChanged() follows with all.
    void checkpointsFound(const QString& series, const std::vector<series::Checkpoint>& checkpoints);
    void fingerprintProgress(int done, int total); ///< in the background; equal numbers: all are known
    void checkProgress(int done, int total);       ///< "checking 12 of 40": fingerprints
    void planReady(const crest::ui::PlanPreview& preview);
    void probeChanged();
    void overlayRead(const crest::analysis::OverlayImport& import);
    void itemsChanged(std::shared_ptr<const crest::ui::ItemsView> view);
    void samplesChanged(std::shared_ptr<const crest::ui::SamplesView> view);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace crest::ui
