// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_session_private.h"

#include <QFileInfo>
#include <QSet>

#include <algorithm>

#include "core/analysis/probe_training_runs.h"
#include "ui/data/format.h"
#include "ui/data/places.h"

namespace crest::ui {
namespace {

constexpr int kJudgeMs = 500;

bool bears(const series::Checkpoint& checkpoint, const std::string& name) {
    // Names get longer where replicates come to a series: seed1/step100 was step100.
    return checkpoint.name == name || checkpoint.foundName == name || checkpoint.name.ends_with("/" + name) ||
           std::ranges::find(checkpoint.aliases, name) != checkpoint.aliases.end();
}

Issue missingIssue(const series::Series& one, const std::vector<std::string>& missing) {
    constexpr std::size_t kMostNamed = 5;
    QStringList names;
    for (std::size_t i = 0; i < std::min(kMostNamed, missing.size()); ++i)
        names << toQString(missing[i]);
    QString text = names.join(QStringLiteral(", "));
    if (missing.size() > kMostNamed)
        text += StudySession::tr(" and %1 others").arg(missing.size() - kMostNamed);
    return {toQString(one.path),
            StudySession::tr("Measured, but not there any more: %1. Their results stay; new runs leave them out. Where "
                             "they were moved: select the series, choose Locate and name the folder they are in; they "
                             "are known by their weights.")
                .arg(text)};
}

/// The folders of series lie in each other: what is found in one is found again in the one around it.
std::vector<Issue> toldOnce(std::vector<Issue> issues) {
    QSet<std::pair<QString, QString>> told;
    std::erase_if(issues, [&](const Issue& issue) {
        const std::pair what(issue.where, issue.message);
        const bool again = told.contains(what);
        told.insert(what);
        return again;
    });
    return issues;
}

} // namespace

std::vector<std::string> missingCheckpoints(const series::Series& one,
                                            const std::map<std::string, std::string>& measured) {
    std::vector<std::string> missing;
    for (const auto& [place, weights] : measured)
        if (const std::string prefix = one.name + "/"; place.starts_with(prefix))
            if (std::string name = place.substr(prefix.size()); std::ranges::none_of(
                    one.checkpoints, [&](const series::Checkpoint& checkpoint) { return bears(checkpoint, name); }))
                missing.push_back(std::move(name));
    return missing;
}

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

void StudySession::Private::updateIssues() {
    std::vector<Issue> all = toldOnce(scanIssues);
    all.insert(all.end(), readIssues.begin(), readIssues.end());
    for (const series::Series& one : series)
        if (const auto missing = missingCheckpoints(one, weights); !one.checkpoints.empty() && !missing.empty())
            all.push_back(missingIssue(one, missing));
    for (const study::RunStatus& run : runs)
        if (!run.message.empty())
            all.push_back({QStringLiteral("run ") + toQString(run.id), toQString(run.message)});
    if (all == allIssues)
        return;
    allIssues = std::move(all);
    Q_EMIT q->issuesChanged();
}

StudySession::StudySession(QObject* parent, SaveStudy save)
    : QObject(parent)
    , d(std::make_unique<Private>(this, std::move(save))) {
    connect(&d->writer, &StudyWriter::failed, this, &StudySession::failed);
    qRegisterMetaType<std::shared_ptr<const RunsSnapshot>>();
    qRegisterMetaType<std::shared_ptr<const ProbeView>>();
    qRegisterMetaType<std::shared_ptr<const ItemsView>>();
    qRegisterMetaType<std::shared_ptr<const SamplesView>>();
    d->readingThread.setObjectName(QStringLiteral("study reader"));
    d->judgeSoon.setSingleShot(true);
    d->judgeSoon.setInterval(kJudgeMs);
    connect(&d->judgeSoon, &QTimer::timeout, this, [this] { d->judge(); });
}

StudySession::~StudySession() {
    for (Background* work : {&d->opening, &d->scanning, &d->fingerprinting, &d->planning, &d->adding, &d->locating,
                             &d->importing, &d->queueing, &d->controlling, &d->searching, &d->remembering})
        work->cancelAndWait();
    d->stopReader();
    d->readingThread.quit();
    d->readingThread.wait();
}

bool StudySession::isOpen() const {
    return d->folder.has_value();
}
QString StudySession::readOnlyReason() const {
    return QFileInfo(folder()).isWritable() ? tr("another window has it open.") : tr("its folder cannot be written.");
}

bool StudySession::writable() const {
    return d->folder && d->folder->writable();
}
QString StudySession::folder() const {
    return d->folder ? toQString(d->folder->path()) : QString();
}
std::filesystem::path StudySession::trainingsFolder() const {
    return d->folder ? d->folder->trainingsFolder() : std::filesystem::path();
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
const std::vector<Device>& StudySession::devices() const {
    return d->devices;
}
QString StudySession::device() const {
    return d->device;
}

void StudySession::showMetric(const QString& metric) {
    if (d->reader)
        d->reader->setMetric(metric.toStdString());
}

void StudySession::watchItems(std::optional<analysis::ItemTableOptions> wanted) {
    d->wantedItems = wanted;
    if (d->reader)
        d->reader->setWantedItems(std::move(wanted));
}

void StudySession::watchSamples(std::optional<analysis::ItemTableOptions> wanted) {
    d->wantedSamples = wanted;
    if (d->reader)
        d->reader->setWantedSamples(std::move(wanted));
}

const study::Probe* StudySession::probeOfRun(const std::string& runId) const {
    const auto found = d->probes.find(runId);
    return found == d->probes.end() ? nullptr : &found->second;
}

QString StudySession::trainingWordsOf(const std::string& runId) const {
    const study::Probe* probe = probeOfRun(runId);
    const study::ProbeKind* kind = probe ? study::findProbeKind(probe->kind) : nullptr;
    return kind && kind->trains && probe->settings.is_object() ? toQString(analysis::trainingWords(*probe)) : QString();
}

int StudySession::measuredResults(const QString& checkpoint) const {
    const auto at = d->measured.find(checkpoint);
    return at == d->measured.end() ? 0 : at->second;
}

} // namespace crest::ui
