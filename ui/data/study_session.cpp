// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_session.h"

#include <algorithm>
#include <filesystem>

#include <QDir>
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

struct StudySession::Private {
    explicit Private(StudySession* session) : q(session), opening(session), scanning(session), planning(session) {}

    StudySession* q;
    std::optional<study::StudyFolder> folder;
    study::Study study;
    std::vector<series::Series> series;
    std::vector<Issue> scanIssues, readIssues, actionIssues, allIssues;
    std::vector<study::RunStatus> runs;
    std::map<QString, int> measured;
    double tokensPerSecond = 0;
    QString shownRun;
    ProbeView view;
    QUndoStack undo;
    std::shared_ptr<StoredKeys> stored;
    QThread readingThread;
    StudyReader* reader = nullptr; ///< lives on readingThread
    quint64 planRequest = 0;
    Background opening, scanning, planning;

    void openAt(std::function<Result<study::StudyFolder>()> work);
    void adopt(study::StudyFolder opened);
    void startReader();
    void stopReader();
    void scan();
    void applyStudy(const study::Study& changed);
    void edit(const QString& text, study::Study changed);
    void updateIssues();
    void takeRuns(const RunsSnapshot& snapshot);
    void tellModelFacts();
    void report(const Error& error);
};

void StudySession::Private::report(const Error& error) { Q_EMIT q->failed(toQString(error.text())); }

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
    QObject::connect(reader, &StudyReader::runsRead, q, [this, from = reader](const std::shared_ptr<const RunsSnapshot>& snapshot) {
        if (from == reader)
            takeRuns(*snapshot);
    });
    QObject::connect(reader, &StudyReader::probeRead, q, [this, from = reader](const std::shared_ptr<const ProbeView>& read) {
        if (from != reader)
            return;
        view = *read;
        Q_EMIT q->probeChanged();
    });
    readingThread.start();
    QMetaObject::invokeMethod(reader, &StudyReader::start, Qt::QueuedConnection);
}

void StudySession::Private::stopReader() {
    if (!reader)
        return;
    StudyReader* ending = std::exchange(reader, nullptr);
    ending->disconnect(q);
    ending->deleteLater(); // runs on readingThread before its loop ends
    readingThread.quit();
    readingThread.wait();
}

void StudySession::Private::scan() {
    const study::Study wanted = study;
    scanning.start(
        [wanted, where = folder->path(), session = q](const JobContext& job) {
            int found = 0;
            return scanStudy(wanted, where, job, [&](const series::Checkpoint&) {
                QMetaObject::invokeMethod(session, [session, count = ++found] { Q_EMIT session->scanProgress(count, false); });
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
    undo.push(new EditStudyCommand(text, study, std::move(changed), [this](const study::Study& next) { applyStudy(next); }));
}

StudySession::StudySession(QObject* parent) : QObject(parent), d(std::make_unique<Private>(this)) {
    qRegisterMetaType<std::shared_ptr<const RunsSnapshot>>();
    qRegisterMetaType<std::shared_ptr<const ProbeView>>();
    d->readingThread.setObjectName(QStringLiteral("study reader"));
}

StudySession::~StudySession() {
    d->opening.cancelAndWait();
    d->scanning.cancelAndWait();
    d->planning.cancelAndWait();
    d->stopReader();
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
    d->scanning.cancelAndWait();
    d->planning.cancelAndWait();
    d->stopReader();
    d->folder.reset();
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

bool StudySession::isOpen() const { return d->folder.has_value(); }
bool StudySession::writable() const { return d->folder && d->folder->writable(); }
QString StudySession::folder() const { return d->folder ? toQString(d->folder->path()) : QString(); }
QString StudySession::name() const { return toQString(d->study.name); }
bool StudySession::untitled() const { return d->folder && folder().startsWith(dataFolder() + QStringLiteral("/studies/")); }
const study::Study& StudySession::study() const { return d->study; }
const std::vector<series::Series>& StudySession::series() const { return d->series; }
const std::vector<Issue>& StudySession::issues() const { return d->allIssues; }
const std::vector<study::RunStatus>& StudySession::runs() const { return d->runs; }
QUndoStack* StudySession::undoStack() { return &d->undo; }
QString StudySession::shownRun() const { return d->shownRun; }
const ProbeView& StudySession::probeView() const { return d->view; }
int StudySession::measuredResults(const QString& checkpoint) const {
    const auto at = d->measured.find(checkpoint);
    return at == d->measured.end() ? 0 : at->second;
}

void StudySession::saveAs(const QString& target) {
    if (!d->folder)
        return;
    if (runnerIsAlive(*d->folder))
        return d->report({ErrorKind::Mismatch, "A run is at work in this study. Stop it first, then save the study elsewhere.", ""});
    const std::filesystem::path from = d->folder->path();
    d->opening.cancelAndWait();
    close();
    d->openAt([from, target] { return moveStudy(from, target); });
}

void StudySession::addSeries(const QString& folder) {
    study::Study changed = d->study;
    const std::string path = QFileInfo(folder).absoluteFilePath().toStdString();
    changed.series.push_back({uniqueSeriesName(changed, QFileInfo(folder).fileName().toStdString()), path, {}});
    d->edit(tr("add series"), std::move(changed));
}

void StudySession::rescan() {
    if (d->folder)
        d->scan();
}

void StudySession::setProbe(const study::Probe& probe) {
    study::Study changed = d->study;
    const auto at = std::find_if(changed.probes.begin(), changed.probes.end(), [&](const auto& p) { return p.name == probe.name; });
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
    d->planning.start(
        [input = std::move(input)](const JobContext& job) { return previewPlan(input, job); },
        [this, number](PlanPreview preview) {
            preview.request = number;
            Q_EMIT planReady(preview);
        },
        [this](const Progress& progress) {
            QMetaObject::invokeMethod(this, [this, done = static_cast<int>(progress.done), total = static_cast<int>(progress.total)] {
                Q_EMIT checkProgress(done, total);
            });
        });
    return number;
}

void StudySession::run(const study::Plan& plan) {
    if (!d->folder)
        return;
    const auto id = study::queueRun(*d->folder, plan);
    if (!id)
        return d->report(id.error());
    showRun(toQString(*id));
    if (runnerIsAlive(*d->folder))
        return; // it takes queued runs in turn
    if (const auto started = startRunner(*d->folder, {}); !started)
        d->report(started.error());
}

void StudySession::control(const QString& runId, study::RunCommand command) {
    if (!d->folder)
        return;
    if (const auto sent = study::controlRun(*d->folder, runId.toStdString(), command); !sent)
        d->report(sent.error());
}

void StudySession::resume(const QString& runId) {
    control(runId, study::RunCommand::Run);
    if (!d->folder || runnerIsAlive(*d->folder))
        return;
    if (const auto started = startRunner(*d->folder, {}); !started)
        d->report(started.error());
}

void StudySession::showRun(const QString& runId) {
    d->shownRun = runId;
    if (d->reader)
        d->reader->setShownRun(runId.toStdString());
}

} // namespace crest::ui
