// SPDX-License-Identifier: Apache-2.0
// What came out of a task: metrics with the value of every item, and what was answered. Plain numbers; any metric is
// the ratio of two sums over items, so that means, pairs and standard errors need to know nothing else of it. Rules and
// names are lm-evaluation-harness 0.4.13's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/task_items.h"

namespace crest::data {

struct TaskDefinition;

/// One metric of one task: value = transform(sum of itemValues / sum of itemWeights), where only perplexities have a
/// transform (exp).
struct MetricValue {
    std::string metric; ///< "acc", "acc_norm", "exact_match,strict-match", "bits_per_byte", "word_perplexity", ...
    std::string unit;   ///< "accuracy", "bits/byte", "nats/token", ...
    double value = 0;
    double stderr_ = 0;             ///< over items, by the harness's rule; NaN where it gives none
    std::vector<float> itemValues;  ///< acc: 0 or 1
    std::vector<float> itemWeights; ///< acc: 1; word_perplexity: words. Empty: all 1
    bool operator==(const MetricValue&) const = default;
};

/// What was answered, item by item. Requests of all items one after the other.
struct ItemDetails {
    std::vector<float> requestNats;          ///< minus the log-likelihood; pairs: mean of both members
    std::vector<std::int32_t> requestTokens; ///< scored tokens
    std::vector<std::uint8_t> requestGreedy; ///< members (1, or 0 to 2 of a pair) of which greedy decoding gives it
    std::vector<std::int32_t> itemRequests;  ///< how many requests each item has; sums to the arrays above
    std::vector<std::int32_t> itemDocuments; ///< TaskItem::document
    std::vector<std::int32_t> itemGold;      ///< TaskItem::gold
    std::vector<std::string> texts;          ///< Generation: what was written, one for each item
    bool operator==(const ItemDetails&) const = default;
};

/// All of it. The first metric is the task's own (what a curve shows at first).
struct TaskOutcome {
    std::vector<MetricValue> metrics;
    ItemDetails details;
    std::int64_t scoredTokens = 0;
    std::string cause; ///< why the first metric is not finite, "" otherwise
    bool operator==(const TaskOutcome&) const = default;
};

/// What a model gave for the items of a task: requests of all items one after the other, in order.
struct ItemScores {
    std::vector<double> requestNats;         ///< minus the log-likelihood of each request; Generation: may be empty
    std::vector<std::int32_t> requestTokens; ///< scored (Generation: written) tokens of each request
    std::vector<std::uint8_t> requestGreedy; ///< 1 where every token is the likeliest; empty where it was not asked
    std::vector<std::string> texts;          ///< Generation: what was written, cut at its stop text
};

/// "accuracy", "nats/token", ...
std::string metricUnit(const std::string& metric);

/// Every metric of the task, its own first. Mismatch where the scores do not belong to the items, OutOfRange where a
/// pattern of a filter takes too long. Standard errors: sample standard deviation / sqrt(n) for means. The harness
/// bootstraps lambada's perplexity; here it is exp(mean) * standard error of the mean (delta method, the limit of the
/// bootstrap). NaN for the ratios (word and byte perplexity, bits per byte), for which the harness gives "N/A", and for
/// one item. A task of several parts (MMLU) has the harness's pooled standard error.
Result<TaskOutcome> scoreItems(const TaskDefinition& task, std::span<const TaskItem> items, const ItemScores& scores);

/// The outcome of an antithetic pair: each item has the mean of both members' values (so that perplexities average
/// their nats), and standard errors are made from those means; texts are the first member's. Mismatch where both are
/// not of one task. `items`: only needed for a task of several parts, whose standard errors are pooled.
Result<TaskOutcome> meanOfPair(const TaskOutcome& first, const TaskOutcome& second,
                               std::span<const TaskItem> items = {});

/// The first metric over several tasks, as the harness makes a group of them (MMLU): mean weighted by items, pooled
/// standard error. No items are kept. `sizes`: number of items of each.
MetricValue groupMetric(std::span<const MetricValue> parts, std::span<const std::int64_t> sizes);

} // namespace crest::data
