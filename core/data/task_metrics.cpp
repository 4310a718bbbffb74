// SPDX-License-Identifier: Apache-2.0
#include "core/data/task_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

#include "core/data/answers.h"
#include "core/data/py_text.h"
#include "core/data/suite.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool isExponential(const std::string& metric) {
    return metric == "perplexity" || metric == "word_perplexity" || metric == "byte_perplexity";
}

/// Sample standard deviation / sqrt(n).
double meanError(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    if (n < 2)
        return kNaN;
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double squares = 0;
    for (const double value : values)
        squares += (value - mean) * (value - mean);
    return std::sqrt(squares / (n - 1)) / std::sqrt(n);
}

double pooledError(std::span<const double> errors, std::span<const std::int64_t> sizes) {
    double variance = 0;
    double all = 0;
    for (std::size_t i = 0; i < errors.size(); ++i) {
        const auto n = static_cast<double>(sizes[i]);
        variance += (n - 1) * errors[i] * errors[i] * n;
        all += n;
    }
    return std::sqrt(variance / (all - static_cast<double>(errors.size())) / all);
}

/// Parts of a task stand one after the other; their errors are pooled as the harness pools those of a group.
double errorOverParts(std::span<const double> values, std::span<const TaskItem> items) {
    if (items.size() != values.size() || items.empty() || items.front().part == items.back().part)
        return meanError(values);
    std::vector<double> errors;
    std::vector<std::int64_t> sizes;
    for (std::size_t begin = 0; begin < items.size();) {
        std::size_t end = begin;
        while (end < items.size() && items[end].part == items[begin].part)
            ++end;
        errors.push_back(meanError(values.subspan(begin, end - begin)));
        sizes.push_back(static_cast<std::int64_t>(end - begin));
        begin = end;
    }
    return pooledError(errors, sizes);
}

MetricValue metricFrom(const std::string& metric, std::span<const double> values, std::span<const double> weights,
                       std::span<const TaskItem> items) {
    MetricValue made;
    made.metric = metric;
    made.unit = metricUnit(metric);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    const double count =
        weights.empty() ? static_cast<double>(values.size()) : std::accumulate(weights.begin(), weights.end(), 0.0);
    made.value = isExponential(metric) ? std::exp(sum / count) : sum / count;
    made.stderr_ = !weights.empty() ? kNaN : errorOverParts(values, items);
    if (isExponential(metric))
        made.stderr_ *= made.value;
    made.itemValues.assign(values.begin(), values.end());
    made.itemWeights.assign(weights.begin(), weights.end());
    return made;
}

Result<void> checkScores(const TaskDefinition& task, std::span<const TaskItem> items, const ItemScores& scores) {
    std::size_t requests = 0;
    for (const TaskItem& item : items) {
        requests += item.requests.size();
        if (item.requests.empty() ||
            (task.kind == TaskKind::MultipleChoice && (item.choices.size() != item.requests.size() || item.gold < 0 ||
                                                       item.gold >= static_cast<std::int32_t>(item.choices.size()))))
            return fail(ErrorKind::Mismatch, fmt::format("item {} is not of this kind of task", item.document),
                        task.name);
    }
    const bool generation = task.kind == TaskKind::Generation;
    const bool fits = generation ? scores.texts.size() == items.size() &&
                                       (scores.requestTokens.empty() || scores.requestTokens.size() == requests)
                                 : scores.requestNats.size() == requests && scores.requestTokens.size() == requests &&
                                       (scores.requestGreedy.empty() || scores.requestGreedy.size() == requests);
    if (items.empty() || !fits)
        return fail(ErrorKind::Mismatch,
                    fmt::format("{} items with {} requests, but scores of {}", items.size(), requests,
                                generation ? scores.texts.size() : scores.requestNats.size()),
                    task.name);
    return {};
}

/// First maximum of the log-likelihoods over their lengths; -1 where one is no number.
std::ptrdiff_t bestChoice(std::span<const double> nats, std::span<const double> lengths) {
    std::ptrdiff_t best = 0;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < nats.size(); ++i) {
        const double score = lengths.empty() ? -nats[i] : -nats[i] / lengths[i];
        if (std::isnan(score))
            return -1;
        if (score > most) {
            most = score;
            best = static_cast<std::ptrdiff_t>(i);
        }
    }
    return best;
}

/// Values and weights of every item for one metric that is made of log-likelihoods.
struct PerItem {
    std::vector<double> values, weights;
};

PerItem choiceValues(const std::string& metric, std::span<const TaskItem> items, const ItemScores& scores) {
    PerItem made;
    std::size_t at = 0;
    for (const TaskItem& item : items) {
        const auto nats = std::span(scores.requestNats).subspan(at, item.requests.size());
        at += item.requests.size();
        std::vector<double> lengths;
        for (const std::string& choice : item.choices)
            if (metric != "acc")
                lengths.push_back(metric == "acc_norm" ? static_cast<double>(codePoints(choice))
                                                       : static_cast<double>(choice.size()));
        const std::ptrdiff_t best = bestChoice(nats, lengths);
        made.values.push_back(best < 0 ? kNaN : best == item.gold ? 1 : 0);
    }
    return made;
}

PerItem textValues(const std::string& metric, std::span<const TaskItem> items, const ItemScores& scores) {
    PerItem made;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const double nats = scores.requestNats[i];
        if (metric == "acc") {
            made.values.push_back(scores.requestGreedy.empty() ? kNaN : scores.requestGreedy[i] ? 1 : 0);
            continue;
        }
        made.values.push_back(metric == "bits_per_byte" ? nats / std::numbers::ln2 : nats);
        if (metric == "perplexity")
            continue;
        made.weights.push_back(metric == "loss"              ? static_cast<double>(scores.requestTokens[i])
                               : metric == "word_perplexity" ? static_cast<double>(pyWordCount(items[i].original))
                                                             : static_cast<double>(items[i].original.size()));
    }
    return made;
}

Result<std::vector<MetricValue>> answerMetrics(const TaskDefinition& task, std::span<const TaskItem> items,
                                               const ItemScores& scores) {
    CREST_TRY(rules, answerRules(task.definition, task.name));
    CREST_TRY(judge, AnswerJudge::compile(rules));
    std::vector<MetricValue> metrics;
    for (std::size_t f = 0; f < judge.filters(); ++f) {
        std::vector<double> values;
        for (std::size_t i = 0; i < items.size(); ++i) {
            CREST_TRY(answer, judge.extract(f, text::repairUtf8(scores.texts[i])));
            CREST_TRY(right, judge.matches(answer, items[i].references));
            values.push_back(right ? 1 : 0);
        }
        metrics.push_back(metricFrom(judge.metricName(f), values, {}, items));
    }
    return metrics;
}

Result<std::vector<MetricValue>> metricsFor(const std::string& metric, const TaskDefinition& task,
                                            std::span<const TaskItem> items, const ItemScores& scores) {
    if (metric == "exact_match")
        return answerMetrics(task, items, scores);
    PerItem made;
    if (metric == "tokens")
        made.values.assign(scores.requestTokens.begin(), scores.requestTokens.end());
    else if (task.kind == TaskKind::MultipleChoice)
        made = choiceValues(metric, items, scores);
    else
        made = textValues(metric, items, scores);
    if (made.values.size() != items.size())
        return fail(ErrorKind::Mismatch, fmt::format("there are no scores for the metric \"{}\"", metric), task.name);
    return std::vector<MetricValue>{metricFrom(metric, made.values, made.weights, items)};
}

std::string causeOf(const TaskOutcome& outcome) {
    if (outcome.metrics.empty() || std::isfinite(outcome.metrics.front().value))
        return {};
    const std::vector<float>& nats = outcome.details.requestNats;
    const auto bad = std::ranges::find_if(nats, [](float value) { return !std::isfinite(value); });
    if (bad == nats.end())
        return outcome.metrics.front().itemWeights.empty()
                   ? "the metric is too large for a number"
                   : "nothing was counted, or the metric is too large for a number";
    auto request = static_cast<std::int64_t>(bad - nats.begin());
    std::size_t item = 0;
    while (request >= outcome.details.itemRequests[item])
        request -= outcome.details.itemRequests[item++];
    return fmt::format("the log-likelihoods of {} requests are not finite (first: document {}, request {})",
                       std::ranges::count_if(nats, [](float value) { return !std::isfinite(value); }),
                       outcome.details.itemDocuments[item], request + 1);
}

} // namespace

std::string metricUnit(const std::string& metric) {
    return metric == "perplexity" || metric == "word_perplexity" ? "perplexity/word"
           : metric == "byte_perplexity"                         ? "perplexity/byte"
           : metric == "bits_per_byte"                           ? "bits/byte"
           : metric == "loss"                                    ? "nats/token"
           : metric == "tokens"                                  ? "tokens"
                                                                 : "accuracy";
}

Result<TaskOutcome> scoreItems(const TaskDefinition& task, std::span<const TaskItem> items, const ItemScores& scores) {
    CREST_CHECK(checkScores(task, items, scores));
    TaskOutcome outcome;
    for (const std::string& metric : task.metrics) {
        CREST_TRY(made, metricsFor(metric, task, items, scores));
        for (MetricValue& one : made)
            outcome.metrics.push_back(std::move(one));
    }
    ItemDetails& details = outcome.details;
    details.requestNats.assign(scores.requestNats.begin(), scores.requestNats.end());
    details.requestTokens = scores.requestTokens;
    details.requestGreedy = scores.requestGreedy;
    for (const TaskItem& item : items) {
        details.itemRequests.push_back(static_cast<std::int32_t>(item.requests.size()));
        details.itemDocuments.push_back(static_cast<std::int32_t>(item.document));
        details.itemGold.push_back(item.gold);
    }
    details.texts = scores.texts;
    outcome.scoredTokens = std::accumulate(scores.requestTokens.begin(), scores.requestTokens.end(), std::int64_t(0));
    outcome.cause = causeOf(outcome);
    return outcome;
}

Result<TaskOutcome> meanOfPair(const TaskOutcome& first, const TaskOutcome& second, std::span<const TaskItem> items) {
    const auto different = [] {
        return fail(ErrorKind::Mismatch, "the members of a pair were not measured on the same items");
    };
    const ItemDetails& a = first.details;
    const ItemDetails& b = second.details;
    if (a.itemDocuments != b.itemDocuments || a.itemRequests != b.itemRequests || a.itemGold != b.itemGold ||
        a.requestNats.size() != b.requestNats.size() || a.requestGreedy.size() != b.requestGreedy.size() ||
        first.metrics.size() != second.metrics.size())
        return different();
    TaskOutcome mean = first;
    for (std::size_t m = 0; m < mean.metrics.size(); ++m) {
        const MetricValue& one = first.metrics[m];
        const MetricValue& other = second.metrics[m];
        if (one.metric != other.metric || one.itemValues.size() != other.itemValues.size() ||
            one.itemWeights != other.itemWeights)
            return different();
        std::vector<double> values(one.itemValues.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = (static_cast<double>(one.itemValues[i]) + static_cast<double>(other.itemValues[i])) / 2;
        const std::vector<double> weights(one.itemWeights.begin(), one.itemWeights.end());
        mean.metrics[m] = metricFrom(one.metric, values, weights, items);
    }
    for (std::size_t i = 0; i < a.requestNats.size(); ++i)
        mean.details.requestNats[i] = (a.requestNats[i] + b.requestNats[i]) / 2;
    for (std::size_t i = 0; i < a.requestGreedy.size(); ++i)
        mean.details.requestGreedy[i] = static_cast<std::uint8_t>(a.requestGreedy[i] + b.requestGreedy[i]);
    mean.scoredTokens = (first.scoredTokens + second.scoredTokens) / 2;
    mean.cause = causeOf(mean);
    return mean;
}

MetricValue groupMetric(std::span<const MetricValue> parts, std::span<const std::int64_t> sizes) {
    MetricValue made;
    if (parts.empty() || parts.size() != sizes.size())
        return made;
    made.metric = parts.front().metric;
    made.unit = parts.front().unit;
    double sum = 0;
    double count = 0;
    std::vector<double> errors;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        sum += parts[i].value * static_cast<double>(sizes[i]);
        count += static_cast<double>(sizes[i]);
        errors.push_back(parts[i].stderr_);
    }
    made.value = sum / count;
    made.stderr_ = pooledError(errors, sizes);
    return made;
}

} // namespace crest::data
