// SPDX-License-Identifier: Apache-2.0
// Runs of one study that train the same series, compared: what is done against forgetting in each, and whether two of them train
// alike otherwise. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// One thing that is done against forgetting, with its strength.
struct Mitigation {
    std::string id;   ///< "l2", "head-first", "replay", "lora"; with what else tells two of a kind apart: "lora-attention"
    std::string name; ///< "L2 to the start", "replay of prose"
    double strength = 0;
    std::string label; ///< of the strength: "0.1", "20 %"
    bool operator==(const Mitigation&) const = default;
};

/// Of a probe that trains; none is plain fine-tuning. In the order of the list above.
std::vector<Mitigation> mitigationsOf(const study::Probe& probe);
/// "L2 to the start 0.1, replay of prose 20 %"; "plain fine-tuning".
std::string mitigationsText(const std::vector<Mitigation>& mitigations);

/// Of a run that trains, what tells it from others: "bible: L2 to the start 0.1", "bible: interpolation, tuned at 0.004",
/// "bible: plain fine-tuning, 19 finer rates".
std::string trainingWords(const study::Plan& plan);
std::string trainingWords(const study::Probe& probe); ///< the same without the number of finer rates

/// One setting: "epochs 3", "batch examples 16"; of the compute type "bfloat16".
std::string settingText(std::string name, const Json& value);

/// Whether a run trains: fine-tuning and interpolation.
bool isTraining(const study::Plan& plan);

/// What two plans that train share, besides what is done against forgetting, learning rate and seeds.
struct TrainingDifference {
    bool data = false;   ///< trained on other data
    std::string trained; ///< trained in another way: "epochs 3, not 1", "bfloat16, not float32"; "": in the same
};
TrainingDifference differenceOf(const study::Plan& shown, const study::Plan& other);

/// Whether a figure of `shown` may need the rows of `other`: the same training on the same data, mitigated or not (trade-off),
/// or on other data (figures with a column for each).
bool areDrawnTogether(const study::Plan& shown, const study::Plan& other);

} // namespace crest::analysis
