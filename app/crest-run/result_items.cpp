// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/result_items.h"

#include <fmt/format.h>

#include "core/base/json.h"

namespace crest {
namespace {

/// The requests of one item, from number `first` on.
Json requestsOf(const data::ItemDetails& details, std::size_t first, std::int32_t count) {
    Json requests = Json::array();
    for (std::size_t r = first; r < first + static_cast<std::size_t>(count); ++r) {
        Json request = Json::object();
        if (!details.requestNats.empty())
            request["loglikelihood"] = numberToJson(-static_cast<double>(details.requestNats[r]));
        if (!details.requestTokens.empty())
            request["tokens"] = details.requestTokens[r];
        if (!details.requestGreedy.empty())
            request["greedy"] = details.requestGreedy[r];
        requests.push_back(std::move(request));
    }
    return requests;
}

/// Any bytes can come out of a model: what is not UTF-8 is shown as U+FFFD.
std::string readable(const std::string& text) {
    return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

} // namespace

void printItems(const study::ResultRow& row) {
    const data::ItemDetails& details = row.outcome.details;
    const Json cell = {{"series", row.series},
                       {"checkpoint", row.checkpoint},
                       {"tokens", row.tokens ? Json(*row.tokens) : Json()},
                       {"modification", row.modification},
                       {"strength", row.strength},
                       {"seed", row.seed},
                       {"task", row.task}};
    std::size_t request = 0;
    for (std::size_t i = 0; i < details.itemDocuments.size(); ++i) {
        Json item = cell;
        item["document"] = details.itemDocuments[i];
        item["gold"] = details.itemGold[i] >= 0 ? Json(details.itemGold[i]) : Json();
        Json metrics = Json::object();
        for (const data::MetricValue& metric : row.outcome.metrics)
            metrics[metric.metric] = {
                {"value", numberToJson(metric.itemValues[i])},
                {"weight", metric.itemWeights.empty() ? Json(1) : numberToJson(metric.itemWeights[i])}};
        item["metrics"] = std::move(metrics);
        item["requests"] = requestsOf(details, request, details.itemRequests[i]);
        if (!details.texts.empty())
            item["text"] = readable(details.texts[i]);
        fmt::print("{}\n", canonicalJson(item));
        request += static_cast<std::size_t>(details.itemRequests[i]);
    }
}

} // namespace crest
