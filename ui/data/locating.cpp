// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/locating.h"

#include <algorithm>

#include <QDir>
#include <QFileInfo>

#include "core/series/check_cache.h"
#include "core/series/series.h"
#include "core/series/weight_check.h"
#include "core/study/study_series.h"
#include "ui/data/moved_checkpoints.h"

namespace crest::ui {
namespace {

using series::Checkpoint;
using series::CheckpointState;

const Checkpoint* named(const series::Series& one, const std::string& name) {
    const auto at = std::find_if(one.checkpoints.begin(), one.checkpoints.end(), [&](const Checkpoint& checkpoint) {
        return checkpoint.name == name || std::ranges::find(checkpoint.aliases, name) != checkpoint.aliases.end();
    });
    return at == one.checkpoints.end() ? nullptr : &*at;
}

/// The series that holds most of the checkpoints that were measured; of equals the one with the old name.
const series::Series* likeliest(const std::vector<series::Series>& all, const LocateInput& input) {
    const series::Series* best = nullptr;
    std::ptrdiff_t most = -1;
    for (const series::Series& one : all) {
        const auto count = 2 * std::count_if(input.measured.begin(), input.measured.end(),
                                             [&](const auto& known) { return named(one, known.first) != nullptr; }) +
                           (one.name == input.series.name);
        if (count > most) {
            most = count;
            best = &one;
        }
    }
    return best;
}

Result<void> verify(const Checkpoint& checkpoint, const std::string& measured, series::CheckCache& cache,
                    const JobContext& job) {
    if (!checkpoint.spec || checkpoint.state == CheckpointState::Broken)
        return fail(ErrorKind::Mismatch,
                    "This checkpoint was measured, but it cannot be read here: " + checkpoint.reason,
                    checkpoint.path.string());
    CREST_TRY(fingerprint, series::fingerprintCheckpoint(checkpoint.path, *checkpoint.spec, cache, job));
    if (fingerprint != measured)
        return fail(
            ErrorKind::Mismatch,
            "This checkpoint has other weights than the one that was measured under its name. Choose the folder "
            "the series was moved to, or open this one as a series of its own.",
            checkpoint.path.string());
    return {};
}

} // namespace

Result<Located> locateSeries(const LocateInput& input, const JobContext& job) {
    const QString clean = QFileInfo(QDir::cleanPath(input.folder)).absoluteFilePath();
    series::CheckCache cache(series::userCheckCache());
    if (!input.missing.empty()) {
        CREST_TRY(moved, findMovedCheckpoints(clean.toStdString(), input.missing, cache, job));
        if (!moved.empty()) {
            const auto count = static_cast<int>(moved.size()), all = static_cast<int>(input.missing.size());
            return Located{input.series, count, all - count, std::move(moved)};
        }
    }
    CREST_TRY(scanned, series::findSeries(clean.toStdString(), job));
    // Measured names are the study's: corrected ones, too.
    for (series::Series& one : scanned.series) {
        std::vector<series::ScanIssue> ignored;
        const std::string name = one.name;
        one = study::asStudied(std::move(one), input.series, ignored);
        one.name = name;
    }
    const series::Series* found = likeliest(scanned.series, input);
    if (!found)
        return fail(ErrorKind::NotFound, "No checkpoint was found below this folder.", clean.toStdString());
    Located located{input.series, 0, 0, {}};
    for (const auto& [name, fingerprint] : input.measured) {
        const Checkpoint* checkpoint = named(*found, name);
        if (!checkpoint) {
            ++located.missing;
            continue;
        }
        CREST_CHECK(verify(*checkpoint, fingerprint, cache, job));
        ++located.verified;
        job.report(located.verified, static_cast<std::int64_t>(input.measured.size()), "checkpoints");
    }
    if (located.verified == 0 && !input.measured.empty())
        return fail(ErrorKind::NotFound,
                    "None of the checkpoints that were measured is below this folder. Choose the folder the series was "
                    "moved to.",
                    clean.toStdString());
    // Of several series in a folder the name tells which is meant, so another name needs the series' own folder.
    const bool byFolder = scanned.series.size() == 1 || found->name == input.series.name;
    located.series.foundAs = found->name == input.series.name ? "" : found->name;
    located.series.path = byFolder ? clean.toStdString() : found->path.string();
    return located;
}

} // namespace crest::ui
