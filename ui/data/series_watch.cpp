// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/series_watch.h"

#include <tuple>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/analysis/score_jumps.h"
#include "core/base/units.h"
#include "core/series/tokenizer_check.h"
#include "core/series/weight_check.h"

namespace crest::ui {
namespace {

constexpr int kLowestPriority = 19;
constexpr int kIdleDisk = 3 << 13; ///< IOPRIO_CLASS_IDLE
constexpr int kThisThread = 1;     ///< IOPRIO_WHO_PROCESS
constexpr std::size_t kShownDigits = 8;

/// Of this thread only. Best effort.
void yieldToOthers() {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLowestPriority);
    ::syscall(SYS_ioprio_set, kThisThread, 0, kIdleDisk);
}

/// What must agree for base results to be one curve.
using CurveKey = std::tuple<std::string, std::string, std::string, std::string, std::int64_t>;

CurveKey curveOf(const study::ResultRow& row) {
    return {row.series, row.task, row.taskHash, row.compute, row.pretrainSeed.value_or(-1)};
}

std::string valueAt(const study::ResultRow& row) {
    return fmt::format("{} ({})", row.checkpoint, formatNumber(row.value));
}

std::string hashAt(const study::ResultRow& row) {
    return row.weights.substr(0, kShownDigits);
}

std::string reasonFor(const std::vector<const study::ResultRow*>& curve, const analysis::ScoreJump& jump) {
    const study::ResultRow& row = *curve[jump.index];
    const study::ResultRow &before = *curve[jump.before], &after = *curve[jump.after];
    std::string neighbours = valueAt(before), hashes = hashAt(before);
    if (jump.before != jump.after) {
        neighbours = fmt::format("{} and {}", neighbours, valueAt(after));
        hashes = fmt::format("{} and {}", hashes, hashAt(after));
    }
    std::string same;
    for (const study::ResultRow* other : curve)
        if (other != &row && other->weights == row.weights && !row.weights.empty())
            same = fmt::format(", the same as those of {}", other->checkpoint);
    return fmt::format(
        "Suspect weights: its base {} on {} is {}, far off its neighbours {}. Fingerprints: {} here{}, {} "
        "there.",
        row.metric, row.task, formatNumber(row.value), neighbours, hashAt(row), same, hashes);
}

} // namespace

std::vector<Unprinted> unprinted(const std::vector<series::Series>& series,
                                 const std::map<std::string, series::CheckedWeights>& known) {
    std::vector<Unprinted> wanted;
    for (const series::Series& one : series)
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (series::canBeChecked(checkpoint) && !known.contains(checkpoint.path.string()))
                wanted.push_back({checkpoint.path, *checkpoint.spec});
    return wanted;
}

void fingerprintAll(const std::vector<Unprinted>& wanted, const JobContext& job,
                    const std::function<void(const std::string&, const series::CheckedWeights&)>& done) {
    yieldToOthers();
    const std::filesystem::path cache = series::userCheckCache();
    for (const Unprinted& one : wanted) {
        if (job.stopRequested())
            return;
        const auto weights = series::checkCheckpoint(one.path, one.spec, cache, JobContext(job.token()));
        if (!weights && weights.error().kind == ErrorKind::Stopped)
            return;
        done(one.path.string(), weights ? *weights : series::CheckedWeights());
    }
}

std::optional<std::map<std::string, std::string>> unreadableTokenizers(const std::vector<std::filesystem::path>& paths,
                                                                       const JobContext& job) {
    yieldToOthers();
    series::TokenizerChecks checks;
    std::map<std::string, std::string> out;
    for (const std::filesystem::path& path : paths) {
        if (job.stopRequested())
            return std::nullopt;
        if (std::string problem = checks.problemOf(path); !problem.empty())
            out.emplace(path.string(), std::move(problem));
    }
    return out;
}

std::map<std::string, std::string> suspectScores(const std::vector<study::ResultRow>& rows) {
    std::map<CurveKey, std::vector<const study::ResultRow*>> curves;
    for (const study::ResultRow& row : rows)
        if (row.strength == 0 && row.tokens)
            curves[curveOf(row)].push_back(&row);
    std::map<std::string, std::string> out;
    for (const auto& [key, curve] : curves) {
        std::vector<analysis::ScorePoint> points;
        for (const study::ResultRow* row : curve)
            points.push_back({static_cast<double>(*row->tokens), row->value, row->stderr_});
        for (const analysis::ScoreJump& jump : analysis::findScoreJumps(points))
            out.emplace(curve[jump.index]->series + "/" + curve[jump.index]->checkpoint, reasonFor(curve, jump));
    }
    return out;
}

} // namespace crest::ui
