// SPDX-License-Identifier: Apache-2.0
// What a figure of a probe says about its origin: the recipe of a point, and the record that exports carry. Pure
// functions; any thread.
#pragma once

#include <set>
#include <string>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// The modification with its seeds and settings, as lines of a recipe.
std::string modificationText(const ProbeResults& results, double strength);
/// The same where strengths were chosen, in words: "learning rate 0.004 (best in ID)".
std::string chosenText(const ProbeResults& results, const std::string& strengths);
/// Settings, seeds, data, versions and the command behind one point, several lines for people. `tokens`: of an axis of steps, its step.
std::string pointRecipe(const ProbeResults& results, const std::string& task, const std::string& modification,
                        double tokens, const std::string& figure = "curves", XQuantity x = XQuantity::Tokens);
/// Of a checkpoint without a place of its own on the axis; `place`: what is said instead.
std::string pointRecipeAt(const ProbeResults& results, const std::string& task, const std::string& modification,
                          const std::string& place, const std::string& figure, XQuantity x);

/// figureProvenance with the siblings (ProbeResults::siblings) that are drawn, too.
std::string provenanceWith(const ProbeResults& results, const std::string& figure, const FigureOptions& options,
                           const std::vector<const ProbeResults*>& siblings);

/// The devices that measured results of this probe ("cpu", "cuda:0 ..."), without threads.
std::set<std::string> devicesOf(const ProbeResults& results);

} // namespace crest::analysis
