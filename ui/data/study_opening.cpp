// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_opening.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <QDir>
#include <QFileInfo>
#include <QSettings>
#include <QThread>

#include "core/study/planner.h"
#include "ui/data/format.h"
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

} // namespace

Result<study::StudyFolder> openStudyOrCheckpoints(const QString& folder) {
    const QFileInfo info(QDir::cleanPath(folder)); // without a slash at the end, which would take the name away
    if (!info.isDir())
        return fail(ErrorKind::NotFound, "There is no such folder.", folder.toStdString());
    if (QFileInfo::exists(folder + QStringLiteral("/study.json")))
        return study::StudyFolder::open(info.absoluteFilePath().toStdString());
    // Looks before a study is made: a folder without checkpoints gets none.
    return createOrOpen(untitledStudyFolder(folder), [&]() -> Result<study::Study> {
        study::Study study;
        study.name = info.fileName().toStdString();
        CREST_TRY(series, seriesBelow(folder, study, {}));
        study.series = std::move(series);
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
    CREST_TRY(scanned, series::scanFolder(info.absoluteFilePath().toStdString(), job));
    if (scanned.series.empty())
        return fail(ErrorKind::NotFound,
                    "No checkpoint was found below this folder. A checkpoint is a folder with config.json, "
                    "model.safetensors and tokenizer.json.",
                    folder.toStdString());
    std::set<std::string> taken;
    for (const study::StudySeries& one : study.series)
        taken.insert(one.name);
    std::vector<study::StudySeries> below;
    for (const series::Series& one : scanned.series) {
        // A series alone is what the user chose the folder for. Of several each has the folder of its own checkpoints
        // where it has one to itself.
        const bool alone = scanned.series.size() == 1;
        const auto sharing = std::count_if(scanned.series.begin(), scanned.series.end(),
                                           [&](const auto& other) { return other.path == one.path; });
        const std::string wanted = alone && one.name.empty() ? info.fileName().toStdString() : one.name;
        std::string name = wanted;
        for (int number = 2; sharing == 1 && !taken.insert(name).second; ++number)
            name = wanted + " " + std::to_string(number);
        below.push_back({name, alone ? info.absoluteFilePath().toStdString() : one.path.string(), {}});
    }
    return below;
}

namespace {

QString locateHint(const study::StudySeries& series) {
    return QStringLiteral(
               "The series \"%1\" is not there any more. Where it was moved or renamed: select it in Series and "
               "choose Locate; its results stay.")
        .arg(toQString(series.name));
}

} // namespace

StudyScan scanStudy(const study::Study& study, const std::filesystem::path& studyFolder, const JobContext& job,
                    const std::function<void(const series::Checkpoint&)>& found) {
    StudyScan out;
    std::set<std::filesystem::path> listed; // series that share a folder share its issues
    for (const study::StudySeries& wanted : study.series) {
        const std::filesystem::path folder = studyFolder / wanted.path;
        auto scanned = series::scanFolder(folder, job, found);
        if (!scanned) {
            out.issues.push_back(
                {toQString(scanned.error().where), toQString(scanned.error().message) + u' ' + locateHint(wanted)});
            out.series.push_back({wanted.name, folder, {}});
            continue;
        }
        if (listed.insert(folder).second)
            for (const series::ScanIssue& issue : scanned->issues)
                out.issues.push_back({toQString(issue.where), toQString(issue.message)});
        // A folder may hold several series: then the name tells which is meant.
        if (scanned->series.size() > 1)
            std::erase_if(scanned->series, [&](const series::Series& one) { return one.name != wanted.name; });
        if (scanned->series.empty()) {
            out.issues.push_back({toQString(folder), locateHint(wanted)});
            out.series.push_back({wanted.name, folder, {}}); // its row stays, so that it can be located
        }
        for (series::Series& one : scanned->series) {
            one.name = wanted.name;
            for (series::Checkpoint& checkpoint : one.checkpoints) {
                if (std::find(wanted.excluded.begin(), wanted.excluded.end(), checkpoint.name) != wanted.excluded.end())
                    checkpoint.state = series::CheckpointState::Excluded;
            }
            out.series.push_back(std::move(one));
        }
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
    preview.cost = study::planCost(*plan, specs, input.tokensPerSecond, QThread::idealThreadCount());
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
