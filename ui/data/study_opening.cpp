// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_opening.h"

#include <filesystem>
#include <functional>
#include <stop_token>

#include <QDir>
#include <QFileInfo>

#include "core/series/find_checkpoints.h"
#include "core/series/nanogpt.h"
#include "ui/data/places.h"
#include "ui/data/sample_study.h"
#include "ui/data/study_scan.h"

namespace crest::ui {
namespace {

Result<study::StudyFolder> createOrOpen(const QString& place, const std::function<Result<study::Study>()>& make) {
    if (QFileInfo::exists(place + QStringLiteral("/study.json")))
        return study::StudyFolder::open(place.toStdString());
    CREST_TRY(study, make());
    QDir().mkpath(QFileInfo(place).absolutePath());
    return study::StudyFolder::create(place.toStdString(), study);
}

/// Looks no further than the first one.
bool holdsCheckpoint(const std::filesystem::path& folder) {
    std::stop_source enough;
    static_cast<void>(
        series::findSeries(folder, JobContext(enough.get_token()),
                           [&](const std::string&, const series::Checkpoint&) { enough.request_stop(); }));
    return enough.stop_requested();
}

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
            return fail(noCheckpointBelow(folder));
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

} // namespace crest::ui
