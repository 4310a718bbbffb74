// SPDX-License-Identifier: Apache-2.0
#include "core/study/task_outcome.h"

#include <fmt/format.h>

namespace crest::study {
namespace {

Result<void> checkLength(const char* what, std::size_t length, std::size_t wanted) {
    if (length == wanted)
        return {};
    return fail(ErrorKind::Malformed,
                fmt::format("the outcome of a task has {} {} where there must be {}", length, what, wanted));
}

} // namespace

Result<void> checkOutcome(const data::TaskOutcome& outcome) {
    const data::ItemDetails& details = outcome.details;
    const std::size_t items = details.itemDocuments.size();
    CREST_CHECK(checkLength("right answers", details.itemGold.size(), items));
    CREST_CHECK(checkLength("counts of requests", details.itemRequests.size(), items));
    std::size_t requests = 0;
    for (const std::int32_t count : details.itemRequests) {
        if (count < 0)
            return fail(ErrorKind::Malformed, "an item of a task's outcome has fewer than no requests");
        requests += static_cast<std::size_t>(count);
    }
    if (!details.requestNats.empty())
        CREST_CHECK(checkLength("losses of requests", details.requestNats.size(), requests));
    if (!details.requestTokens.empty())
        CREST_CHECK(checkLength("token counts of requests", details.requestTokens.size(), requests));
    if (!details.requestGreedy.empty())
        CREST_CHECK(checkLength("greedy flags of requests", details.requestGreedy.size(), requests));
    if (!details.texts.empty())
        CREST_CHECK(checkLength("texts", details.texts.size(), items));
    for (const data::MetricValue& metric : outcome.metrics) {
        CREST_CHECK(checkLength("values of items", metric.itemValues.size(), items));
        if (!metric.itemWeights.empty())
            CREST_CHECK(checkLength("weights of items", metric.itemWeights.size(), items));
    }
    return {};
}

} // namespace crest::study
