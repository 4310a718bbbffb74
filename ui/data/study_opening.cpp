// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_opening.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stop_token>

#include <QDir>
#include <QFileInfo>
#include <QSettings>
#include <QThread>

#include "core/series/find_checkpoints.h"
#include "core/series/nanogpt.h"
#include "core/series/tokenizer_check.h"
#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/study_series.h"
#include "core/train/planned_memory.h"
#include "ui/data/format.h"
#include "ui/data/moved_checkpoints.h"
#include "ui/data/path_marks.h"
#include "ui/data/places.h"
#include "ui/data/sample_study.h"
#include "ui/data/study_reader.h"

namespace crest::ui {
namespace {

constexpr int kRecentStudies = 10;

QString recentFile() {
    return stateFolder() + QStringLiteral("/recent.ini");
}

Result<study::StudyFolder> createOrOpen(const QString& place, const std::function<Result<study::Study>()>& make) {
    if (QFileInfo::exists(place + QStringLiteral("/study.json")))
        return study::StudyFolder::open(place.toStdString());
    CREST_TRY(study, make());
    QDir().mkpath(QFileInfo(place).absolutePath());
    return study::StudyFolder::create(place.toStdString(), study);
}

Error noCheckpoint(const QString& folder) {
    return {
        ErrorKind::NotFound,
        "No checkpoint was found below this folder. A checkpoint is a folder with config.json, model.safetensors and "
        "tokenizer.json, nanoGPT's ckpt.pt, or a folder of OLMo's trainer (config.yaml, model.pt).",
        folder.toStdString()};
}

/// Looks no further than the first one.
bool holdsCheckpoint(const std::filesystem::path& folder) {
    std::stop_source enough;
    static_cast<void>(
        series::findSeries(folder, JobContext(enough.get_token()),
                           [&](const std::string&, const series::Checkpoint&) { enough.request_stop(); }));
    return enough.stop_requested();
}

/// What tells `path` from the others of `places`; "" where nothing short does.
std::string markOf(const std::vector<std::filesystem::path>& places, const std::filesystem::path& path) {
    constexpr qsizetype kLongest = 60;
    const std::vector<QString> marks = distinguishingParts(places);
    const auto at = std::find(places.begin(), places.end(), path);
    if (at == places.end())
        return {};
    const QString mark = marks[static_cast<std::size_t>(at - places.begin())];
    return mark.size() <= kLongest ? mark.toStdString() : std::string();
}

/// Of a scan as a study remembers them, each with a name that is new to `study`.
std::vector<study::StudySeries> rememberedSeries(const std::vector<series::Series>& found, const QFileInfo& folder,
                                                 const study::Study& study) {
    std::set<std::string> taken;
    std::map<std::string, std::vector<std::filesystem::path>> places; ///< of series that are called alike
    for (const study::StudySeries& one : study.series) {
        taken.insert(one.name);
        places[one.name].push_back(one.path);
    }
    for (const series::Series& one : found)
        places[one.name].push_back(one.path);
    std::vector<study::StudySeries> all;
    for (const series::Series& one : found) {
        // A series alone is what the user chose the folder for. Of several each has the folder of its own checkpoints.
        const bool alone = found.size() == 1;
        const std::string wanted = alone && one.name.empty() ? folder.fileName().toStdString() : one.name;
        study::StudySeries& added = all.emplace_back();
        added.name = wanted;
        if (const std::string mark = markOf(places[wanted], one.path); taken.contains(wanted) && !mark.empty())
            added.name += " (" + mark + ")"; // the folder says more than a number
        const std::string marked = added.name;
        for (int number = 2; !taken.insert(added.name).second; ++number)
            added.name = marked + " " + std::to_string(number);
        added.path = alone ? folder.absoluteFilePath().toStdString() : one.path.string();
        added.foundAs = added.name == one.name ? "" : one.name;
    }
    return all;
}

} // namespace

namespace {

/// Has what a checkpoint's folder has.
bool looksLikeCheckpoint(const QDir& folder) {
    const QStringList names{QStringLiteral("config.json"), QStringLiteral("crest.json"),
                            QStringLiteral("adapter_config.json"), QStringLiteral("model.safetensors*"),
                            QStringLiteral("pytorch_model.bin*"), QStringLiteral("ckpt*.pt")};
    return !folder.entryList(names, QDir::Files).isEmpty();
}

/// A checkpoint's folder that is one of several says so by its name; in the hub's cache they lie in snapshots.
QString seriesFolderOf(const QDir& checkpoint) {
    QDir above = checkpoint;
    if (!above.cdUp())
        return checkpoint.absolutePath();
    if (QDir repository = above; above.dirName() == QStringLiteral("snapshots") && repository.cdUp())
        return repository.absolutePath();
    const series::ParsedName name = series::parseCheckpointName(checkpoint.dirName().toStdString());
    return name.step || name.tokens ? above.absolutePath() : checkpoint.absolutePath();
}

/// A whole checkpoint in one file: its name says so, or its content. A folder that holds one may hold anything else, so
/// nothing is concluded from that.
bool isTorchCheckpoint(const QFileInfo& file) {
    const std::filesystem::path path = file.absoluteFilePath().toStdString();
    if (!series::mayBeNanoGpt(path))
        return false;
    series::FoundCheckpoint place = series::placeOf(path);
    place.maybe = !series::isNamedCheckpoint(path);
    return !series::readPlace(place).isNone;
}

} // namespace

Result<QString> folderToOpen(const QString& path) {
    const QFileInfo info(QDir::cleanPath(path));
    if (!info.exists())
        return fail(ErrorKind::NotFound, "There is no such file or folder.", path.toStdString());
    if (!info.isFile())
        return path;
    const QDir folder = info.absoluteDir();
    if (folder.exists(QStringLiteral("study.json")))
        return folder.absolutePath();
    const QString series = seriesFolderOf(folder);
    if (isTorchCheckpoint(info)) // alone, unless its folder is named as one of several
        return series == folder.absolutePath() ? info.absoluteFilePath() : series;
    if (looksLikeCheckpoint(folder))
        return series;
    return fail(ErrorKind::Malformed,
                "This file is no part of a checkpoint or study. Open a folder of checkpoints, a study, a file in a "
                "checkpoint's folder (such as model.safetensors or config.json) or nanoGPT's ckpt.pt.",
                path.toStdString());
}

Result<study::StudyFolder> openStudyOrCheckpoints(const QString& folder) {
    const QFileInfo info(QDir::cleanPath(folder)); // without a slash at the end, which would take the name away
    if (!info.exists())
        return fail(ErrorKind::NotFound, "There is no such file or folder.", folder.toStdString());
    if (QFileInfo::exists(folder + QStringLiteral("/study.json")))
        return study::StudyFolder::open(info.absoluteFilePath().toStdString());
    // Looks before a study is made: a folder without checkpoints gets none.
    return createOrOpen(untitledStudyFolder(folder), [&]() -> Result<study::Study> {
        if (!holdsCheckpoint(info.absoluteFilePath().toStdString()))
            return fail(noCheckpoint(folder));
        study::Study study;
        const bool saysNothing = info.isFile() && info.completeBaseName() == QStringLiteral("ckpt");
        study.name = (saysNothing ? info.absoluteDir().dirName() : info.fileName()).toStdString();
        return study;
    });
}

Result<study::StudyFolder> openSampleStudy() {
    const auto shipped = sampleStudy(resourcesFolder());
    CREST_TRY(folder, createOrOpen(sampleStudyFolder(), [&] { return shipped; }));
    if (!shipped || !folder.writable())
        return folder;
    // Another installation may have made it: series and texts are found where they are now.
    study::Study study = folder.study();
    for (const study::StudySeries& now : shipped->series)
        for (study::StudySeries& one : study.series)
            if (one.name == now.name)
                one.path = now.path;
    for (const study::Task& now : shipped->tasks)
        for (study::Task& one : study.tasks)
            if (one.name == now.name)
                one.textsPath = now.textsPath;
    if (study != folder.study())
        CREST_CHECK(folder.save(study));
    return folder;
}

namespace {

/// Paths relative to the study are looked for in its folder; what lies outside becomes absolute, so that it is found
/// after a move.
void keepPaths(study::Study& study, const std::filesystem::path& folder) {
    const auto keep = [&](std::string& path) {
        const std::filesystem::path text(path);
        if (!text.is_absolute() && !text.empty() && *text.lexically_normal().begin() == "..")
            path = (folder / text).lexically_normal().string();
    };
    for (study::StudySeries& one : study.series)
        keep(one.path);
    for (study::Task& one : study.tasks)
        keep(one.textsPath);
}

} // namespace

Result<study::StudyFolder> moveStudy(const std::filesystem::path& from, const QString& target) {
    namespace fs = std::filesystem;
    const fs::path to = target.toStdString();
    std::error_code error;
    if (fs::exists(to, error) && !fs::is_empty(to, error))
        return fail(ErrorKind::Mismatch, "The folder exists and is not empty; choose a new name.", to.string());
    fs::remove(to, error);
    fs::rename(from, to, error);
    if (error == std::errc::cross_device_link) {
        const fs::path partial = to.string() + ".part";
        error.clear();
        fs::copy(from, partial, fs::copy_options::recursive, error);
        if (!error)
            fs::rename(partial, to, error);
        std::error_code ignored;
        if (error)
            fs::remove_all(partial, ignored);
        else
            fs::remove_all(from, ignored);
    }
    if (error)
        return fail(ErrorKind::Io, "The study could not be moved: " + error.message() + ". It is still where it was.",
                    to.string());
    CREST_TRY(opened, study::StudyFolder::open(to));
    study::Study named = opened.study();
    keepPaths(named, from);
    named.name = to.filename().string();
    CREST_CHECK(opened.save(named));
    return opened;
}

Result<std::vector<study::StudySeries>> seriesBelow(const QString& folder, const study::Study& study,
                                                    const JobContext& job) {
    const QFileInfo info(QDir::cleanPath(folder));
    CREST_TRY(scanned, series::findSeries(info.absoluteFilePath().toStdString(), job));
    if (scanned.series.empty())
        return fail(noCheckpoint(folder));
    return rememberedSeries(scanned.series, info, study);
}

Result<StudyScan> listFolder(const QString& folder, const JobContext& job, const FoundInStudy& found) {
    const QFileInfo info(QDir::cleanPath(folder));
    CREST_TRY(scanned, series::findSeries(info.absoluteFilePath().toStdString(), job, found));
    if (scanned.series.empty())
        return fail(noCheckpoint(folder));
    StudyScan out;
    for (const series::ScanIssue& issue : scanned.issues)
        out.issues.push_back({toQString(issue.where), toQString(issue.message)});
    const std::vector<study::StudySeries> remembered = rememberedSeries(scanned.series, info, {});
    for (std::size_t i = 0; i < remembered.size(); ++i)
        out.series.push_back({remembered[i], std::move(scanned.series[i])});
    return out;
}

namespace {

QString locateHint(const study::StudySeries& series) {
    return QStringLiteral(
               "The series \"%1\" is not there any more. Where it was moved or renamed: select it in Series and "
               "choose Locate; its results stay.")
        .arg(toQString(series.name));
}

/// Scans folders, each once: series that share one share what was found there.
class FolderScans {
public:
    FolderScans(const JobContext& job, StudyScan& out)
        : m_job(job)
        , m_out(out) {}

    const Result<series::ScanResult>& at(const std::filesystem::path& folder, const series::FoundCallback& found) {
        const auto known = m_scans.find(folder);
        if (known != m_scans.end())
            return known->second;
        auto scanned = series::findSeries(folder, m_job, found);
        if (scanned)
            addIssues(m_out.issues, scanned->issues);
        return m_scans.emplace(folder, std::move(scanned)).first->second;
    }
    static void addIssues(std::vector<Issue>& out, const std::vector<series::ScanIssue>& issues) {
        for (const series::ScanIssue& issue : issues)
            out.push_back({toQString(issue.where), toQString(issue.message)});
    }

private:
    const JobContext& m_job;
    StudyScan& m_out;
    std::map<std::filesystem::path, Result<series::ScanResult>> m_scans;
};

} // namespace

StudyScan scanStudy(const study::Study& study, const std::filesystem::path& studyFolder, const JobContext& job,
                    const FoundInStudy& found) {
    StudyScan out;
    FolderScans scans(job, out);
    const MovedCheckpoints moved = readMovedCheckpoints(studyFolder);
    for (const study::StudySeries& wanted : study.series) {
        const std::filesystem::path folder = studyFolder / wanted.path;
        const auto sharing = std::count_if(study.series.begin(), study.series.end(),
                                           [&](const study::StudySeries& other) { return other.path == wanted.path; });
        series::FoundCallback tell;
        if (found)
            tell = [&](const std::string& group, const series::Checkpoint& checkpoint) {
                found(sharing == 1 ? wanted.name : group, checkpoint);
            };
        const auto& scanned = scans.at(folder, tell);
        if (!scanned && scanned.error().kind == ErrorKind::Stopped)
            return out;
        if (!scanned)
            out.issues.push_back(
                {toQString(scanned.error().where), toQString(scanned.error().message) + u' ' + locateHint(wanted)});
        const series::Series* one = scanned ? study::findKnown(scanned->series, wanted) : nullptr;
        if (scanned && !one)
            out.issues.push_back({toQString(folder), locateHint(wanted)});
        // Its row stays where it is not there, so that it can be located.
        out.series.push_back({wanted, one ? *one : series::Series{wanted.name, folder, {}}});
        if (const auto away = moved.find(wanted.name); away != moved.end())
            addMovedCheckpoints(out.series.back().found, away->second);
    }
    return out;
}

namespace {

bool samePlace(const study::StudySeries& a, const study::StudySeries& b) {
    return a.name == b.name && a.path == b.path && a.foundAs == b.foundAs;
}

} // namespace

bool isScanOf(const StudyScan& scan, const study::Study& study) {
    return std::ranges::equal(scan.series, study.series, samePlace, &ScannedSeries::known);
}

bool haveSamePlaces(const study::Study& a, const study::Study& b) {
    return std::ranges::equal(a.series, b.series, samePlace);
}

StudiedSeries studiedSeries(const StudyScan& scan, const study::Study& study, const CheckpointFacts& facts) {
    StudiedSeries out;
    out.issues = scan.issues;
    for (std::size_t i = 0; i < scan.series.size() && i < study.series.size(); ++i) {
        series::Series found = scan.series[i].found;
        for (series::Checkpoint& checkpoint : found.checkpoints) {
            const std::string path = checkpoint.path.string();
            if (const auto known = facts.fingerprints.find(path); known != facts.fingerprints.end())
                checkpoint.fingerprint = known->second;
            if (const auto why = facts.unreadable.find(path); why != facts.unreadable.end())
                series::markUnreadable(checkpoint, why->second);
        }
        std::vector<series::ScanIssue> issues;
        series::Series judged = study::asStudied(std::move(found), study.series[i], issues);
        for (series::Checkpoint& checkpoint : judged.checkpoints)
            if (const auto why = facts.suspicions.find(judged.name + "/" + checkpoint.name);
                why != facts.suspicions.end() && checkpoint.state == series::CheckpointState::Ok) {
                checkpoint.state = series::CheckpointState::Suspect;
                checkpoint.reason = why->second;
                issues.push_back({checkpoint.path.string(), checkpoint.reason});
            }
        FolderScans::addIssues(out.issues, issues);
        out.series.push_back(std::move(judged));
    }
    return out;
}

PlanPreview previewPlan(const PlanInput& input, const JobContext& job) {
    PlanPreview preview;
    const auto wanted = std::find_if(input.series.begin(), input.series.end(),
                                     [&](const auto& s) { return s.name == input.probe.series; });
    if (wanted == input.series.end()) {
        preview.problem = input.series.empty() ? QStringLiteral("Open a folder of checkpoints first.")
                                               : QStringLiteral("Choose a series to probe.");
        return preview;
    }
    if (const auto checked = study::checkProbe(input.probe, input.study); !checked) {
        preview.problem = toQString(checked.error().text());
        return preview;
    }
    // With the study as the window has it: its file may still be on its way to the disk.
    const auto folder = study::StudyFolder::draft(input.folder.path(), input.study);
    if (!folder) {
        preview.problem = toQString(folder.error().text());
        return preview;
    }
    auto plan = study::planProbe(
        *folder, input.probe, *wanted, [&](const std::string& key) { return input.stored->has(key); }, job);
    if (!plan) {
        preview.problem = toQString(plan.error().text());
        return preview;
    }
    std::vector<series::DecoderSpec> specs;
    for (const study::PlannedCheckpoint& planned : plan->checkpoints)
        for (const series::Checkpoint& checkpoint : wanted->checkpoints)
            if (checkpoint.path == planned.path && checkpoint.spec)
                specs.push_back(*checkpoint.spec);
    const study::KeptWeights kept(folder->keptFolder());
    preview.cost = study::planCost(*plan, specs, input.tokensPerSecond, QThread::idealThreadCount(),
                                   [&](const std::string& training) { return kept.has(training); },
                                   [&](const series::DecoderSpec& spec, int ofWorker) {
                                       return train::plannedTrainingBytes(*plan, spec, ofWorker);
                                   });
    preview.plan = std::move(*plan);
    return preview;
}

void rememberRecentStudy(const QString& folder, const QString& name) {
    std::vector<RecentStudy> recent = recentStudies();
    std::erase_if(recent, [&](const RecentStudy& one) { return one.folder == folder; });
    recent.insert(recent.begin(), {folder, name});
    QSettings settings(recentFile(), QSettings::IniFormat);
    settings.beginWriteArray(QStringLiteral("studies"));
    for (int i = 0; i < std::min<int>(kRecentStudies, static_cast<int>(recent.size())); ++i) {
        settings.setArrayIndex(i);
        settings.setValue(QStringLiteral("folder"), recent[static_cast<std::size_t>(i)].folder);
        settings.setValue(QStringLiteral("name"), recent[static_cast<std::size_t>(i)].name);
    }
    settings.endArray();
}

std::vector<RecentStudy> recentStudies() {
    std::vector<RecentStudy> recent;
    QSettings settings(recentFile(), QSettings::IniFormat);
    const int count = std::min(settings.beginReadArray(QStringLiteral("studies")), kRecentStudies);
    for (int i = 0; i < count; ++i) {
        settings.setArrayIndex(i);
        const RecentStudy one{settings.value(QStringLiteral("folder")).toString(),
                              settings.value(QStringLiteral("name")).toString()};
        if (QFileInfo::exists(one.folder + QStringLiteral("/study.json")))
            recent.push_back(one);
    }
    settings.endArray();
    return recent;
}

} // namespace crest::ui
