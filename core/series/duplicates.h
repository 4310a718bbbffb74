// SPDX-License-Identifier: Apache-2.0
// Checkpoints of one series that are the same, or claim the same place (formats.md 1.4). Only for series_rules.cpp.
#pragma once

#include "core/series/series.h"

namespace crest::series {

/// Where two names at one token count hold the same weights, or a final or unnamed one holds those of a checkpoint with
/// a place, the better named one stays, with the other's names as aliases.
void mergeSameContent(Series& series);
/// Marks what is left at one token count of one line, or at one step where the tokens are not known.
void markConflicts(Series& series);
/// Marks checkpoints at different places with the same weights.
void markIdenticalWeights(Series& series);

} // namespace crest::series
