// SPDX-License-Identifier: Apache-2.0
#include "core/series/corrections.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/series/series_rules.h"

namespace crest::series {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

void rename(Checkpoint& checkpoint, const std::string& name, std::vector<ScanIssue>& issues) {
    checkpoint.name = name;
    readName(checkpoint);
    if (checkpoint.tokensSource == TokensSource::Metadata)
        return;
    checkpoint.tokens.reset();
    checkpoint.tokensSource = TokensSource::Unknown;
    applyTokenRules(checkpoint, issues);
}

void setTokens(Checkpoint& checkpoint, std::int64_t tokens) {
    checkpoint.tokens = tokens;
    checkpoint.tokensSource = TokensSource::User;
}

} // namespace

void applyCorrections(Series& series, const SeriesCorrections& corrections, const std::vector<std::string>& excluded,
                      std::vector<ScanIssue>& issues) {
    std::set<std::string> names;
    for (const Checkpoint& checkpoint : series.checkpoints)
        names.insert(checkpoint.name);
    for (Checkpoint& checkpoint : series.checkpoints) {
        const auto at = corrections.checkpoints.find(checkpoint.foundName);
        const CheckpointCorrection own = at == corrections.checkpoints.end() ? CheckpointCorrection() : at->second;
        // Two of one name could not be told apart: then the found one stays.
        if (!own.name.empty() && own.name != checkpoint.name && names.insert(own.name).second)
            rename(checkpoint, own.name, issues);
        if (own.stage)
            checkpoint.stage = own.stage;
        std::int64_t product = 0;
        if (own.tokens)
            setTokens(checkpoint, *own.tokens);
        else if (corrections.tokensPerStep && checkpoint.step &&
                 !__builtin_mul_overflow(*checkpoint.step, *corrections.tokensPerStep, &product))
            setTokens(checkpoint, product);
        checkpoint.includedByHand = contains(corrections.included, checkpoint.foundName);
        if (contains(excluded, checkpoint.foundName))
            checkpoint.state = CheckpointState::Excluded;
    }
}

std::vector<std::string> tokensPerStepHints(const Series& series) {
    std::set<std::int64_t> batches, contexts;
    std::size_t steps = 0;
    for (const Checkpoint& checkpoint : series.checkpoints) {
        steps += checkpoint.step.has_value();
        if (checkpoint.batchPerDevice)
            batches.insert(*checkpoint.batchPerDevice);
        if (checkpoint.spec)
            contexts.insert(checkpoint.spec->contextLength);
    }
    std::vector<std::string> hints = {
        "Tokens per step = sequences per device x gradient accumulation x devices x tokens in a sequence."};
    if (batches.size() == 1 && *batches.begin() > 0)
        hints.push_back(fmt::format("trainer_state.json: {} sequences per device.", *batches.begin()));
    if (contexts.size() == 1)
        hints.push_back(fmt::format("config.json: sequences of at most {} tokens.", *contexts.begin()));
    if (steps == 0)
        hints.push_back("No checkpoint of this series has a step in its name or files.");
    return hints;
}

bool needsTokensPerStep(const Series& series) {
    return std::any_of(series.checkpoints.begin(), series.checkpoints.end(), [](const Checkpoint& checkpoint) {
        return checkpoint.step && !checkpoint.tokens && checkpoint.state != CheckpointState::Broken;
    });
}

} // namespace crest::series
