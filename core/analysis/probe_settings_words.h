// SPDX-License-Identifier: Apache-2.0
// What tells modifications of one kind apart besides strength and seed, in words: for tables of rows of many runs. Pure functions; any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>

#include "core/study/types.h"

namespace crest::analysis {

class SettingsWords {
public:
    /// `probes`: of the study's runs, as planned; any number may be alike.
    explicit SettingsWords(std::span<const study::Probe> probes);

    /// Of noise its scale, of trainings data and what is done against forgetting ("bible: L2 to the start 0.1"), else all settings
    /// ("group 128"). Of modifications that would be alike in these words, with the settings that differ: "bible: plain
    /// fine-tuning, epochs 3". What was not computed in float32 says so, the base, too. "" where there is nothing to say; what the
    /// row says where its run is gone.
    std::string of(const study::ResultRow& row) const;

private:
    std::map<std::pair<std::string, std::string>, std::string> m_words; ///< by kind and variant
};

} // namespace crest::analysis
