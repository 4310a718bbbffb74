// SPDX-License-Identifier: Apache-2.0
// A checkpoint of a plan, opened and found to be what was planned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/weight_reader.h"
#include "core/series/series.h"
#include "core/study/types.h"
#include "core/text/tokenizer.h"

namespace crest::probe {

/// What stays the same for all batches of one checkpoint. Its weights are mapped.
struct LoadedCheckpoint {
    study::PlannedCheckpoint planned;
    std::string stamp; ///< of its files, before anything of them was read
    series::Checkpoint facts;
    std::unique_ptr<model::WeightReader> reader;
    std::unique_ptr<text::Tokenizer> tokenizer;
    std::string tokenizerHash;           ///< as a plan pins it
    std::map<std::string, double> rms;   ///< by tensor
    std::vector<std::int32_t> endTokens; ///< of generation

    const std::string& path() const { return planned.path; }
    const series::DecoderSpec& spec() const { return *facts.spec; }
    /// Nobody wrote to its files since they were read.
    bool isUntouched() const;
};

/// Mismatch, naming the file, where weights, tokenizer or standard deviations are not those of the plan ("" in a plan:
/// not pinned). Every weight must be finite.
Result<std::unique_ptr<LoadedCheckpoint>> loadCheckpoint(const study::PlannedCheckpoint& planned,
                                                         const JobContext& job);

/// The standard deviations that gamma multiplies.
Result<std::map<std::string, double>> noiseTable(const LoadedCheckpoint& checkpoint, study::NoiseScale scale);

} // namespace crest::probe
