// SPDX-License-Identifier: Apache-2.0
// The head by row blocks: losses of many tokens under several versions of the weights without a [tokens, V] array.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/job_context.h"
#include "core/eval/loss.h"

namespace crest::eval {

/// Which rows of the activations are scored, against what, and where the result goes; all of one length.
struct HeadRows {
    std::vector<std::int64_t> rows, targets, output;
    std::vector<std::uint8_t> greedy; ///< 1 where the argmax is wanted
};

/// Index of the head's weight: the embedding where they are tied.
int headTensor(const model::WeightReader& reader);

/// For each version: log-sum-exp over row blocks of the head (running, in double between blocks) minus the target's
/// logit.
class HeadLoss {
public:
    HeadLoss(model::Decoder& decoder, model::WeightSource& source, const HeadRows& rows, const LossOptions& options);

    /// x[k] [rows, E] before the final norm, of version firstVersion + k, is used up; fills losses[k] at
    /// HeadRows::output.
    Result<void> run(int firstVersion, const std::vector<at::Tensor>& x, std::span<VersionLoss> losses,
                     const JobContext& job);

private:
    bool isGreedy(std::size_t token) const { return m_allGreedy || m_rows.greedy[token] != 0; }
    /// What is known of each token after some row blocks.
    struct Running {
        std::vector<double> logSum;
        std::vector<float> target, best;
        std::vector<std::int32_t> bestId;
    };
    /// The scored rows after the final norm: float32, or words for a packed head.
    std::vector<at::Tensor> normed(int firstVersion, const std::vector<at::Tensor>& x);
    /// Rows [firstId, firstId + size) of the head, of every version, against all tokens.
    void blockOfHead(int firstVersion, const std::vector<at::Tensor>& x, std::int64_t firstId, std::int64_t size,
                     std::vector<Running>& running);
    void packedBlockOfHead(int firstVersion, const std::vector<at::Tensor>& x, std::int64_t firstId, std::int64_t size,
                           std::vector<Running>& running);
    void reducePacked(const at::Tensor& x, const model::Word* weight, std::int64_t firstId, std::int64_t size,
                      Running& running);
    void blockOfRows(const at::Tensor& x, const at::Tensor& weight, std::int64_t firstId, Running& running);
    void reduce(at::Tensor& logits, std::int64_t firstToken, std::int64_t firstId, Running& running);
    void reduceOnCpu(float* logits, std::int64_t count, std::int64_t size, std::int64_t firstToken,
                     std::int64_t firstId, Running& running);

    model::Decoder& m_decoder;
    model::WeightSource& m_source;
    const HeadRows& m_rows;
    bool m_allGreedy; ///< the argmax of all rows
    bool m_greedy;    ///< of some, at least
    bool m_panels;    ///< the head's rows are put into panels
    std::int64_t m_headBytes;
};

} // namespace crest::eval
