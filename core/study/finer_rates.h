// SPDX-License-Identifier: Apache-2.0
// Learning rates of single checkpoints: a probe's strengths are those of every checkpoint, but for the ones that its settings
// give to some ("finer_rates": by the fingerprint of a checkpoint's weights). So a grid can be refined where each checkpoint's
// best rate is, and a checkpoint that is new to the series gets the grid. They move no number and are part of no key.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

/// By PlannedCheckpoint::weights: rates that the checkpoint has beside the grid, ascending.
using FinerRates = std::map<std::string, std::vector<double>>;

/// Empty where there are none, and for probes of other kinds than fine-tuning.
FinerRates finerRatesOf(const Probe& probe);
/// The strengths of every checkpoint: the grid as the user set it up, ascending.
std::vector<double> gridOf(const Probe& probe);
/// The strengths of the checkpoint with these weights, ascending.
std::vector<double> strengthsOf(const Probe& probe, const std::string& weights);

/// The same grid with these rates and no others; rates of the grid among them are left out. Empty: the grid alone.
Probe withFinerRates(const Probe& probe, const FinerRates& finer);

/// Malformed where "finer_rates" of these settings are not lists of numbers by name; OutOfRange where they ascend not.
Result<void> checkFinerRates(const Json& settings);
/// OutOfRange where a probe (with sound settings) has no rate for every checkpoint, or lacks a finer one among its strengths.
Result<void> checkGridOfFinerRates(const Probe& probe);

} // namespace crest::study
