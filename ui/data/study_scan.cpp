// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_scan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <QDir>
#include <QFileInfo>

#include "core/series/find_checkpoints.h"
#include "core/series/tokenizer_check.h"
#include "core/study/study_series.h"
#include "ui/data/format.h"
#include "ui/data/moved_checkpoints.h"
#include "ui/data/path_marks.h"

namespace crest::ui {
namespace {

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
        if (const std::string mark = markOf(places[wanted], one.path); taken.contains(wanted) && !mark.empty() && mark != wanted)
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

Error noCheckpointBelow(const QString& folder) {
    return {
        ErrorKind::NotFound,
        "No checkpoint was found below this folder. A checkpoint is a folder with config.json, model.safetensors and "
        "tokenizer.json, nanoGPT's ckpt.pt, or a folder of OLMo's trainer (config.yaml, model.pt).",
        folder.toStdString()};
}

Result<std::vector<study::StudySeries>> seriesBelow(const QString& folder, const study::Study& study,
                                                    const JobContext& job) {
    const QFileInfo info(QDir::cleanPath(folder));
    CREST_TRY(scanned, series::findSeries(info.absoluteFilePath().toStdString(), job));
    if (scanned.series.empty())
        return fail(noCheckpointBelow(folder));
    return rememberedSeries(scanned.series, info, study);
}

Result<StudyScan> listFolder(const QString& folder, const JobContext& job, const FoundInStudy& found) {
    const QFileInfo info(QDir::cleanPath(folder));
    CREST_TRY(scanned, series::findSeries(info.absoluteFilePath().toStdString(), job, found));
    if (scanned.series.empty())
        return fail(noCheckpointBelow(folder));
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
            if (const auto known = facts.weights.find(path); known != facts.weights.end())
                series::takeCheck(checkpoint, known->second);
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

} // namespace crest::ui
