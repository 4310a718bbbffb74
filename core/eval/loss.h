// SPDX-License-Identifier: Apache-2.0
// Loss of token sequences under one or more versions of a checkpoint's weights, in one layer-major pass: every block's
// weights are made once for all sequences, so that memory holds a block and the activations, never the model
// (performance.md 2.5). Logits are never stored whole: the head runs by row blocks with a running log-sum-exp, over the
// scored rows alone. No padding: rows of sequences of any length go through products together, attention runs sequence
// by sequence. What sequences begin with in common is computed once (row_layout.h).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/decoder.h"

namespace crest::eval {

/// `ids` are the input tokens and, as their last, the final target: the token at index i >= 1 is predicted from those
/// before it. Tokens firstScored .. ids.size() - 1 count; 1 <= firstScored < ids.size().
struct Sequence {
    std::span<const std::int32_t> ids;
    std::int32_t firstScored = 1;
    bool greedy = false; ///< also the argmax at its scored positions

    std::int64_t inputs() const { return static_cast<std::int64_t>(ids.size()) - 1; }
    std::int64_t scored() const { return static_cast<std::int64_t>(ids.size()) - firstScored; }
};

struct LossOptions {
    /// Scratch beyond one block for block buffers and activations; decides how many versions go side by side, and never
    /// what comes out.
    std::int64_t memoryBytes = 32'000'000;
    std::int64_t headBytes = 3'000'000; ///< rows of the head that are held at a time, for each version
    bool greedy = false;                ///< the argmax at the scored positions of all sequences
    /// What two sequences begin with (16 tokens or more) is computed once, what is asked twice once. Nothing but the
    /// rounding of sums changes. false: every sequence by itself.
    bool share = true;
    /// Told once, before the work: how many tokens tokensDone will count (what is shared counts once).
    std::function<void(double)> tokensPlanned;
    /// Told how many tokens went through the whole decoder since the last call, all versions counted.
    std::function<void(double)> tokensDone;
};

/// What one version gave; arrays run over the scored tokens of all sequences, one sequence after the other.
struct VersionLoss {
    std::vector<float> tokenNats; ///< NaN or infinity where the model's logits are not finite
    std::vector<std::int32_t> greedy;  ///< -1 where it was not asked for; empty where nobody asked
};

/// OutOfRange where an id is not below the vocabulary or a sequence is longer than the context, naming the sequence;
/// Stopped.
Result<std::vector<VersionLoss>> sequenceLosses(model::Decoder& decoder, model::WeightSource& source,
                                                std::span<const Sequence> sequences, const LossOptions& options,
                                                const JobContext& job);

/// Logits [inputs, V] of one sequence in float32: for tests and comparisons, all of them stored.
Result<at::Tensor> sequenceLogits(model::Decoder& decoder, model::WeightSource& source,
                                  std::span<const std::int32_t> inputs);

} // namespace crest::eval
