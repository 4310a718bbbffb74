// SPDX-License-Identifier: Apache-2.0
// From what a scan finds to the series as a study has it.
#pragma once

#include <vector>

#include "core/series/series.h"
#include "core/study/types.h"

namespace crest::study {

/// The series of a scan of `known.path` that is meant: the only one, or the one of its name. Null where there is none.
const series::Series* findKnown(const std::vector<series::Series>& found, const StudySeries& known);

/// The series under the study's name, with corrections and exclusions applied, then judged. `found`: as
/// series::findSeries gave it, with the fingerprints that are known by now.
series::Series asStudied(series::Series found, const StudySeries& known, std::vector<series::ScanIssue>& issues);

} // namespace crest::study
