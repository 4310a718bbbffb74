// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_session.h"

#include <algorithm>
#include <filesystem>

#include <QFileInfo>
#include <QSettings>
#include <QThread>

#include "ui/data/background.h"
#include "ui/data/format.h"
#include "ui/data/locating.h"
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
    QString device;
};

study::RunStatus statusOf(const std::vector<study::RunStatus>& runs, const std::string& id) {
    const auto at = std::find_if(runs.begin(), runs.end(), [&](const study::RunStatus& run) { return run.id == id; });
    return at == runs.end() ? study::RunStatus{} : *at;
}

RunnerCommand commandFor(const std::string& runId, const WantedRun& wanted) {
    RunnerCommand command;
    command.device = wanted.device;
    if (wanted.named)
        command.runId = toQString(runId);
    return command;
}

const QString kCpu = QStringLiteral("cpu");

/// Whether a living runner will take the run up in its turn: on the CPU's runs any works, a GPU's wait for their own.
bool isServed(const WantedRun& wanted, const std::vector<QString>& devicesAtWork) {
    return std::any_of(devicesAtWork.begin(), devicesAtWork.end(), [&](const QString& device) {
        return device.isEmpty() || wanted.device == kCpu || device == wanted.device;
    });
}

QString deviceFile() {
    return stateFolder() + QStringLiteral("/device.ini");
}

/// A study as it was opened, with the window's lock on it.
struct OpenedStudy {
    study::StudyFolder folder;
    std::optional<study::WindowLock> lock; ///< absent where another window holds the study, or it cannot be written
    bool isOpenAlready = false;            ///< it is the one that this window holds
};

/// Another window that closes may still write its last edit: it is waited for.
constexpr int kLockTries = 25, kLockWaitMs = 20;

/// Runs on a worker: opens, takes the lock and remembers. `held`: the study this window has open.
Result<OpenedStudy> openLocked(const std::function<Result<study::StudyFolder>()>& work,
                               const std::filesystem::path& held, StudyWriter& writer) {
    CREST_CHECK(writer.flush()); // what is opened may be what was just closed
    CREST_TRY(folder, work());
    rememberRecentStudy(toQString(folder.path()), toQString(folder.study().name));
    OpenedStudy opened{std::move(folder), {}, false};
    opened.isOpenAlready = opened.folder.path() == held;
    for (int i = 0; i < kLockTries && opened.folder.writable() && !opened.isOpenAlready && !opened.lock; ++i) {
        if (i > 0)
            QThread::msleep(kLockWaitMs);
        if (auto locked = study::WindowLock::tryLock(opened.folder))
            opened.lock = std::move(*locked);
    }
    return opened;
}

} // namespace

struct StudySession::Private {
    Private(StudySession* session, SaveStudy save)
        : q(session)
        , writer(std::move(save))
        , opening(session)
        , scanning(session)
        , planning(session)
        , adding(session)
        , locating(session)
        , queueing(session)
        , controlling(session)
        , searching(session)
        , remembering(session) {}

    StudySession* q;
    std::optional<study::StudyFolder> folder;
    study::Study study;
    std::vector<series::Series> series;
    std::vector<Issue> scanIssues, readIssues, allIssues;
    std::vector<study::RunStatus> runs;
    bool runsKnown = false;
    std::map<QString, int> measured;            ///< by "series/checkpoint"
    std::map<std::string, std::string> weights; ///< that were measured, by "series/checkpoint"
    double tokensPerSecond = 0;
    std::vector<Device> devices{cpuDevice()};
    QString device = kCpu;
    QString shownRun;
    std::map<std::string, WantedRun> wanted; ///< by run
    ProbeView view;
    QUndoStack undo;
    StudyWriter writer; ///< holds the window's lock, where no other window has it
    std::shared_ptr<StoredKeys> stored;
    QThread readingThread;
    StudyReader* reader = nullptr; ///< lives on readingThread
    quint64 planRequest = 0;
    Background opening, scanning, planning, adding, locating, queueing, controlling, searching, remembering;

    void openAt(std::function<Result<study::StudyFolder>()> work, std::function<void()> otherwise = {});
    void adopt(OpenedStudy opened);
    void startReader();
    void stopReader();
    void scan();
    void applyStudy(const study::Study& changed);
    void edit(const QString& text, study::Study changed);
    void updateIssues();
    void takeRuns(const RunsSnapshot& snapshot);
    void want(const std::string& runId, bool named);
    void wantAgain(const std::string& runId);
    void startWanted(std::vector<QString> devicesAtWork);
    void tellModelFacts();
    JobContext::Sink checkSink();
    void report(const Error& error);
};

/// Passes "checking 12 of 40" on to the window's thread.
JobContext::Sink StudySession::Private::checkSink() {
    return [session = q](const Progress& progress) {
        QMetaObject::invokeMethod(
            session, [session, done = static_cast<int>(progress.done), total = static_cast<int>(progress.total)] {
                Q_EMIT session->checkProgress(done, total);
            });
    };
}

void StudySession::Private::report(const Error& error) {
    Q_EMIT q->failed(toQString(error.text()));
}

void StudySession::Private::openAt(std::function<Result<study::StudyFolder>()> work, std::function<void()> otherwise) {
    const std::filesystem::path held = folder ? folder->path() : std::filesystem::path();
    opening.start(
        [work = std::move(work), held, writer = &writer](const JobContext&) { return openLocked(work, held, *writer); },
        [this, otherwise = std::move(otherwise)](Result<OpenedStudy> opened) {
            if (opened)
                return adopt(std::move(*opened));
            report(opened.error());
            if (otherwise)
                otherwise();
        });
}

void StudySession::Private::adopt(OpenedStudy opened) {
    if (opened.isOpenAlready) {
        if (!folder || folder->path() != opened.folder.path())
            return q->open(toQString(opened.folder.path())); // closed meanwhile
        Q_EMIT q->opened();
        return scan();
    }
    q->close();
    folder = std::move(opened.folder);
    if (folder->writable() && !opened.lock)
        folder->makeReadOnly();
    study = folder->study();
    writer.begin(*folder, std::move(opened.lock));
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
    runsKnown = true;
    readIssues = snapshot.issues;
    measured = snapshot.measured;
    tokensPerSecond = snapshot.tokensPerSecond;
    Q_EMIT q->runsChanged();
    updateIssues();
    if (shownRun.isEmpty() && !runs.empty())
        q->showRun(toQString(runs.back().id));
    weights = snapshot.weights;
    startWanted(snapshot.devicesAtWork);
}

void StudySession::Private::want(const std::string& runId, bool named) {
    WantedRun run;
    run.writersBefore = statusOf(runs, runId).writers.size();
    run.named = named;
    run.device = device;
    wanted[runId] = run;
    startWanted(devicesAtWork(*folder));
}

/// Failed cells, and a run that asked for another device, are taken up only by a runner that is told so.
void StudySession::Private::wantAgain(const std::string& runId) {
    const study::RunStatus run = statusOf(runs, runId);
    want(runId, run.state == study::RunState::Failed || (!run.device.empty() && toQString(run.device) != device));
}

/// A living runner takes waiting runs in turn; but one that is about to end does not look again, and one may die as it
/// starts.
void StudySession::Private::startWanted(std::vector<QString> devicesAtWork) {
    for (auto one = wanted.begin(); one != wanted.end();) {
        auto& [id, run] = *one;
        const study::RunStatus status = statusOf(runs, id);
        if (status.writers.size() > run.writersBefore || status.state == study::RunState::Done) {
            one = wanted.erase(one);
            continue;
        }
        if (isServed(run, devicesAtWork) || processIsAlive(run.pid)) {
            ++one;
            continue;
        }
        const auto started =
            run.attempts < kStartAttempts
                ? startRunner(*folder, commandFor(id, run))
                : Result<qint64>(fail(ErrorKind::Io, "crest-run does not start: " + lastLogLine(*folder).toStdString(),
                                      runnerLog(*folder).toStdString()));
        if (!started) {
            one = wanted.erase(one);
            report(started.error());
            continue;
        }
        ++run.attempts;
        run.pid = *started;
        devicesAtWork.push_back(run.device); // one at a time on each device
        ++one;
    }
}

void StudySession::Private::applyStudy(const study::Study& changed) {
    if (!folder->writable())
        return report({ErrorKind::Io,
                       "This study can only be looked at: its folder cannot be written, or another window holds it.",
                       folder->path().string()});
    writer.save(changed);
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

StudySession::StudySession(QObject* parent, SaveStudy save)
    : QObject(parent)
    , d(std::make_unique<Private>(this, std::move(save))) {
    connect(&d->writer, &StudyWriter::failed, this, &StudySession::failed);
    qRegisterMetaType<std::shared_ptr<const RunsSnapshot>>();
    qRegisterMetaType<std::shared_ptr<const ProbeView>>();
    d->readingThread.setObjectName(QStringLiteral("study reader"));
}

StudySession::~StudySession() {
    for (Background* work : {&d->opening, &d->scanning, &d->planning, &d->adding, &d->locating, &d->queueing,
                             &d->controlling, &d->searching, &d->remembering})
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
    d->locating.cancel();
    d->stopReader();
    d->writer.end();
    d->folder.reset();
    d->wanted.clear();
    d->study = {};
    d->series.clear();
    d->runs.clear();
    d->runsKnown = false;
    d->measured.clear();
    d->weights.clear();
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
bool StudySession::runsKnown() const {
    return d->runsKnown;
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
    d->openAt([from, target] { return moveStudy(from, target); },
              [this, from] { open(toQString(from)); }); // it is still there
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

void StudySession::locate(const QString& name, const QString& folder) {
    const auto wanted = std::find_if(d->study.series.begin(), d->study.series.end(),
                                     [&](const study::StudySeries& one) { return toQString(one.name) == name; });
    if (!d->folder || wanted == d->study.series.end())
        return;
    LocateInput input{*wanted, folder, {}};
    const std::string prefix = wanted->name + "/";
    for (const auto& [place, fingerprint] : d->weights)
        if (place.starts_with(prefix))
            input.measured[place.substr(prefix.size())] = fingerprint;
    const auto done = [this](const Result<Located>& found) {
        Q_EMIT checkProgress(0, 0);
        if (!found)
            return d->report(found.error());
        study::Study changed = d->study;
        for (study::StudySeries& one : changed.series)
            if (one.name == found->series.name)
                one.path = found->series.path;
        d->edit(tr("locate series"), std::move(changed));
        QString message =
            found->verified > 0
                ? tr("%1 was found again: the weights of %2 measured checkpoints are the same. Its results "
                     "stay.")
                      .arg(toQString(found->series.name))
                      .arg(found->verified)
                : tr("%1 was found. Nothing of it had been measured, so there was nothing to compare.")
                      .arg(toQString(found->series.name));
        if (found->missing > 0)
            message += tr(" %1 measured checkpoints are not in the new folder.").arg(found->missing);
        Q_EMIT located(message);
    };
    d->locating.start([input](const JobContext& job) { return locateSeries(input, job); }, done, d->checkSink());
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
                      d->checkSink());
    return number;
}

const std::vector<Device>& StudySession::devices() const {
    return d->devices;
}
QString StudySession::device() const {
    return d->device;
}

void StudySession::chooseDevice(const QString& name) {
    if (name == d->device)
        return;
    d->device = name;
    d->remembering.start(
        [name](const JobContext&) {
            QSettings(deviceFile(), QSettings::IniFormat).setValue(QStringLiteral("device"), name);
            return true;
        },
        [](bool) {});
}

void StudySession::findDevices() {
    d->searching.start(
        [](const JobContext& job) {
            return std::pair(
                ui::findDevices(job),
                QSettings(deviceFile(), QSettings::IniFormat).value(QStringLiteral("device"), kCpu).toString());
        },
        [this](const std::pair<std::vector<Device>, QString>& found) {
            d->devices = found.first;
            const auto has = [this](const QString& name) {
                return std::any_of(d->devices.begin(), d->devices.end(),
                                   [&](const Device& one) { return one.name == name; });
            };
            if (d->device == kCpu && has(found.second))
                d->device = found.second;
            else if (!has(d->device))
                d->device = kCpu;
            Q_EMIT devicesChanged();
        });
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
    study::Plan placed = plan;
    if (d->device != kCpu)
        placed.device = d->device.toStdString(); // a runner on another leaves it
    d->queueing.start([folder = *d->folder,
                       placed](const JobContext&) { return std::pair(folder.path(), study::queueRun(folder, placed)); },
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
                                 d->wantAgain(id);
                         });
}

void StudySession::showRun(const QString& runId) {
    d->shownRun = runId;
    if (d->reader)
        d->reader->setShownRun(runId.toStdString());
}

} // namespace crest::ui
