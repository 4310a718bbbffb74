// SPDX-License-Identifier: Apache-2.0
// Which token count of a checkpoint holds, and what a series as a whole tells: order, gaps, duplicates
// (formats.md 1.3, 1.4).
#pragma once

#include <vector>

#include "core/series/series.h"

namespace crest::series {

/// Sets tokens and tokensSource where no record gave them: the published rule of a known series if it agrees with the
/// label in the name, else the label, else nothing. A disagreement is an issue that shows both.
void applyTokenRules(Checkpoint& checkpoint, std::vector<ScanIssue>& issues);

/// Sorts by tokens (unknown last), step, name, seed; lists gaps and duplicates. Where counts of mixed origin contradict
/// the steps, the tokens of the whole series are dropped, and said so.
void orderSeries(Series& series, std::vector<ScanIssue>& issues);

} // namespace crest::series
