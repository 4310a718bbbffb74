// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of a decoder over some rows (tokens) at a time, without autograd: every intermediate tensor
// is allocated once and reused, small enough that it stays in the processor's cache. Rows belong to documents that
// neither attend to each other nor share positions, so rows of many documents share their products and nothing is padded.
#pragma once

#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/ops.h"
#include "core/series/decoder_spec.h"
#include "core/train/document_attention.h"
#include "core/train/parameters.h"

namespace crest::train {

class PassMemory;

/// Not shared between threads; several passes may read the same weights at once.
class DecoderPass {
public:
    /// For up to `rows` ids at a time, of documents of up to `longest` ids (at most the model's context).
    /// `withGradients`: forwardBackward may be called. `recompute`: blocks keep their input only, and the rest is computed
    /// once more before it is needed (activation checkpointing): the same bits in less memory and more time.
    DecoderPass(const series::DecoderSpec& spec, std::int64_t rows, std::int64_t longest, bool withGradients,
                const at::Device& device = at::kCPU, bool recompute = false);

    /// Losses in nats of each target, [N] float32, valid until the next call. ids and targets: [N] int64; targets below
    /// 0 are ignored (loss 0, and the head is not computed for them). `documents`: lengths that sum up to N; none: all
    /// of `longest` ids.
    const at::Tensor& forward(const DecoderTensors& weights, const at::Tensor& ids, const at::Tensor& targets,
                              std::span<const std::int64_t> documents = {});
    /// The same, and gradients += d(gradScale * sum of losses). Those that are undefined (partOf) are not wanted, and not
    /// computed where that saves a product; the matrices of blocks are wanted all or none.
    const at::Tensor& forwardBackward(const DecoderTensors& weights, DecoderTensors& gradients, const at::Tensor& ids,
                                      const at::Tensor& targets, double gradScale,
                                      std::span<const std::int64_t> documents = {});

    /// Sequences for one pass so that its activations stay within `bytes`: between 1 and `limit`, a divisor of `limit`.
    static std::int64_t sequencesWithin(const series::DecoderSpec& spec, std::int64_t tokens, std::int64_t limit,
                                        std::int64_t bytes);

private:
    /// What a block keeps for its backward pass; undefined where the kind of decoder has none.
    struct Saved {
        at::Tensor x, attentionIn, mean1, rstd1, qkv, clipped, attendedRows, lse, middle, mlpSource, mean2, rstd2, mlpIn,
            hidden;
        at::Tensor branch1, branch2; ///< what norms after a branch, or after its sum, read
        at::Tensor queries, queryRstd, keys, keyRstd; ///< before the norms of heads
        at::Tensor q, k, v, attended;                 ///< views
    };
    /// What all blocks share, and the ends of the decoder.
    struct Work {
        at::Tensor embedded, last, lastNormed, lastMean, lastRstd, projected, loss, headLoss;
        at::Tensor dx, dBranch, dNormed, dNormed2, dProjected, dEmbedded, dQkv, dAttendedRows, dHidden, dHeads;
        at::Tensor endX, endAttended, dEnd, dEndAttended; ///< x, attendedRows and their gradients, of rows that have a target
        at::Tensor heads; ///< of queries or keys, side by side
        at::Tensor dq, dk, dv, dAttended; ///< views
    };
    Saved makeSaved(std::int64_t rows, PassMemory& memory) const;
    static Saved withInput(Saved block, const at::Tensor& input);
    void allocateBlocks(std::int64_t rows, PassMemory& memory);
    void allocateWork(std::int64_t rows, bool withGradients, PassMemory& memory);
    void use(std::int64_t rows);
    void useAtEnd(std::int64_t wanted);
    static bool roundsProducts(const BlockTensors& w) { return w.qkv.scalar_type() == at::kBFloat16; }
    Saved firstRows(const Saved& all, std::int64_t rows) const;
    Work firstRows(const Work& all, std::int64_t rows) const;
    void splitHeads(at::Tensor& qkv, at::Tensor& q, at::Tensor& k, at::Tensor& v) const;

    void start(const at::Tensor& ids, const at::Tensor& targets, std::span<const std::int64_t> documents);
    void embed(const DecoderTensors& weights, const at::Tensor& ids);
    void block(const BlockTensors& w, std::int64_t layer);
    void afterAttention(const BlockTensors& w, Saved& s, at::Tensor& next);
    void attention(const BlockTensors& w, Saved& s, std::int64_t layer);
    void normHeads(at::Tensor& x, const at::Tensor& gain, at::Tensor& before, at::Tensor& rstd);
    void mlp(const BlockTensors& w, Saved& s);
    void norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y, at::Tensor& mean,
              at::Tensor& rstd);
    /// Up to what the head multiplies: the rows that have a target.
    const at::Tensor& body(const DecoderTensors& weights, const at::Tensor& ids);
    void spreadLosses();

    void blockBackward(const BlockTensors& w, BlockTensors& g, std::int64_t layer);
    void afterAttentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s, Work& work);
    /// From the gradient of what was attended to that of the branch's input.
    void attentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s, std::int64_t layer);
    /// From the gradient of the branch's output, which may be added to another's, to that of its input.
    void mlpBackward(const BlockTensors& w, BlockTensors& g, Saved& s, Work& work, const at::Tensor& dOut);
    void normHeadsBackward(at::Tensor& dx, const at::Tensor& gain, const at::Tensor& before, const at::Tensor& rstd,
                           at::Tensor& dGain);
    void normBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& mean,
                      const at::Tensor& rstd, at::Tensor& dx, at::Tensor& dGain, at::Tensor& dBias);
    void headBackward(const DecoderTensors& weights, DecoderTensors& gradients, double gradScale);
    void embedBackward(const DecoderTensors& weights, DecoderTensors& gradients, const at::Tensor& ids);

    series::DecoderSpec m_spec;
    bool m_recompute;
    std::int64_t m_longest, m_rows = 0;
    DocumentAttention m_attention;
    std::vector<Saved> m_allBlocks, m_blocks; ///< as allocated, and their first m_rows rows
    Work m_allWork, m_work;
    /// After its attention the last block, and what follows it, goes on with the rows that have a target, side by side: the others
    /// reach no loss. Where all have one these are m_blocks.back() and m_work.
    Saved m_allEnd, m_end;
    Work m_endWork;
    at::Tensor m_logits, m_ones; ///< ones: gains of norms without weights
    at::Tensor m_unwanted;       ///< takes the gradients of gains that nobody wants
    std::vector<DocumentGroup> m_groups;
    at::Tensor m_positions, m_learned, m_targets; ///< of the call: learned positions; rows with a target, their targets
    bool m_allLearned = true;
};

} // namespace crest::train
