// SPDX-License-Identifier: Apache-2.0
// The same fine-tuning on several data sets of one study side by side: a column of panels for each set, as the paper's figures
// have it. Pure functions; any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Runs that fine-tune the same series in the same way on different data, in the order in which the data were first used: of
/// each data set the newest run, `results` itself of its own. Just `results` where there is no other.
struct DataSets {
    std::vector<const ProbeResults*> runs;
    std::vector<std::string> leftOut; ///< in words: what else was trained on other data, and why it is not beside these
};
DataSets dataSetsOf(const ProbeResults& results);
/// The name of the data that a run trains on.
std::string trainedOn(const ProbeResults& results);

/// The figure of one run of a set.
using MakeOfRun = std::function<Result<Figure>(const ProbeResults& run, const std::vector<InflectionRow>& inflections)>;

/// `make` for each set, composed: columns are sets, rows the tasks that all sets have, then each set's others, in the order OOD and
/// ID as `make` has them. With one set what `make` gives. Inflections of the other sets are found here.
Result<Figure> sideBySide(const ProbeResults& results, const FigureOptions& options,
                          const std::vector<InflectionRow>& inflections, const MakeOfRun& make);

/// The looks of strengths by a ladder that is common to all runs.
void shareLadder(Figure& figure, const std::vector<const ProbeResults*>& runs);
/// Keys that all parts have stay keys; where they differ, the panels of a part say its own.
void shareKeys(Figure& figure, std::vector<Figure>& parts);

} // namespace crest::analysis
