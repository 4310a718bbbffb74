// SPDX-License-Identifier: Apache-2.0
// A decoder whose weights are made once and kept, for text that grows token by token: prompts go through in chunks, then
// each step takes one token for each row and costs what reading the weights once costs. Any family that DecoderSpec can
// say; the same numbers as Decoder's forward pass up to the order of sums. On a CPU the rows of a step have the same
// bits in any company, and those of a prompt do not depend on other prompts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/base/job_context.h"
#include "core/model/decoder.h"
#include "core/model/kv_cache.h"

namespace crest::model {

/// One token of one row on its way through the decoder.
struct StepRow {
    std::int32_t id = 0;
    std::int64_t slot = 0, row = 0; ///< of the cache; row counts through all slots
    std::int64_t prefix = 0;        ///< tokens of the slot's prompt
    /// For each token after the prompt, this one included, the row that holds its keys and values: the last is `row`.
    std::span<const std::int32_t> history;

    std::int64_t position() const { return prefix + static_cast<std::int64_t>(history.size()) - 1; }
};

class ResidentDecoder {
public:
    /// Memory that the weights take.
    static std::int64_t bytes(const series::DecoderSpec& spec, Compute compute);

    /// Makes all weights of a version but the tables of embeddings, which are read from `source` row by row. `decoder`
    /// (buffers, device, compute type) and `source` are used as long as this lives.
    static Result<ResidentDecoder> make(Decoder& decoder, WeightSource& source, int version, const JobContext& job = {});

    const series::DecoderSpec& spec() const { return m_decoder->spec(); }

    /// The most tokens of a prompt that go through at a time. A chunk's keys and values depend on the tokens before it
    /// and on its own length alone.
    static constexpr std::int64_t kPromptChunk = 128;
    /// Tokens first .. first + ids.size() - 1 of a slot's prompt, whose earlier tokens are in the cache; at most
    /// kPromptChunk. Where `logits` [1, V] is defined it becomes those after the last of them.
    void prompt(KvCache& cache, std::int64_t slot, std::int64_t first, std::span<const std::int32_t> ids,
                at::Tensor& logits);
    /// One token more of each row: logits [rows, V].
    void step(KvCache& cache, std::span<const StepRow> rows, at::Tensor& logits);

private:
    struct Branch; ///< where the tokens of a pass stand, and how they attend
    ResidentDecoder(Decoder& decoder, WeightSource& source, int version);

    at::Tensor matrix(std::int64_t rows, std::int64_t columns);
    void makeEnds();
    void reservePositions(std::int64_t tokens);
    const RotaryTable& rotary(int layer) const;

    void embed(std::span<const std::int32_t> ids, std::span<const std::int64_t> positions, at::Tensor& x);
    void addRows(series::TensorSlot slot, std::span<const std::int64_t> rows, at::Tensor& x, bool add);
    void forward(at::Tensor& x, const Branch& branch);
    void block(int layer, at::Tensor& x, const Branch& branch);
    void head(const at::Tensor& x, at::Tensor& logits);
    /// What attention gives for the rows of x from `unread` on, before its output product.
    at::Tensor attended(int layer, const at::Tensor& x, std::int64_t unread, const Branch& branch);
    /// The rest of the block for the same rows of both, x in place.
    void finishRows(int layer, const at::Tensor& joined, at::Tensor& x);
    void mlp(int layer, const at::Tensor& in, at::Tensor& out, bool add);
    void attendPrompt(int layer, at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& heads,
                      const Branch& branch);
    void attendStep(int layer, at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& heads,
                    const Branch& branch);
    void attendRow(int layer, const StepRow& row, const KvCache& cache, const at::Tensor& q, at::Tensor& heads);
    void normHeads(at::Tensor& x, const at::Tensor& gain);
    void norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y);
    void product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
                 bool accumulate = false);

    Decoder* m_decoder;
    WeightSource* m_source;
    int m_version;
    at::Tensor m_arena; ///< all matrices, one after the other
    std::int64_t m_used = 0;
    std::vector<BlockWeights> m_blocks;
    at::Tensor m_finalGain, m_finalBias, m_projectIn, m_projectOut, m_head;
    RotaryTable m_rotary, m_windowRotary;
    std::int64_t m_positions = 0; ///< that the tables hold
    bool m_few = false;           ///< products read the matrix once
};

} // namespace crest::model
