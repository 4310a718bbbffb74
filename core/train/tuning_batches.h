// SPDX-License-Identifier: Apache-2.0
// Which examples an optimiser step sees, in which order, and how they are cut into passes: pure functions of the data,
// the settings and the seed, so that a resumed run stores none of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/tuning_example.h"
#include "core/series/decoder_spec.h"
#include "core/train/fine_tune_settings.h"
#include "core/train/random.h"

namespace crest::train {

/// The inputs and targets of some examples, one document each.
struct TuningRows {
    std::vector<std::int64_t> ids, targets; ///< targets: -1 where nothing is predicted
    std::vector<std::int64_t> documents;    ///< lengths
};

class TuningBatches {
public:
    /// `examples` must live on. OutOfRange where an id is outside the vocabulary, masks and ids differ in length, or
    /// nothing is to be learned anywhere; the sentence names the example.
    static Result<TuningBatches> create(std::span<const data::TuningExample> examples, const FineTuneSettings& settings,
                                        std::int64_t vocabSize, std::int64_t context, std::int64_t seed);

    std::int64_t steps() const { return m_steps; }
    std::int64_t truncated() const { return m_truncated; } ///< examples cut to the longest row
    std::int64_t dropped() const { return m_dropped; }     ///< examples with nothing to learn (after cutting)
    std::int64_t longest() const { return m_longest; }     ///< rows of the longest example

    /// Indices of the examples of step `step` (0-based), in order. Epoch e is the permutation keyed by (seed, e); steps
    /// go on over its end, the last step takes what is left.
    std::vector<std::int64_t> examplesOf(std::int64_t step) const;
    /// Tokens with a target among the examples, and all their tokens (after cutting).
    std::int64_t learned(std::span<const std::int64_t> examples) const;
    std::int64_t tokens(std::span<const std::int64_t> examples) const;

    /// The first of `examples` whose rows together stay within `rows` (at least one; exactly one where packing is off).
    std::size_t passWithin(std::span<const std::int64_t> examples, std::int64_t rows) const;
    TuningRows rowsOf(std::span<const std::int64_t> examples) const;

private:
    /// What is used of an example: `rows` inputs, up to what the last target needs.
    struct Use {
        std::int64_t tokens = 0, rows = 0, learned = 0;
    };
    Result<Use> useOf(std::size_t index, std::int64_t vocabSize, std::int64_t limit) const;

    std::span<const data::TuningExample> m_examples;
    std::vector<Use> m_uses;
    std::vector<std::int64_t> m_kept; ///< indices of examples with something to learn
    std::int64_t m_batch = 1, m_steps = 0, m_total = 0, m_seed = 0, m_truncated = 0, m_dropped = 0, m_longest = 0;
    bool m_packing = true;
};

/// The windows of pretraining text that go with each step; nothing where the settings replay none.
Result<std::optional<TuningBatches>> replayBatches(const FineTuneSettings& settings, const series::DecoderSpec& spec,
                                                   std::span<const data::TuningExample> windows, std::int64_t steps,
                                                   std::int64_t seed);

} // namespace crest::train
