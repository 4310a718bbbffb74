// SPDX-License-Identifier: Apache-2.0
// Outcomes of suite tasks by a formula: multiple choice, perplexity of documents, and generated texts.
#pragma once

#include <cstdint>
#include <string>

#include "core/data/task_metrics.h"

namespace crest::pretend {

enum class SuiteKind { MultipleChoice, Rolling, Generation };

/// The kind and definition of the i-th pretended suite task; kinds take turns.
SuiteKind suiteKind(int i);
std::string suiteDefinition(int i);
SuiteKind kindOfDefinition(const std::string& definition);

struct OutcomeRequest {
    SuiteKind kind = SuiteKind::MultipleChoice;
    std::int64_t items = 8;
    double tokens = 1e6;      ///< of the checkpoint: more answers are right with more of them
    double strength = 0;      ///< fewer with more of it
    std::uint64_t number = 0; ///< tells the cell and task apart
};
data::TaskOutcome pretendOutcome(const OutcomeRequest& request);

/// A number in [0, 1) that depends on everything given (splitmix64).
double uniform(std::uint64_t a, std::uint64_t b, std::uint64_t c);

} // namespace crest::pretend
