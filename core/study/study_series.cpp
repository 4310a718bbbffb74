// SPDX-License-Identifier: Apache-2.0
#include "core/study/study_series.h"

#include <algorithm>

#include "core/series/series_rules.h"

namespace crest::study {

const series::Series* findKnown(const std::vector<series::Series>& found, const StudySeries& known) {
    if (found.size() == 1)
        return &found.front();
    const std::string& wanted = known.foundAs.empty() ? known.name : known.foundAs;
    const auto at = std::ranges::find(found, wanted, &series::Series::name);
    return at == found.end() ? nullptr : &*at;
}

series::Series asStudied(series::Series found, const StudySeries& known, std::vector<series::ScanIssue>& issues) {
    found.name = known.name;
    series::applyCorrections(found, known.corrections, known.excluded, issues);
    series::judgeSeries(found, issues);
    return found;
}

} // namespace crest::study
