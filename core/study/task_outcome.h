// SPDX-License-Identifier: Apache-2.0
// What a suite's task gave, as the study keeps it: checked before it is stored and after it is read.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/data/task_metrics.h"

namespace crest::study {

/// Items of an outcome: as many as it names documents.
inline std::int64_t itemCount(const data::TaskOutcome& outcome) {
    return static_cast<std::int64_t>(outcome.details.itemDocuments.size());
}

/// Every array over items has as many elements as there are items (weights and texts may be left out), every array over
/// requests as many as the items have requests (each may be left out). Malformed says which has not.
Result<void> checkOutcome(const data::TaskOutcome& outcome);

} // namespace crest::study
