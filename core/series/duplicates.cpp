// SPDX-License-Identifier: Apache-2.0
#include "core/series/duplicates.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/series/checkpoint_records.h"
#include "core/series/names.h"
#include "core/series/series_rules.h"

namespace crest::series {
namespace {

constexpr std::size_t kShownDigits = 12;

/// Fingerprints decide where both are known; before that, equal hashes of the hub do.
bool sameWeights(const Checkpoint& a, const Checkpoint& b) {
    if (!a.fingerprint.empty() && !b.fingerprint.empty())
        return a.fingerprint == b.fingerprint;
    return !a.contentId.empty() && a.contentId == b.contentId;
}

bool knownToDiffer(const Checkpoint& a, const Checkpoint& b) {
    return !a.fingerprint.empty() && !b.fingerprint.empty() && a.fingerprint != b.fingerprint;
}

std::string shownHash(const Checkpoint& checkpoint) {
    return (checkpoint.fingerprint.empty() ? checkpoint.contentId : checkpoint.fingerprint).substr(0, kShownDigits);
}

bool hasPlace(const Checkpoint& checkpoint) {
    return checkpoint.tokens || checkpoint.step;
}

bool samePlace(const Checkpoint& a, const Checkpoint& b) {
    if (!(lineOf(a) == lineOf(b)))
        return false;
    if (a.tokens && b.tokens)
        return *a.tokens == *b.tokens;
    return a.step && b.step && *a.step == *b.step && !a.tokens && !b.tokens;
}

/// The better of two names of one content comes first.
bool betterNamed(const Checkpoint& a, const Checkpoint& b) {
    const auto rank = [](const Checkpoint& c) {
        return std::make_tuple(!hasPlace(c), c.isFinal, c.unnamedRevision, c.name.size());
    };
    return rank(a) != rank(b) ? rank(a) < rank(b) : naturalLess(a.name, b.name);
}

void addAliases(Checkpoint& kept, const Checkpoint& other) {
    std::vector<std::string> names = other.aliases;
    names.insert(names.begin(), other.name);
    for (const std::string& name : names)
        if (name != kept.name && std::find(kept.aliases.begin(), kept.aliases.end(), name) == kept.aliases.end())
            kept.aliases.push_back(name);
}

} // namespace

void mergeSameContent(Series& series) {
    std::vector<Checkpoint>& all = series.checkpoints;
    std::stable_sort(all.begin(), all.end(), betterNamed);
    // By hash, so that a long series is not compared pair by pair.
    std::multimap<std::string, std::size_t> byHash;
    std::vector<bool> gone(all.size(), false);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!isUsable(all[i]))
            continue;
        for (const std::string& hash : {all[i].fingerprint, all[i].contentId}) {
            const auto [first, last] = byHash.equal_range(hash);
            for (auto at = first; at != last && !hash.empty() && !gone[i]; ++at) {
                const Checkpoint& other = all[at->second];
                gone[i] =
                    sameWeights(other, all[i]) && (samePlace(other, all[i]) || (hasPlace(other) && !hasPlace(all[i])));
                if (gone[i])
                    addAliases(all[at->second], all[i]);
            }
        }
        if (!gone[i])
            for (const std::string& hash : {all[i].fingerprint, all[i].contentId})
                if (!hash.empty())
                    byHash.emplace(hash, i);
    }
    std::size_t i = 0;
    std::erase_if(all, [&](const Checkpoint&) { return gone[i++]; });
}

void markConflicts(Series& series) {
    std::map<std::tuple<bool, std::int64_t, SeriesLine>, Checkpoint*> first;
    for (Checkpoint& checkpoint : series.checkpoints) {
        if (!hasPlace(checkpoint) || !isUsable(checkpoint))
            continue;
        const bool byTokens = checkpoint.tokens.has_value();
        const std::int64_t at = byTokens ? *checkpoint.tokens : *checkpoint.step;
        const auto [place, isNew] = first.emplace(std::make_tuple(byTokens, at, lineOf(checkpoint)), &checkpoint);
        if (isNew)
            continue;
        Checkpoint& other = *place->second;
        const std::string both = fmt::format("{} and {} are both at {}", other.name, checkpoint.name,
                                             byTokens ? formatTokens(static_cast<double>(at)) + " tokens" : fmt::format("step {}", at));
        const std::string why =
            knownToDiffer(other, checkpoint)
                ? fmt::format("{} with different weights ({} and {}); exclude one, or correct tokens, stage or seed.",
                              both, shownHash(other), shownHash(checkpoint))
                : both + "; exclude one, or correct tokens, stage or seed.";
        mark(other, CheckpointState::Suspect, why);
        mark(checkpoint, CheckpointState::Suspect, why);
    }
}

void markIdenticalWeights(Series& series) {
    std::map<std::string, Checkpoint*> first;
    for (Checkpoint& checkpoint : series.checkpoints) {
        if (!isUsable(checkpoint))
            continue;
        for (const std::string& hash : {checkpoint.fingerprint, checkpoint.contentId}) {
            if (hash.empty())
                continue;
            const auto [place, isNew] = first.emplace(hash, &checkpoint);
            if (isNew || place->second == &checkpoint || samePlace(*place->second, checkpoint))
                continue;
            const auto say = [&](const Checkpoint& other) {
                return fmt::format(
                    "Its weights are identical to those of {} ({}): one of the two is a copy under a wrong "
                    "name.",
                    other.name, hash.substr(0, kShownDigits));
            };
            const std::string ofFirst = say(checkpoint), ofThis = say(*place->second);
            mark(*place->second, CheckpointState::Suspect, ofFirst);
            mark(checkpoint, CheckpointState::Suspect, ofThis);
            break;
        }
    }
}

} // namespace crest::series
