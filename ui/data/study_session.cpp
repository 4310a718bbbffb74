// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_session.h"

#include <algorithm>
#include <filesystem>

#include <QFileInfo>
#include <QThread>

#include "ui/data/background.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/data/probe_loading.h"
#include "ui/data/runner_supervisor.h"
#include "ui/data/sample_study.h"
#include "ui/data/study_opening.h"
#include "ui/data/study_reader.h"
#include "ui/data/undo_commands.h"

namespace crest::ui {

namespace {

constexpr int kStartAttempts = 3;

/// A run that this window wants done: a runner must take it up.
struct WantedRun {
    std::size_t writersBefore = 0; ///< a new one has come: taken up
    bool named = false;            ///< only `--run` takes it up (it had failed)
    int attempts = 0;
    qint64 pid = 0; ///< of the runner that was started for it
};

study::RunStatus statusOf(const std::vector<study::RunStatus>& runs, const std::string& id) {
    const auto at = std::find_if(runs.begin(), runs.end(), [&](const study::RunStatus& run) { return run.id == id; });
    return at == runs.end() ? study::RunStatus{} : *at;
}

RunnerCommand commandFor(const std::string& runId, bool named) {
    RunnerCommand command;
    if (const QString device = qEnvironmentVariable("CREST_DEVICE"); !device.isEmpty())
        command.device = device;
    if (named)
        command.runId = toQString(runId);
    return command;
}

} // namespace

struct StudySession::Private {
    explicit Private(StudySession* session)
        : q(session)
        , opening(session)
        , scanning(session)
        , planning(session)
        , adding(session)
        , queueing(session)
        , controlling(session) {}

    StudySession* q;
    std::optional<study::StudyFolder> folder;
    std::optional<study::WindowLock> lock; ///< absent where another window holds the study
    study::Study study;
    std::vector<series::Series> series;
    std::vector<Issue> scanIssues, readIssues, allIssues;
    std::vector<study::RunStatus> runs;
    std::map<QString, int> measured; ///< by "series/checkpoint"
    double tokensPerSecond = 0;
    QString shownRun;
    std::map<std::string, WantedRun> wanted; ///< by run
    ProbeView view;
    QUndoStack undo;
    std::shared_ptr<StoredKeys> stored;
    QThread readingThread;
    StudyReader* reader = nullptr; ///< lives on readingThread
    quint64 planRequest = 0;
    Background opening, scanning, planning, adding, queueing, controlling;

    void openAt(std::function<Result<study::StudyFolder>()> work);
    void adopt(study::StudyFolder opened);
    void startReader();
    void stopReader();
    void scan();
    void applyStudy(const study::Study& changed);
    void edit(const QString& text, study::Study changed);
    void updateIssues();
    void takeRuns(const RunsSnapshot& snapshot);
    void want(const std::string& runId, bool named);
    void startWanted(bool runnerAlive);
    void tellModelFacts();
    void report(const Error& error);
};

void StudySession::Private::report(const Error& error) {
    Q_EMIT q->failed(toQString(error.text()));
}

void StudySession::Private::openAt(std::function<Result<study::StudyFolder>()> work) {
    opening.start([work = std::move(work)](const JobContext&) { return work(); },
                  [this](Result<study::StudyFolder> opened) {
                      if (!opened)
                          return report(opened.error());
                      adopt(std::move(*opened));
                  });
}

void StudySession::Private::adopt(study::StudyFolder opened) {
    q->close();
    folder = std::move(opened);
    if (folder->writable()) {
        if (auto locked = study::WindowLock::tryLock(*folder))
            lock = std::move(*locked);
        else
            folder->makeReadOnly();
    }
    study = folder->study();
    rememberRecentStudy(q->folder(), q->name());
    startReader();
    Q_EMIT q->opened();
    Q_EMIT q->studyChanged();
    scan();
}

void StudySession::Private::startReader() {
    stored = std::make_shared<StoredKeys>();
    reader = new StudyReader(*folder, stored);
    reader->moveToThread(&readingThread);
    QObject::connect(reader, &StudyReader::runsRead, q,
                     [this, from = reader](const std::shared_ptr<const RunsSnapshot>& snapshot) {
                         if (from == reader)
                             takeRuns(*snapshot);
                     });
    QObject::connect(reader, &StudyReader::probeRead, q,
                     [this, from = reader](const std::shared_ptr<const ProbeView>& read) {
                         if (from != reader)
                             return;
                         view = *read;
                         Q_EMIT q->probeChanged();
                     });
    if (!readingThread.isRunning())
        readingThread.start();
    QMetaObject::invokeMethod(reader, &StudyReader::start, Qt::QueuedConnection);
}

void StudySession::Private::stopReader() {
    if (!reader)
        return;
    // Ends after its poll, on its own thread: the window does not wait, and HDF5 stays with one thread.
    StudyReader* ending = std::exchange(reader, nullptr);
    ending->disconnect(q);
    ending->deleteLater();
}

void StudySession::Private::scan() {
    const study::Study current = study;
    scanning.start(
        [current, where = folder->path(), session = q](const JobContext& job) {
            int found = 0;
            return scanStudy(current, where, job, [&](const series::Checkpoint&) {
                QMetaObject::invokeMethod(session,
                                          [session, count = ++found] { Q_EMIT session->scanProgress(count, false); });
            });
        },
        [this](StudyScan scanned) {
            series = std::move(scanned.series);
            scanIssues = std::move(scanned.issues);
            int count = 0;
            for (const series::Series& one : series)
                count += static_cast<int>(one.checkpoints.size());
            tellModelFacts();
            Q_EMIT q->scanProgress(count, true);
            Q_EMIT q->seriesChanged();
            updateIssues();
        });
}

void StudySession::Private::tellModelFacts() {
    analysis::ProbeResults facts;
    addModelFacts(facts, series);
    if (reader)
        reader->setModelFacts(facts.parameters, facts.flopsPerToken);
}

void StudySession::Private::updateIssues() {
    std::vector<Issue> all = scanIssues;
    all.insert(all.end(), readIssues.begin(), readIssues.end());
    for (const study::RunStatus& run : runs)
        if (!run.message.empty())
            all.push_back({QStringLiteral("run ") + toQString(run.id), toQString(run.message)});
    if (all == allIssues)
        return;
    allIssues = std::move(all);
    Q_EMIT q->issuesChanged();
}

void StudySession::Private::takeRuns(const RunsSnapshot& snapshot) {
    runs = snapshot.runs;
    readIssues = snapshot.issues;
    measured = snapshot.measured;
    tokensPerSecond = snapshot.tokensPerSecond;
    Q_EMIT q->runsChanged();
    updateIssues();
    if (shownRun.isEmpty() && !runs.empty())
        q->showRun(toQString(runs.back().id));
    startWanted(snapshot.runnerAlive);
}

void StudySession::Private::want(const std::string& runId, bool named) {
    WantedRun run;
    run.writersBefore = statusOf(runs, runId).writers.size();
    run.named = named;
    wanted[runId] = run;
    startWanted(runnerIsAlive(*folder));
}

/// A living runner takes waiting runs in turn; but one that is about to end does not look again, and one may die as it
/// starts.
void StudySession::Private::startWanted(bool runnerAlive) {
    for (auto one = wanted.begin(); one != wanted.end();) {
        auto& [id, run] = *one;
        const study::RunStatus status = statusOf(runs, id);
        if (status.writers.size() > run.writersBefore || status.state == study::RunState::Done) {
            one = wanted.erase(one);
            continue;
        }
        if (runnerAlive || processIsAlive(run.pid)) {
            ++one;
            continue;
        }
        const auto started =
            run.attempts < kStartAttempts
                ? startRunner(*folder, commandFor(id, run.named))
                : Result<qint64>(fail(ErrorKind::Io, "crest-run does not start: " + lastLogLine(*folder).toStdString(),
                                      runnerLog(*folder).toStdString()));
        if (!started) {
            one = wanted.erase(one);
            report(started.error());
            continue;
        }
        ++run.attempts;
        run.pid = *started;
        runnerAlive = true; // one at a time
        ++one;
    }
}

void StudySession::Private::applyStudy(const study::Study& changed) {
    if (const auto saved = folder->save(changed); !saved)
        return report(saved.error());
    const bool rescanNeeded = changed.series != study.series;
    study = changed;
    Q_EMIT q->studyChanged();
    if (rescanNeeded)
        scan();
}

void StudySession::Private::edit(const QString& text, study::Study changed) {
    if (!folder || changed == study)
        return;
    undo.push(
        new EditStudyCommand(text, study, std::move(changed), [this](const study::Study& next) { applyStudy(next); }));
}

StudySession::StudySession(QObject* parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this)) {
    qRegisterMetaType<std::shared_ptr<const RunsSnapshot>>();
    qRegisterMetaType<std::shared_ptr<const ProbeView>>();
    d->readingThread.setObjectName(QStringLiteral("study reader"));
}

StudySession::~StudySession() {
    for (Background* work : {&d->opening, &d->scanning, &d->planning, &d->adding, &d->queueing, &d->controlling})
        work->cancelAndWait();
    d->stopReader();
    d->readingThread.quit();
    d->readingThread.wait();
}

void StudySession::open(const QString& folder) {
    d->openAt([folder] { return openStudyOrCheckpoints(folder); });
}

void StudySession::openSample() {
    d->openAt([] { return openSampleStudy(); });
}

void StudySession::close() {
    if (!d->folder)
        return;
    d->scanning.cancel();
    d->planning.cancel();
    d->adding.cancel();
    d->stopReader();
    d->folder.reset();
    d->lock.reset();
    d->wanted.clear();
    d->study = {};
    d->series.clear();
    d->runs.clear();
    d->measured.clear();
    d->scanIssues.clear();
    d->readIssues.clear();
    d->allIssues.clear();
    d->shownRun.clear();
    d->view = {};
    d->undo.clear();
    Q_EMIT closed();
}

bool StudySession::isOpen() const {
    return d->folder.has_value();
}
bool StudySession::writable() const {
    return d->folder && d->folder->writable();
}
QString StudySession::folder() const {
    return d->folder ? toQString(d->folder->path()) : QString();
}
QString StudySession::name() const {
    return toQString(d->study.name);
}
bool StudySession::untitled() const {
    return d->folder && folder().startsWith(dataFolder() + QStringLiteral("/studies/"));
}
const study::Study& StudySession::study() const {
    return d->study;
}
const std::vector<series::Series>& StudySession::series() const {
    return d->series;
}
const std::vector<Issue>& StudySession::issues() const {
    return d->allIssues;
}
const std::vector<study::RunStatus>& StudySession::runs() const {
    return d->runs;
}
QUndoStack* StudySession::undoStack() {
    return &d->undo;
}
QString StudySession::shownRun() const {
    return d->shownRun;
}
const ProbeView& StudySession::probeView() const {
    return d->view;
}
int StudySession::measuredResults(const QString& checkpoint) const {
    const auto at = d->measured.find(checkpoint);
    return at == d->measured.end() ? 0 : at->second;
}

void StudySession::saveAs(const QString& target) {
    if (!d->folder)
        return;
    if (runnerIsAlive(*d->folder))
        return d->report(
            {ErrorKind::Mismatch, "A run is at work in this study. Stop it first, then save the study elsewhere.", ""});
    if (!d->folder->writable())
        return d->report(
            {ErrorKind::Io, "This study can only be looked at, so it cannot be moved.", d->folder->path().string()});
    const std::filesystem::path from = d->folder->path();
    close();
    d->opening.start([from, target](const JobContext&) { return moveStudy(from, target); },
                     [this, from](Result<study::StudyFolder> moved) {
                         if (moved)
                             return d->adopt(std::move(*moved));
                         d->report(moved.error());
                         open(toQString(from)); // it is still there
                     });
}

void StudySession::addSeries(const QString& folder) {
    if (!d->folder)
        return;
    d->adding.start([folder, study = d->study](const JobContext& job) { return seriesBelow(folder, study, job); },
                    [this](Result<std::vector<study::StudySeries>> found) {
                        if (!found)
                            return d->report(found.error());
                        study::Study changed = d->study;
                        changed.series.insert(changed.series.end(), found->begin(), found->end());
                        d->edit(tr("add series"), std::move(changed));
                    });
}

void StudySession::rescan() {
    if (d->folder)
        d->scan();
}

void StudySession::setProbe(const study::Probe& probe) {
    study::Study changed = d->study;
    const auto at =
        std::find_if(changed.probes.begin(), changed.probes.end(), [&](const auto& p) { return p.name == probe.name; });
    if (at == changed.probes.end())
        changed.probes.push_back(probe);
    else
        *at = probe;
    d->edit(tr("edit probe"), std::move(changed));
}

void StudySession::addTask(const study::Task& task) {
    study::Study changed = d->study;
    changed.tasks.push_back(task);
    d->edit(tr("add task"), std::move(changed));
}

void StudySession::setExcluded(const QString& seriesName, const QString& checkpoint, bool excluded) {
    study::Study changed = d->study;
    for (study::StudySeries& one : changed.series)
        if (toQString(one.name) == seriesName) {
            std::erase(one.excluded, checkpoint.toStdString());
            if (excluded)
                one.excluded.push_back(checkpoint.toStdString());
        }
    d->edit(excluded ? tr("exclude checkpoint") : tr("include checkpoint"), std::move(changed));
}

quint64 StudySession::requestPlan(const study::Probe& probe) {
    if (!d->folder)
        return 0;
    const quint64 number = ++d->planRequest;
    PlanInput input{*d->folder, probe, d->study, d->series, d->stored, d->tokensPerSecond};
    d->planning.start([input = std::move(input)](const JobContext& job) { return previewPlan(input, job); },
                      [this, number](PlanPreview preview) {
                          preview.request = number;
                          Q_EMIT planReady(preview);
                      },
                      [this](const Progress& progress) {
                          QMetaObject::invokeMethod(
                              this, [this, done = static_cast<int>(progress.done),
                                     total = static_cast<int>(progress.total)] { Q_EMIT checkProgress(done, total); });
                      });
    return number;
}

void StudySession::run(const study::Plan& plan) {
    if (!d->folder)
        return;
    if (!d->folder->writable())
        return d->report({ErrorKind::Io, "This study can only be looked at, so nothing can be run in it.",
                          d->folder->path().string()});
    if (runnerProgram().isEmpty())
        return d->report(
            {ErrorKind::NotFound, "crest-run is not beside this program. Build it, or set CREST_RUN to its path.", ""});
    d->queueing.start([folder = *d->folder,
                       plan](const JobContext&) { return std::pair(folder.path(), study::queueRun(folder, plan)); },
                      [this](std::pair<std::filesystem::path, Result<std::string>> queued) {
                          if (!d->folder || d->folder->path() != queued.first)
                              return;
                          if (!queued.second)
                              return d->report(queued.second.error());
                          showRun(toQString(*queued.second));
                          d->want(*queued.second, false);
                      });
}

void StudySession::control(const QString& runId, study::RunCommand command) {
    if (!d->folder)
        return;
    d->controlling.start([folder = *d->folder, id = runId.toStdString(),
                          command](const JobContext&) { return study::controlRun(folder, id, command); },
                         [this](const Result<void>& sent) {
                             if (!sent)
                                 d->report(sent.error());
                         });
}

void StudySession::resume(const QString& runId) {
    if (!d->folder)
        return;
    d->controlling.start([folder = *d->folder, id = runId.toStdString()](
                             const JobContext&) { return study::controlRun(folder, id, study::RunCommand::Run); },
                         [this, id = runId.toStdString(), path = d->folder->path()](const Result<void>& sent) {
                             if (!sent)
                                 return d->report(sent.error());
                             if (d->folder && d->folder->path() == path)
                                 d->want(id, statusOf(d->runs, id).state == study::RunState::Failed);
                         });
}

void StudySession::showRun(const QString& runId) {
    d->shownRun = runId;
    if (d->reader)
        d->reader->setShownRun(runId.toStdString());
}

} // namespace crest::ui
