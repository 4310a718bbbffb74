// SPDX-License-Identifier: Apache-2.0
// What came out of a task: metrics with the value of every item, and what was answered. Plain numbers; any metric is the
// ratio of two sums over items, so that means, pairs and standard errors need to know nothing else of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crest::data {

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

} // namespace crest::data
