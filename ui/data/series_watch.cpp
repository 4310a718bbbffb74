// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/series_watch.h"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/analysis/probe_measures.h"
#include "core/analysis/score_jumps.h"
#include "core/base/units.h"
#include "core/series/check_cache.h"
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

/// A base score at the place where its checkpoint stands now.
struct PlacedScore {
    const study::PlannedCheckpoint* checkpoint = nullptr;
    const study::ResultRow* row = nullptr;
    double place = 0;
};
using ScoreCurve = std::vector<PlacedScore>;

std::string valueAt(const PlacedScore& score) {
    return fmt::format("{} ({})", score.checkpoint->name, formatNumber(score.row->value));
}

std::string hashAt(const PlacedScore& score) {
    return score.row->weights.substr(0, kShownDigits);
}

std::string reasonFor(const ScoreCurve& curve, const analysis::ScoreJump& jump) {
    const PlacedScore& score = curve[jump.index];
    const PlacedScore &before = curve[jump.before], &after = curve[jump.after];
    std::string neighbours = valueAt(before), hashes = hashAt(before);
    if (jump.before != jump.after) {
        neighbours = fmt::format("{} and {}", neighbours, valueAt(after));
        hashes = fmt::format("{} and {}", hashes, hashAt(after));
    }
    std::string same;
    for (const PlacedScore& other : curve)
        if (other.row != score.row && other.row->weights == score.row->weights && !score.row->weights.empty())
            same = fmt::format(", the same as those of {}", other.checkpoint->name);
    return fmt::format(
        "Suspect weights: its base {} on {} is {}, far off its neighbours {}. Fingerprints: {} here{}, {} "
        "there.",
        score.row->metric, score.row->task, formatNumber(score.row->value), neighbours, hashAt(score), same, hashes);
}

/// By task and pretraining seed. A checkpoint without a place among the others has no neighbours.
std::vector<ScoreCurve> baseCurves(const analysis::ProbeResults& results) {
    const study::Plan& plan = results.plan;
    const analysis::ResultIndex index(results);
    const analysis::XQuantity x = analysis::shownX(plan);
    std::map<std::pair<std::size_t, std::int64_t>, ScoreCurve> curves;
    for (const study::Cell& cell : plan.cells) {
        const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)];
        const std::optional<std::int64_t> place = analysis::placeOf(checkpoint, x);
        for (std::size_t task = 0; task < cell.keys.size() && cell.isBase() && place; ++task)
            if (const study::ResultRow* row = index.row(cell, task))
                curves[{task, checkpoint.pretrainSeed.value_or(-1)}].push_back({&checkpoint, row, static_cast<double>(*place)});
    }
    std::vector<ScoreCurve> out;
    for (auto& [key, curve] : curves)
        out.push_back(std::move(curve));
    return out;
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
    series::CheckCache cache(series::userCheckCache());
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

std::map<std::string, std::string> suspectScores(const analysis::ProbeResults& results) {
    std::map<std::string, std::string> out;
    for (const ScoreCurve& curve : baseCurves(results)) {
        std::vector<analysis::ScorePoint> points;
        for (const PlacedScore& score : curve)
            points.push_back({score.place, score.row->value, score.row->stderr_});
        for (const analysis::ScoreJump& jump : analysis::findScoreJumps(points)) {
            const study::PlannedCheckpoint& checkpoint = *curve[jump.index].checkpoint;
            out.emplace(checkpoint.series + "/" + checkpoint.name, reasonFor(curve, jump));
        }
    }
    return out;
}

} // namespace crest::ui
