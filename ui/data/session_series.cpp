// SPDX-License-Identifier: GPL-3.0-or-later
// The series of a study: scanning, what is learned of them since, corrections by hand.
#include <utility>

#include "ui/data/format.h"
#include "ui/data/found_batches.h"
#include "ui/data/probe_loading.h"
#include "ui/data/series_watch.h"
#include "ui/data/study_session_private.h"

namespace crest::ui {

void StudySession::Private::scan() {
    const bool first = series.empty();
    const auto tell = [session = q, first, number = ++scanNumber](const FoundBatches::Batch& batch) {
        QMetaObject::invokeMethod(session, [session, first, number, batch] {
            if (session->d->scanNumber != number)
                return;
            for (const auto& [name, checkpoints] : batch.found)
                if (first)
                    Q_EMIT session->checkpointsFound(toQString(name), checkpoints);
            Q_EMIT session->scanProgress(batch.total, false);
        });
    };
    scanning.start(
        [current = study, unlisted = unlisted, where = folder->path(),
         tell](const JobContext& job) -> Result<StudyScan> {
            FoundBatches batches(tell);
            const auto add = [&](const std::string& name, const series::Checkpoint& one) { batches.add(name, one); };
            if (!unlisted.isEmpty() && current.series.empty())
                return listFolder(unlisted, job, add);
            return scanStudy(current, where, job, add);
        },
        [this](Result<StudyScan> found) {
            if (!found)
                return report(found.error());
            takeScan(std::move(*found));
        });
}

void StudySession::Private::takeScan(StudyScan found) {
    scanned = std::move(found);
    facts.weights.clear(); // files may have changed; those that did not are remembered
    if (!std::exchange(unlisted, QString()).isEmpty() && study.series.empty()) {
        // What the study was made for: no edit that could be undone, and none before it would leave it whole.
        undo.clear();
        for (const ScannedSeries& one : scanned.series)
            study.series.push_back(one.known);
        if (folder->writable())
            writer.save(study);
        Q_EMIT q->studyChanged();
    }
    judge();
    int count = 0;
    for (const series::Series& one : series)
        count += static_cast<int>(one.checkpoints.size());
    Q_EMIT q->scanProgress(count, true);
    startFingerprints();
    checkTokenizers();
}

/// What was found by the scan before holds until this is done.
void StudySession::Private::checkTokenizers() {
    std::vector<std::filesystem::path> paths;
    for (const ScannedSeries& one : scanned.series)
        for (const series::Checkpoint& checkpoint : one.found.checkpoints)
            paths.push_back(checkpoint.path);
    checking.start([paths = std::move(paths)](const JobContext& job) { return unreadableTokenizers(paths, job); },
                   [this](std::optional<std::map<std::string, std::string>> found) {
                       if (!found || *found == facts.unreadable)
                           return;
                       facts.unreadable = std::move(*found);
                       judge();
                   });
}

/// Puts together what files, study and results say.
void StudySession::Private::judge() {
    judgeSoon.stop();
    if (!folder || !isScanOf(scanned, study))
        return; // a scan is on its way
    StudiedSeries judged = studiedSeries(scanned, study, facts);
    series = std::move(judged.series);
    scanIssues = std::move(judged.issues);
    tellModelFacts();
    Q_EMIT q->seriesChanged();
    updateIssues();
}

void StudySession::Private::startFingerprints() {
    std::vector<Unprinted> unread = unprinted(series, facts.weights);
    const int total = static_cast<int>(unread.size() + facts.weights.size());
    Q_EMIT q->fingerprintProgress(total - static_cast<int>(unread.size()), total);
    if (unread.empty())
        return fingerprinting.cancel();
    fingerprinting.start(
        [unread = std::move(unread), session = q](const JobContext& job) {
            fingerprintAll(unread, job, [&](const std::string& path, const series::CheckedWeights& checked) {
                QMetaObject::invokeMethod(session, [session, path, checked] { session->d->takeWeights(path, checked); });
            });
            return true;
        },
        [this](bool) {
            if (judgeSoon.isActive())
                judge();
        });
}

void StudySession::Private::takeWeights(const std::string& path, const series::CheckedWeights& checked) {
    if (!folder)
        return;
    facts.weights[path] = checked; // empty: it was tried
    const int left = static_cast<int>(unprinted(series, facts.weights).size());
    Q_EMIT q->fingerprintProgress(static_cast<int>(facts.weights.size()),
                                  static_cast<int>(facts.weights.size()) + left);
    if (!judgeSoon.isActive())
        judgeSoon.start();
}

void StudySession::Private::tellModelFacts() {
    if (reader)
        reader->setSeriesFacts(seriesFacts(series));
}

/// Base scores that jump make weights suspect.
void StudySession::Private::takeScores() {
    if (view.suspects == facts.suspicions)
        return;
    facts.suspicions = view.suspects;
    judge();
}

void StudySession::rescan() {
    if (d->folder)
        d->scan();
}

void StudySession::Private::editSeries(const QString& text, const QString& name,
                                       const std::function<void(study::StudySeries&)>& change) {
    study::Study changed = study;
    for (study::StudySeries& one : changed.series)
        if (toQString(one.name) == name)
            change(one);
    edit(text, std::move(changed));
}

void StudySession::setExcluded(const QString& seriesName, const QString& checkpoint, bool excluded) {
    const std::string name = checkpoint.toStdString();
    d->editSeries(excluded ? tr("exclude checkpoint") : tr("include checkpoint"), seriesName,
                  [&](study::StudySeries& one) {
                      std::vector<std::string>& included = one.corrections.included;
                      // One that the user had not excluded is off by default: then it must be included by name.
                      const bool wasExcluded = std::erase(one.excluded, name) > 0;
                      std::erase(included, name);
                      if (excluded)
                          one.excluded.push_back(name);
                      else if (!wasExcluded)
                          included.push_back(name);
                  });
}

series::CheckpointCorrection StudySession::correction(const QString& seriesName, const QString& checkpoint) const {
    for (const study::StudySeries& one : d->study.series)
        if (toQString(one.name) == seriesName)
            if (const auto at = one.corrections.checkpoints.find(checkpoint.toStdString());
                at != one.corrections.checkpoints.end())
                return at->second;
    return {};
}

void StudySession::correct(const QString& seriesName, const QString& checkpoint,
                           const series::CheckpointCorrection& correction) {
    d->editSeries(tr("correct checkpoint"), seriesName, [&](study::StudySeries& one) {
        if (correction.isEmpty())
            one.corrections.checkpoints.erase(checkpoint.toStdString());
        else
            one.corrections.checkpoints[checkpoint.toStdString()] = correction;
    });
}

void StudySession::setTokensPerStep(const QString& seriesName, std::optional<std::int64_t> tokens) {
    d->editSeries(tr("set tokens per step"), seriesName,
                  [&](study::StudySeries& one) { one.corrections.tokensPerStep = tokens; });
}

} // namespace crest::ui
