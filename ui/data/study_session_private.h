// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of StudySession, shared by its files alone: study_session.cpp (life, looking), session_opening.cpp
// (opening, closing), session_edits.cpp (tasks, probes, overlays, adding and locating series), session_series.cpp (scanning and
// correcting series), session_runs.cpp (planning, devices, runs).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QThread>
#include <QTimer>
#include <QUndoStack>

#include "ui/data/background.h"
#include "ui/data/locating.h"
#include "ui/data/study_reader.h"
#include "ui/data/study_scan.h"
#include "ui/data/study_session.h"

namespace crest::ui {

inline const QString kCpu = QStringLiteral("cpu");

/// A run that this window wants done: a runner must take it up.
struct WantedRun {
    std::size_t writersBefore = 0; ///< a new one has come: taken up
    bool named = false;            ///< only `--run` takes it up (it had failed)
    int attempts = 0;
    qint64 pid = 0; ///< of the runner that was started for it
    QString device;
};

/// A study as it was opened, with the window's lock on it.
struct OpenedStudy {
    study::StudyFolder folder;
    std::optional<study::WindowLock> lock; ///< absent where another window holds the study, or it cannot be written
    bool isOpenAlready = false;            ///< it is the one that this window holds
};

/// Checkpoints with results that their series does not hold any more: new runs would leave them out without a word.
/// `measured`: by "series/checkpoint".
std::vector<std::string> missingCheckpoints(const series::Series& one,
                                            const std::map<std::string, std::string>& measured);

struct StudySession::Private {
    Private(StudySession* session, SaveStudy save)
        : q(session)
        , writer(std::move(save))
        , opening(session, reporting())
        , scanning(session, reporting())
        , fingerprinting(session, reporting())
        , checking(session, reporting())
        , planning(session, reporting())
        , adding(session, reporting())
        , locating(session, reporting())
        , importing(session, reporting())
        , queueing(session, reporting())
        , controlling(session, reporting())
        , searching(session, reporting())
        , remembering(session) {}

    StudySession* q;
    std::optional<study::StudyFolder> folder;
    study::Study study;
    StudyScan scanned;                  ///< as files say it
    CheckpointFacts facts;              ///< learned since
    std::vector<series::Series> series; ///< of both, as the study has it
    quint64 scanNumber = 0;
    QString unlisted; ///< folder of checkpoints that this new study was opened for, until it is listed
    QTimer judgeSoon; ///< fingerprints come one by one, the window takes them twice a second
    std::vector<Issue> scanIssues, readIssues, allIssues;
    std::vector<study::RunStatus> runs;
    std::map<std::string, study::Probe> probes; ///< by run
    bool runsKnown = false;
    std::map<QString, int> measured;            ///< by "series/checkpoint"
    std::map<std::string, std::string> weights; ///< that were measured, by "series/checkpoint"
    std::vector<Device> devices{cpuDevice()};
    QString device = kCpu;
    QString shownRun;
    std::map<std::string, WantedRun> wanted; ///< by run
    std::string resuming;                    ///< the run whose control file is being written, so that it is wanted
    bool isAnyAtWork = false;                ///< a runner, as of the last look
    ProbeView view;
    QUndoStack undo;
    StudyWriter writer; ///< holds the window's lock, where no other window has it
    std::shared_ptr<StoredKeys> stored;
    QThread readingThread;
    StudyReader* reader = nullptr; ///< lives on readingThread
    quint64 planRequest = 0;
    std::optional<analysis::ItemTableOptions> wantedItems, wantedSamples;
    Background opening, scanning, fingerprinting, checking, planning, adding, locating, importing, queueing, controlling,
        searching, remembering;

    /// `checkpoints`: the folder whose series a study that has none gets; `work` may find it out.
    void openAt(std::function<Result<study::StudyFolder>()> work, std::function<void()> otherwise = {},
                std::shared_ptr<const QString> checkpoints = {});
    void adopt(OpenedStudy opened, const QString& checkpoints);
    void startReader();
    void stopReader();
    void scan();
    void takeScan(StudyScan found);
    void judge();
    void startFingerprints();
    void checkTokenizers();
    void takeWeights(const std::string& path, const series::CheckedWeights& weights);
    void takeScores();
    void editSeries(const QString& text, const QString& series, const std::function<void(study::StudySeries&)>& change);
    void applyStudy(const study::Study& changed);
    void edit(const QString& text, study::Study changed);
    void updateIssues();
    void keepMoved(const Located& found);
    void takeRuns(const RunsSnapshot& snapshot);
    void want(const std::string& runId, bool named);
    void wantAgain(const std::string& runId);
    void startQueued(const std::string& runId, const std::vector<study::RunStatus>& before);
    void startWanted(std::vector<QString> devicesAtWork);
    void tellModelFacts();
    JobContext::Sink checkSink();
    void report(const Error& error);
    Background::Failed reporting() {
        return [this](const Error& error) { report(error); };
    }
};

} // namespace crest::ui
