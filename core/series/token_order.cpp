// SPDX-License-Identifier: Apache-2.0
#include "core/series/token_order.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/series/checkpoint_records.h"
#include "core/series/known_series.h"
#include "core/series/series_rules.h"

namespace crest::series {
namespace {

using Steps = std::vector<Checkpoint*>; ///< of one line, with steps and tokens, ordered by them

bool isTyped(const Checkpoint* checkpoint) {
    return checkpoint->tokensSource == TokensSource::User;
}

/// What has no part in the series (broken, excluded) contradicts nothing.
std::vector<Steps> countedLines(Series& series) {
    std::map<SeriesLine, Steps> lines;
    for (Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.tokens && checkpoint.step && isUsable(checkpoint))
            lines[lineOf(checkpoint)].push_back(&checkpoint);
    std::vector<Steps> out;
    for (auto& [key, line] : lines) {
        std::ranges::sort(line, {}, [](const Checkpoint* c) { return std::make_tuple(*c->step, *c->tokens); });
        out.push_back(std::move(line));
    }
    return out;
}

/// Of two in order of steps. Two names of one step are not told apart here, and rounded labels may be equal.
bool mayFollow(const Checkpoint* earlier, const Checkpoint* later) {
    const bool rounded = earlier->tokensSource == TokensSource::Label && later->tokensSource == TokensSource::Label;
    return *later->tokens > *earlier->tokens ||
           (*later->tokens == *earlier->tokens && (rounded || *later->step == *earlier->step));
}

/// The longest part of a line in which more steps mean more tokens; of two as long the one with fewer typed counts.
Steps longestOrdered(const Steps& line) {
    const auto aRow = static_cast<std::int64_t>(line.size()) + 1;
    std::vector<std::int64_t> best(line.size());
    std::vector<std::size_t> previous(line.size());
    std::size_t last = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const std::int64_t own = aRow + (isTyped(line[i]) ? 0 : 1);
        best[i] = own;
        previous[i] = i;
        for (std::size_t j = 0; j < i; ++j)
            if (mayFollow(line[j], line[i]) && best[j] + own > best[i]) {
                best[i] = best[j] + own;
                previous[i] = j;
            }
        if (best[i] > best[last])
            last = i;
    }
    Steps chain;
    if (line.empty())
        return chain;
    for (std::size_t at = last;; at = previous[at]) {
        chain.push_back(line[at]);
        if (previous[at] == at)
            break;
    }
    std::ranges::reverse(chain);
    return chain;
}

struct Outlier {
    Checkpoint* checkpoint = nullptr;
    const Checkpoint* against = nullptr; ///< of the ordered ones, the first that it contradicts
};

std::vector<Outlier> outliersOf(const Steps& line) {
    const Steps chain = longestOrdered(line);
    const std::set<const Checkpoint*> ordered(chain.begin(), chain.end());
    std::vector<Outlier> out;
    for (Checkpoint* one : line) {
        if (ordered.contains(one))
            continue;
        const auto contradicts = [&](const Checkpoint* other) {
            return *other->step <= *one->step ? !mayFollow(other, one) : !mayFollow(one, other);
        };
        const auto against = std::ranges::find_if(chain, contradicts);
        out.push_back({one, against == chain.end() ? chain.front() : *against});
    }
    return out;
}

/// Without what the user typed.
bool filesContradict(Steps line) {
    std::erase_if(line, isTyped);
    std::set<TokensSource> sources;
    for (const Checkpoint* one : line)
        sources.insert(one->tokensSource);
    return sources.size() > 1 && longestOrdered(line).size() < line.size();
}

/// What the name alone says. A label of a later stage counts that stage only, so the tokens before it must be known.
std::optional<std::int64_t> labelledTokens(const Checkpoint& checkpoint) {
    const ParsedName name = parseCheckpointName(checkpoint.name);
    double before = 0;
    if (checkpoint.stage.value_or(1) > 1) {
        const KnownSeries* known = recognise(checkpoint).known;
        if (!known)
            return std::nullopt;
        before = known->stageOneTokens;
    }
    if (!name.tokens || !(*name.tokens + before < 4e18))
        return std::nullopt;
    return static_cast<std::int64_t>(std::llround(*name.tokens + before));
}

/// To labels where all counts that files gave can be replaced (true), else to nothing.
bool fallBack(Series& series) {
    std::map<Checkpoint*, std::int64_t> labels;
    bool all = true;
    for (Checkpoint& checkpoint : series.checkpoints) {
        if (!checkpoint.tokens || isTyped(&checkpoint) || !isUsable(checkpoint))
            continue;
        const auto label = labelledTokens(checkpoint);
        all = all && label;
        if (label)
            labels[&checkpoint] = *label;
    }
    for (Checkpoint& checkpoint : series.checkpoints)
        if (!all) {
            checkpoint.tokens.reset();
            checkpoint.tokensSource = TokensSource::Unknown;
        } else if (const auto label = labels.find(&checkpoint); label != labels.end()) {
            checkpoint.tokens = label->second;
            checkpoint.tokensSource = TokensSource::Label;
        }
    return all;
}

std::string reasonOf(const Outlier& outlier) {
    const auto tokens = [](const Checkpoint& c) { return formatTokens(static_cast<double>(*c.tokens)); };
    const Checkpoint& one = *outlier.checkpoint;
    return fmt::format("Its tokens contradict its step: {} at step {} ({}), but {} has {} at step {}; correct its tokens, or "
                       "exclude it.",
                       tokens(one), *one.step, isTyped(&one) ? "typed" : tokensSourceName(one.tokensSource),
                       outlier.against->name, tokens(*outlier.against), *outlier.against->step);
}

using Suspects = std::vector<std::pair<Checkpoint*, std::string>>;

Suspects suspectsOf(const std::vector<Steps>& lines) {
    Suspects suspects;
    for (const Steps& line : lines)
        for (const Outlier& outlier : outliersOf(line))
            suspects.emplace_back(outlier.checkpoint, reasonOf(outlier));
    return suspects;
}

} // namespace

void settleContradictingTokens(Series& series, std::vector<ScanIssue>& issues) {
    std::set<TokensSource> sources;
    for (const Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.tokens)
            sources.insert(checkpoint.tokensSource);
    if (sources.size() < 2)
        return;
    const std::vector<Steps> lines = countedLines(series);
    Suspects suspects = suspectsOf(lines); // before tokens go
    if (std::ranges::any_of(lines, filesContradict)) {
        const bool byLabels = fallBack(series);
        if (byLabels) // what contradicted may be right now
            suspects = suspectsOf(countedLines(series));
        const char* instead = byLabels ? "the tokens in the names are used" : "the series is ordered by steps";
        issues.push_back({series.path.string(), fmt::format("Steps and tokens contradict each other, and the counts come from "
                                                            "different sources; {}.",
                                                            instead)});
    }
    for (const auto& [checkpoint, reason] : suspects)
        mark(*checkpoint, CheckpointState::Suspect, reason);
}

} // namespace crest::series
