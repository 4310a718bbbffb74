// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pretend_outcome.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/json.h"

namespace crest::pretend {
namespace {

constexpr int kChoices = 4;
constexpr const char* kKinds[] = {"multiple_choice", "rolling", "generation"};

data::MetricValue meanOf(const char* metric, const char* unit, std::vector<float> values) {
    data::MetricValue result{metric, unit, 0, 0, std::move(values), {}};
    const auto n = static_cast<double>(result.itemValues.size());
    double sum = 0, squares = 0;
    for (const float value : result.itemValues)
        sum += value;
    result.value = sum / n;
    for (const float value : result.itemValues)
        squares += (value - result.value) * (value - result.value);
    result.stderr_ = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
    return result;
}

void addItem(data::ItemDetails& details, std::int64_t document, std::int32_t gold, std::int32_t requests) {
    details.itemDocuments.push_back(static_cast<std::int32_t>(document));
    details.itemGold.push_back(gold);
    details.itemRequests.push_back(requests);
}

data::TaskOutcome multipleChoice(const OutcomeRequest& request, double skill) {
    data::TaskOutcome outcome;
    std::vector<float> right, rightByLength;
    for (std::int64_t i = 0; i < request.items; ++i) {
        const auto gold = static_cast<int>(i % kChoices);
        addItem(outcome.details, i, gold, kChoices);
        double nats[kChoices], perToken[kChoices];
        for (int c = 0; c < kChoices; ++c) {
            const int tokens = 1 + (static_cast<int>(i) + c) % 3;
            nats[c] = 2.0 * tokens +
                      3 * uniform(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(c), request.number) -
                      (c == gold ? skill : 0);
            perToken[c] = nats[c] / tokens;
            outcome.details.requestNats.push_back(static_cast<float>(nats[c]));
            outcome.details.requestTokens.push_back(tokens);
            outcome.details.requestGreedy.push_back(nats[c] < 2.0 * tokens ? (request.strength > 0 ? 2 : 1) : 0);
            outcome.scoredTokens += tokens;
        }
        right.push_back(std::min_element(nats, nats + kChoices) == nats + gold ? 1.0f : 0.0f);
        rightByLength.push_back(std::min_element(perToken, perToken + kChoices) == perToken + gold ? 1.0f : 0.0f);
    }
    outcome.metrics = {meanOf("acc", "accuracy", right), meanOf("acc_norm", "accuracy", rightByLength)};
    return outcome;
}

data::TaskOutcome rolling(const OutcomeRequest& request, double skill) {
    data::TaskOutcome outcome;
    data::MetricValue perplexity{"word_perplexity", "perplexity", 0, 0, {}, {}};
    double nats = 0, words = 0;
    for (std::int64_t i = 0; i < request.items; ++i) {
        addItem(outcome.details, i, -1, 1);
        const auto tokens = static_cast<std::int32_t>(20 + i);
        const double loss = tokens * (4 - skill + uniform(static_cast<std::uint64_t>(i), 7, request.number));
        outcome.details.requestNats.push_back(static_cast<float>(loss));
        outcome.details.requestTokens.push_back(tokens);
        outcome.details.requestGreedy.push_back(0);
        outcome.scoredTokens += tokens;
        perplexity.itemValues.push_back(static_cast<float>(loss));
        perplexity.itemWeights.push_back(static_cast<float>(tokens / 2));
        nats += perplexity.itemValues.back();
        words += perplexity.itemWeights.back();
    }
    perplexity.value = std::exp(nats / words);
    outcome.metrics = {perplexity};
    return outcome;
}

/// Kept as they are: with line breaks, zeros and letters of several bytes, since models write those.
data::TaskOutcome generation(const OutcomeRequest& request) {
    data::TaskOutcome outcome;
    std::vector<float> tokens;
    for (std::int64_t i = 0; i < request.items; ++i) {
        addItem(outcome.details, i, -1, 1);
        outcome.details.requestTokens.push_back(static_cast<std::int32_t>(5 + i));
        std::string text =
            fmt::format("answer {}\n\xc3\xa4 {:.3f}", i, uniform(static_cast<std::uint64_t>(i), 9, request.number));
        text += i % 2 == 0 ? std::string(1, '\0') : std::string();
        outcome.details.texts.push_back(i == 1 ? std::string() : text);
        tokens.push_back(static_cast<float>(5 + i));
        outcome.scoredTokens += 5 + i;
    }
    outcome.metrics = {meanOf("tokens", "tokens", tokens)};
    return outcome;
}

} // namespace

double uniform(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    std::uint64_t x = a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u + c * 0x94d049bb133111ebu;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

SuiteKind suiteKind(int i) {
    return static_cast<SuiteKind>(i % 3);
}

std::string suiteDefinition(int i) {
    Json task = {{"name", fmt::format("suite {}", i)},
                 {"kind", kKinds[static_cast<int>(suiteKind(i))]},
                 {"data", {{"test", {fmt::format("pretended-{}.jsonl", i)}}}}};
    switch (suiteKind(i)) {
    case SuiteKind::MultipleChoice:
        task["context"] = "{{question}}";
        task["choices"] = "{{choices}}";
        task["gold"] = "{{gold}}";
        task["metrics"] = {"acc", "acc_norm"};
        task["chance"] = 0.25;
        break;
    case SuiteKind::Rolling:
        task["document"] = "{{text}}";
        task["metrics"] = Json::array({"word_perplexity"});
        break;
    case SuiteKind::Generation:
        task["context"] = "{{prompt}}";
        task["metrics"] = Json::array({"tokens"});
    }
    return canonicalJson(task);
}

SuiteKind kindOfDefinition(const std::string& definition) {
    const Json json = Json::parse(definition, nullptr, false);
    const std::string kind = json.is_object() ? json.value("kind", "") : "";
    const auto at = std::find(std::begin(kKinds), std::end(kKinds), kind);
    return at == std::end(kKinds) ? SuiteKind::MultipleChoice : static_cast<SuiteKind>(at - std::begin(kKinds));
}

data::TaskOutcome pretendOutcome(const OutcomeRequest& request) {
    const double skill = std::max(0.0, 1 + 0.5 * std::log2(request.tokens / 1e6) - 5 * request.strength);
    switch (request.kind) {
    case SuiteKind::MultipleChoice:
        return multipleChoice(request, skill);
    case SuiteKind::Rolling:
        return rolling(request, std::min(skill, 3.0));
    case SuiteKind::Generation:
        break;
    }
    return generation(request);
}

} // namespace crest::pretend
