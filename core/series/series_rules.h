// SPDX-License-Identifier: Apache-2.0
// Which token count of a checkpoint holds, and what a series as a whole tells: order, gaps, duplicates
// (formats.md 1.3, 1.4).
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "core/series/series.h"

namespace crest::series {

/// Sets tokens and tokensSource where no record gave them: the published rule of a known series if it agrees with the
/// label in the name, else the label, else steps by what a training config in the files says, else nothing. A
/// disagreement is an issue that shows both.
void applyTokenRules(Checkpoint& checkpoint, std::vector<ScanIssue>& issues);

/// Judges a series as a whole, with its corrections applied and as many fingerprints known as there are:
/// - names of one content at one place (main and step143000, copies) become one checkpoint with aliases;
/// - sorts by tokens (unknown last), step, name, seed; counts of mixed origin that contradict the
///   steps are settled first (token_order.h);
/// - a later stage is off (Excluded) where the series has a first one and nobody included it: another mix and schedule;
/// - marks as Suspect two of one token count, weights that are those of another place, and revisions without name;
/// - says of a final that stands apart from the run what it is (known_series.h);
/// - lists gaps (gaps.h), and each checkpoint that is not Ok (unless it is only excluded).
void judgeSeries(Series& series, std::vector<ScanIssue>& issues);

/// One line within a series: checkpoints that may follow each other. Nothing of two lines is ever compared or averaged.
struct SeriesLine {
    std::int64_t seed = -1;
    int stage = 1, branch = 0;
    auto operator<=>(const SeriesLine&) const = default;
};
SeriesLine lineOf(const Checkpoint& checkpoint);

/// Sound or suspect: it can be measured, and has a part in what its series says.
bool isUsable(const Checkpoint& checkpoint);

} // namespace crest::series
