// SPDX-License-Identifier: Apache-2.0
// Token counts of different origin within one series.
#pragma once

#include <vector>

#include "core/series/series.h"

namespace crest::series {

/// Counts of different origin may stand in one series only while more steps mean more tokens (formats.md 1.3). Where they
/// do not, the checkpoints that stand apart from the others are marked Suspect. If those that the user typed are not
/// alone to blame, the series falls back: to the labels in the names where all have one, else to steps.
void settleContradictingTokens(Series& series, std::vector<ScanIssue>& issues);

} // namespace crest::series
