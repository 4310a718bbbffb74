// SPDX-License-Identifier: Apache-2.0
// One prompt's way to its answer, logits by logits: what generation.cpp feeds and asks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/eval/generation.h"

namespace crest::eval {

class Continuation {
public:
    /// A token that the decoder wants logits for, and which of the rows before it continues.
    struct Next {
        std::int32_t id = 0;
        int parent = 0;
    };

    virtual ~Continuation() = default;
    /// Takes the logits [rows, V] of the tokens in next() (before the first call: one row, those after the prompt); uses
    /// them up. NonFinite where they are not finite.
    virtual Result<void> advance(float* logits) = 0;
    /// Empty: finished.
    const std::vector<Next>& next() const { return m_next; }
    virtual Generated answer() const = 0;

protected:
    std::vector<Next> m_next;
};

/// By `options`: greedy, sampled or by beams. `prompt` and `options` outlive it; `index` is the prompt's among those of
/// the call.
std::unique_ptr<Continuation> makeContinuation(std::span<const std::int32_t> prompt, std::size_t index,
                                               std::int64_t vocabSize, const GenerationOptions& options);

} // namespace crest::eval
