// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_task_mean.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace crest::analysis {
namespace {

using CellKey = std::tuple<double, std::int64_t, double, std::int64_t>; ///< tokens, pretraining seed, strength, draw
using Parts = std::vector<const Observation*>;                          ///< of one cell, in the order of the tasks

bool hasSequences(const Observation& one) {
    std::int64_t tokens = 0;
    for (const std::int32_t count : one.perSequenceTokens)
        tokens += count;
    return tokens > 0 && one.perSequenceNats.size() == one.perSequenceTokens.size() &&
           std::ranges::all_of(one.perSequenceNats, [](float nats) { return std::isfinite(nats); });
}

/// n / (n - 1), as an estimated variance has it; 1 where there is one sequence.
double correction(double n) {
    return n > 1 ? n / (n - 1) : 1;
}

/// Appends the sequences of one task to those of the mean; `total` is how many those will be.
void appendSequences(Observation& mean, const Observation& part, double total, double tasks) {
    double nats = 0, tokens = 0;
    for (std::size_t i = 0; i < part.perSequenceNats.size(); ++i) {
        nats += static_cast<double>(part.perSequenceNats[i]);
        tokens += part.perSequenceTokens[i];
    }
    const double n = static_cast<double>(part.perSequenceNats.size()), own = nats / tokens;
    const double scale = total / (tasks * tokens) * std::sqrt(correction(n) / correction(total));
    for (std::size_t i = 0; i < part.perSequenceNats.size(); ++i) {
        const double rest = static_cast<double>(part.perSequenceNats[i]) - part.perSequenceTokens[i] * own;
        mean.perSequenceNats.push_back(static_cast<float>(mean.value + scale * rest));
        mean.perSequenceTokens.push_back(1);
    }
}

Observation meanOf(const Parts& parts, const std::string& name) {
    Observation mean = *parts.front();
    mean.task = name;
    mean.value = 0;
    for (const Observation* part : parts)
        mean.value += part->value / static_cast<double>(parts.size());
    mean.perSequenceNats.clear();
    mean.perSequenceTokens.clear();
    if (!std::isfinite(mean.value) || !std::ranges::all_of(parts, [](const auto* part) { return hasSequences(*part); }))
        return mean;
    double total = 0;
    for (const Observation* part : parts)
        total += static_cast<double>(part->perSequenceNats.size());
    for (const Observation* part : parts)
        appendSequences(mean, *part, total, static_cast<double>(parts.size()));
    return mean;
}

} // namespace

std::vector<Observation> meanOverTasks(std::span<const Observation> observations, std::span<const std::string> tasks,
                                       const std::string& name) {
    std::vector<CellKey> order;
    std::map<CellKey, Parts> cells;
    for (const Observation& one : observations) {
        const auto task = std::ranges::find(tasks, one.task);
        if (task == tasks.end())
            continue;
        const CellKey key{one.tokens, one.pretrainSeed, one.strength, one.drawSeed};
        auto [cell, isNew] = cells.try_emplace(key, tasks.size(), nullptr);
        if (isNew)
            order.push_back(key);
        cell->second[static_cast<std::size_t>(task - tasks.begin())] = &one;
    }
    std::vector<Observation> out;
    for (const CellKey& key : order)
        if (const Parts& parts = cells[key]; std::ranges::find(parts, nullptr) == parts.end())
            out.push_back(meanOf(parts, name));
    return out;
}

} // namespace crest::analysis
