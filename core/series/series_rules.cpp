// SPDX-License-Identifier: Apache-2.0
#include "core/series/series_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/series/checkpoint_records.h"
#include "core/series/duplicates.h"
#include "core/series/gaps.h"
#include "core/series/known_series.h"
#include "core/series/names.h"
#include "core/series/token_order.h"

namespace crest::series {
namespace {

constexpr auto kUnknownLast = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> wholeTokens(double tokens) {
    if (!(tokens >= 0) || !(tokens < 4e18))
        return std::nullopt;
    return static_cast<std::int64_t>(std::llround(tokens));
}

bool before(const Checkpoint& a, const Checkpoint& b) {
    const auto keys = [](const Checkpoint& c) {
        return std::make_tuple(c.tokens.value_or(kUnknownLast), c.step.value_or(kUnknownLast));
    };
    if (keys(a) != keys(b))
        return keys(a) < keys(b);
    if (a.name != b.name)
        return naturalLess(a.name, b.name) || (!naturalLess(b.name, a.name) && a.name < b.name);
    return std::make_tuple(a.pretrainSeed.value_or(-1), a.path.string()) <
           std::make_tuple(b.pretrainSeed.value_or(-1), b.path.string());
}

/// Said among the issues and on the row after it, in the same words.
void markGaps(Series& series, std::vector<ScanIssue>& issues) {
    for (const SeriesGap& gap : findGaps(series)) {
        const Checkpoint& before = series.checkpoints[gap.before];
        Checkpoint& after = series.checkpoints[gap.after];
        const std::string what =
            fmt::format("gap before it, no checkpoint between step {} and step {} (usually {}).", *before.step, *after.step, gap.usual);
        issues.push_back({after.path.string(), what});
        if (after.state == CheckpointState::Ok)
            after.reason = what;
    }
}

/// A final that is averaged or annealed in a way of its own is no later point of the same run.
void sayWhatStandsApart(Series& series) {
    for (Checkpoint& checkpoint : series.checkpoints)
        if (const char* what = standsApart(series, checkpoint); what && checkpoint.state == CheckpointState::Ok && checkpoint.reason.empty())
            checkpoint.reason = fmt::format("no later point of this run but {}: curves show it apart.", what);
}

/// Another data mix and schedule: its checkpoints stand apart from those of the first stage.
void switchLaterStagesOff(Series& series) {
    const auto isFirst = [](const Checkpoint& c) { return c.stage.value_or(1) <= 1 && (c.step || c.tokens); };
    if (std::none_of(series.checkpoints.begin(), series.checkpoints.end(), isFirst))
        return;
    for (Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.stage.value_or(1) > 1 && !checkpoint.includedByHand && isUsable(checkpoint)) {
            checkpoint.state = CheckpointState::Excluded;
            checkpoint.offByDefault = true;
            checkpoint.reason = fmt::format(
                "stage {} has another data mix and schedule than stage 1, so it is off until it is included.",
                *checkpoint.stage);
        }
}

void markUnnamedRevisions(Series& series) {
    for (Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.unnamedRevision && !checkpoint.tokens && !checkpoint.step)
            mark(
                checkpoint, CheckpointState::Suspect,
                "Its step is unknown: it was downloaded by its commit, so no revision names it. Give its tokens or its "
                "name, or download it again by the revision's name.");
}

} // namespace

void applyTokenRules(Checkpoint& checkpoint, std::vector<ScanIssue>& issues) {
    if (checkpoint.tokens)
        return;
    const ParsedName name = parseCheckpointName(checkpoint.name);
    const KnownSeries* known = recognise(checkpoint).known;
    const auto ruled = known ? tokensByRule(*known, name) : std::nullopt;
    if (ruled && labelAgrees(*known, name)) {
        checkpoint.tokens = wholeTokens(*ruled);
        checkpoint.tokensSource = TokensSource::FamilyRule;
        return;
    }
    if (ruled)
        issues.push_back({checkpoint.path.string(),
                          fmt::format("The name says {} tokens, the rule of {} gives {}; the name is used.", formatTokens(*name.tokens),
                                      known->name, formatTokens(*ruled - (name.stage.value_or(1) > 1 ? known->stageOneTokens : 0)))});
    if (name.tokens) {
        checkpoint.tokens = wholeTokens(*name.tokens);
        checkpoint.tokensSource = TokensSource::Label;
    } else if (checkpoint.step && checkpoint.tokensPerStep) {
        checkpoint.tokens = wholeTokens(static_cast<double>(*checkpoint.step) * *checkpoint.tokensPerStep);
        checkpoint.tokensSource = TokensSource::Config;
    }
}

bool isUsable(const Checkpoint& checkpoint) {
    return checkpoint.state == CheckpointState::Ok || checkpoint.state == CheckpointState::Suspect;
}

SeriesLine lineOf(const Checkpoint& checkpoint) {
    return {checkpoint.pretrainSeed.value_or(-1), checkpoint.stage.value_or(1), checkpoint.branch.value_or(0)};
}

void judgeSeries(Series& series, std::vector<ScanIssue>& issues) {
    mergeSameContent(series);
    settleContradictingTokens(series, issues);
    std::sort(series.checkpoints.begin(), series.checkpoints.end(), before);
    switchLaterStagesOff(series);
    markUnnamedRevisions(series);
    markConflicts(series);
    markIdenticalWeights(series);
    markGaps(series, issues);
    sayWhatStandsApart(series);
    for (const Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.state == CheckpointState::Suspect || checkpoint.state == CheckpointState::Broken)
            issues.push_back({checkpoint.path.string(), checkpoint.reason});
}

} // namespace crest::series
