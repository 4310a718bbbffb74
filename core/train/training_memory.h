// SPDX-License-Identifier: Apache-2.0
// What a fine-tune holds in memory, from shapes alone: DecoderPass allocates by these sizes, FineTune cuts its batches by
// these rows, and a plan says before anything runs what it will take (planned_memory.h). No LibTorch.
//
// Letters as in decoder_spec.h; a row is a token that goes through the model.
#pragma once

#include <cstdint>

#include "core/series/decoder_spec.h"
#include "core/train/fine_tune_settings.h"

namespace crest::train {

/// Columns (float32) of what a block keeps of each row for its backward pass; 0 where the kind of decoder has no such tensor,
/// or another one's memory serves for it.
struct BlockColumns {
    std::int64_t x = 0, attentionIn = 0, qkv = 0, attendedRows = 0, middle = 0, mlpSource = 0, mlpIn = 0, hidden = 0;
    std::int64_t branch1 = 0, branch2 = 0;                            ///< norms after a branch, or after its sum
    std::int64_t queries = 0, keys = 0, queryRstd = 0, keyRstd = 0;   ///< norms of heads
    std::int64_t lse = 0;
    static constexpr std::int64_t kStatistics = 4; ///< mean and 1 / deviation of two norms
    std::int64_t clipped = 0;                      ///< of one byte
    std::int64_t bytes() const;
};
BlockColumns blockColumns(const series::DecoderSpec& spec);

/// The same of what all blocks share and the ends of the decoder; those of the second line only with gradients. `end`: of the
/// rows that have a target, which alone leave the last block.
struct WorkColumns {
    std::int64_t last = 0, endX = 0, endAttended = 0, lastNormed = 0, embedded = 0, projected = 0, heads = 0;
    std::int64_t dx = 0, dNormed = 0, dNormed2 = 0, dEnd = 0, dEndAttended = 0, dBranch = 0, dEmbedded = 0, dProjected = 0, dHeads = 0,
                 dQkv = 0, dAttendedRows = 0, dHidden = 0;
    static constexpr std::int64_t kStatistics = 4; ///< of the final norm, and two of losses
    std::int64_t bytes() const;
};
WorkColumns workColumns(const series::DecoderSpec& spec, bool withGradients);

/// Rows of logits that a pass of so many rows holds at a time.
std::int64_t logitRows(const series::DecoderSpec& spec, std::int64_t rows);

/// Bytes of a pass of so many rows, in float32. `recompute`: blocks keep their input only.
std::int64_t passBytes(const series::DecoderSpec& spec, std::int64_t rows, bool recompute, bool withGradients = true);

/// About what a pass keeps for each row: what the number of rows is chosen by. Changing it moves sums' last bits.
std::int64_t roughBytesPerRow(const series::DecoderSpec& spec);

/// Rows of a pass of a fine-tune whose longest example has `longest` of them: so many that a small model's activations stay
/// in a core's cache, and enough of a large one, whose weights do not fit there anyway, to make reading them worth while;
/// no more than a lane's examples can have.
std::int64_t rowsOfPass(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t longest);

/// By what a pass computes: the fused kernels of the CPU, or LibTorch's own operations, as on every other device (model/ops.h).
enum class Operations { Fused, Plain };

/// Most bytes that a fine-tune holds at once where it computes, beside the process, its data and the mapped checkpoint, which it reads tensor
/// by tensor.
struct TrainingMemory {
    double weights = 0;     ///< float32, and the start where it pulls
    double moments = 0;     ///< both, and with adapters these themselves
    double gradients = 0;   ///< of every lane
    double rounded = 0;     ///< bfloat16: the copy of the weights that is multiplied with
    double passes = 0;      ///< activations and what is beside them, of every thread
    double workspaces = 0;  ///< of products and attention, of every thread
    double host = 0;        ///< Plain: in the machine's memory, for whoever measures or writes the weights; not in the sums below
    double peak() const { return weights + moments + gradients + rounded + passes + workspaces; }
    /// What stays once the last step is done.
    double tuned() const { return weights + moments + rounded; }
};
/// Plain: one lane, whatever the settings say, and adapters keep the start. The device's own context is not in it.
TrainingMemory trainingMemory(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t longest,
                              int threads, bool recompute, Operations operations = Operations::Fused);

} // namespace crest::train
