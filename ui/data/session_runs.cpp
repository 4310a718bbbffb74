// SPDX-License-Identifier: GPL-3.0-or-later
// Plans, devices and runs: what is queued, who works on it, and starting a runner where nobody does.
#include <algorithm>
#include <filesystem>
#include <tuple>

#include <QSettings>

#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/queueing.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/data/plan_preview.h"
#include "ui/data/runner_supervisor.h"
#include "ui/data/study_session_private.h"

namespace crest::ui {
namespace {

constexpr int kStartAttempts = 3;

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

/// Whether a living runner will take the run up in its turn: on the CPU's runs any works, a GPU's wait for their own.
bool isServed(const WantedRun& wanted, const std::vector<QString>& devicesAtWork) {
    return std::any_of(devicesAtWork.begin(), devicesAtWork.end(), [&](const QString& device) {
        return device.isEmpty() || wanted.device == kCpu || device == wanted.device;
    });
}

QString deviceFile() {
    return stateFolder() + QStringLiteral("/device.ini");
}

} // namespace

void StudySession::Private::takeRuns(const RunsSnapshot& snapshot) {
    runs = snapshot.runs;
    probes = snapshot.probes;
    runsKnown = true;
    readIssues = snapshot.issues;
    measured = snapshot.measured;
    weights = snapshot.weights;
    isAnyAtWork = !snapshot.devicesAtWork.empty();
    Q_EMIT q->runsChanged();
    updateIssues();
    if (shownRun.isEmpty() && !runs.empty())
        q->showRun(toQString(runs.back().id));
    startWanted(snapshot.devicesAtWork);
}

void StudySession::Private::want(const std::string& runId, bool named) {
    if (const auto lives = study::anyRunnerLives(*folder); !lives)
        return report(lives.error()); // it stays queued
    WantedRun run;
    run.writersBefore = statusOf(runs, runId).writers.size();
    run.named = named;
    run.device = device;
    wanted[runId] = run;
    startWanted(devicesAtWork(*folder));
}

/// A paused run has its runner. Failed cells, and a run that asked for another device, are taken up only by a runner
/// that is told so.
void StudySession::Private::wantAgain(const std::string& runId) {
    const study::RunStatus run = statusOf(runs, runId);
    if (run.state == study::RunState::Paused && study::anyRunnerLives(*folder).value_or(false))
        return;
    want(runId, run.state == study::RunState::Failed || (!run.device.empty() && toQString(run.device) != device));
}

/// What was just queued, or the run that the plan has already; `before`: the runs as they were when that was asked, so
/// that a stop that came since counts.
void StudySession::Private::startQueued(const std::string& runId, const std::vector<study::RunStatus>& before) {
    const study::RunStatus run = statusOf(before, runId);
    if (run.id.empty() || run.state == study::RunState::Queued)
        want(runId, false);
    else if (run.state != study::RunState::Running)
        q->resume(toQString(runId));
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

quint64 StudySession::requestPlan(const study::Probe& probe) {
    if (!d->folder)
        return 0;
    const quint64 number = ++d->planRequest;
    const auto device = std::find_if(d->devices.begin(), d->devices.end(), [this](const Device& one) { return one.name == d->device; });
    PlanInput input{*d->folder, probe, d->study, d->series, d->stored, device == d->devices.end() ? Device{d->device, {}, {}} : *device};
    d->planning.start([input = std::move(input)](const JobContext& job) { return previewPlan(input, job); },
                      [this, number](PlanPreview preview) {
                          preview.request = number;
                          Q_EMIT planReady(preview);
                      },
                      d->checkSink());
    return number;
}

void StudySession::findFinerRates(const study::Plan& plan, int between,
                                  std::function<void(const Result<analysis::Refinement>&)> done) {
    if (!d->reader)
        return;
    // The reading thread ends before this does.
    QMetaObject::invokeMethod(
        d->reader,
        [this, reader = d->reader, plan, between, done = std::move(done)] {
            auto found = std::make_shared<Result<analysis::Refinement>>(reader->finerRates(plan, between));
            QMetaObject::invokeMethod(this, [done, found] { done(*found); }, Qt::QueuedConnection);
        },
        Qt::QueuedConnection);
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
    d->queueing.start(
        [folder = *d->folder, placed, stored = d->stored](const JobContext&) {
            std::int64_t gone = 0;
            // A plan that has a run already goes on there: a second click makes no second run.
            auto id = study::withRoom(
                study::KeptWeights(folder.keptFolder()),
                [&] { return study::queueOnce(folder, placed, [&](const std::string& key) { return stored->has(key); }); },
                [&](std::int64_t bytes) { gone += bytes; });
            return std::tuple(folder.path(), std::move(id), gone);
        },
        [this, before = d->runs](std::tuple<std::filesystem::path, Result<std::string>, std::int64_t> queued) {
            const auto& [path, id, gone] = queued;
            if (!d->folder || d->folder->path() != path)
                return;
            if (gone > 0)
                d->report({ErrorKind::NoSpace, study::goneWeights(gone), path.string()});
            if (!id)
                return d->report(id.error());
            showRun(toQString(*id));
            d->startQueued(*id, before);
        });
}

void StudySession::control(const QString& runId, study::RunCommand command) {
    if (!d->folder)
        return;
    if (command != study::RunCommand::Run)
        d->wanted.erase(runId.toStdString()); // nothing is started for it any more
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
    d->resuming = runId.toStdString();
    d->controlling.start([folder = *d->folder, id = runId.toStdString()](const JobContext&) -> Result<void> {
                             CREST_TRY(plan, study::readPlan(folder, id));
                             CREST_CHECK(study::checkPresentKeys(plan, folder.path())); // a runner would refuse it, too
                             return study::controlRun(folder, id, study::RunCommand::Run);
                         },
                         [this, id = runId.toStdString(), path = d->folder->path()](const Result<void>& sent) {
                             d->resuming.clear();
                             if (!sent)
                                 return d->report(sent.error());
                             if (d->folder && d->folder->path() == path)
                                 d->wantAgain(id);
                         });
}

bool StudySession::isUnattended(const study::RunStatus& run) const {
    if (run.id == d->resuming || d->wanted.contains(run.id))
        return false;
    return run.state == study::RunState::Interrupted || (run.state == study::RunState::Queued && !d->isAnyAtWork);
}

void StudySession::showRun(const QString& runId) {
    d->shownRun = runId;
    if (d->reader)
        d->reader->setShownRun(runId.toStdString());
}

} // namespace crest::ui
