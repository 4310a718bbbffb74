// SPDX-License-Identifier: Apache-2.0
// The forward pass of one decoder, block by block, over weights that the caller made: what scoring and probes are built
// from. Any family that DecoderSpec can say; no family is asked for by name.
//
// Letters as in ops.h. Activations are float32. Compute::BFloat16 rounds weights and the inputs of every product to
// bfloat16 and sums in float32; statistics of norms, softmax, activations and the residual stream stay float32. It runs
// packed (core/model/packed_decoder.h) on a CPU with AMX or AVX512_BF16, else product by product (ops.h; other devices
// round their results, too). Buffers grow to the largest batch seen and are used again. One object per thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/ops.h"
#include "core/model/packed_decoder.h"
#include "core/model/row_pieces.h"
#include "core/model/weight_source.h"

namespace crest::model {

enum class Compute { Float32, BFloat16 };

struct DecoderOptions {
    at::Device device = at::kCPU;
    Compute compute = Compute::Float32;
};

/// Weights of one block (or the final norm) in one buffer, products in the compute type. Undefined where the decoder
/// has none.
struct BlockWeights {
    at::Tensor qkv, qkvBias;                         ///< [(H + 2K) D, E], rows as stored: q | k | v, or fused per head
    at::Tensor attentionOutput, attentionOutputBias; ///< [E, H D]
    at::Tensor mlpIn, mlpInBias;                     ///< [2F, E] gate | up, or [F, E]
    at::Tensor down, downBias;                       ///< [E, F]
    at::Tensor inputNorm, inputNormBias, mlpNorm, mlpNormBias;
    at::Tensor queryNorm, keyNorm; ///< [H D] and [K D], or [D]
};

/// The rotary table of a layer for tokens 0 .. positions - 1 of a sequence of `tokens` tokens.
RotaryTable layerRotaryTable(const series::DecoderSpec& spec, std::int64_t layer, std::int64_t tokens,
                             std::int64_t positions, const at::Device& device);

class Decoder {
public:
    Decoder(const series::DecoderSpec& spec, const DecoderOptions& options);

    const series::DecoderSpec& spec() const { return m_spec; }
    const DecoderOptions& options() const { return m_options; }

    /// Bytes of one block's buffer.
    std::int64_t blockBytes() const;
    /// Tokens that go through a block at a time, so that its intermediate values stay in the cache.
    std::int64_t chunkTokens() const;
    /// Rows of a piece that should go through a block at a time: longer ones are better cut. Tiles take whole sequences.
    std::int64_t longestPiece() const { return m_packed ? m_spec.contextLength : chunkTokens(); }
    /// Makes block `layer` of versions firstVersion .. + count - 1 into buffers 0 .. count - 1, for `rows` rows.
    void loadBlock(WeightSource& source, int layer, int firstVersion, int count, std::int64_t rows);
    /// Block `layer` of one version for good, never packed: for decoding token by token. `matrix` gives memory of the
    /// weight type for [rows, columns].
    using MatrixMaker = std::function<at::Tensor(std::int64_t rows, std::int64_t columns)>;
    BlockWeights makeBlock(WeightSource& source, int layer, int version, const MatrixMaker& matrix);
    /// x [N, E] through the block in buffer `buffer`, in place: the rows of `pieces`, one after the other. Pieces that
    /// follow kept ones come in later calls, too, as long as the same block of the same version is walked. Rows that
    /// nobody reads (RowPiece::unread) stay as they are.
    void forwardBlock(int buffer, at::Tensor& x, std::span<const RowPiece> pieces);
    /// x [B T, E]: B sequences of T tokens.
    void forwardBlock(int buffer, at::Tensor& x, std::int64_t batch, std::int64_t tokens);

    /// Makes the final norm of those versions, and applies it: in place, or rounded into `words` [N up to whole tiles,
    /// paddedWords(E)] for a packed head.
    void loadFinalNorm(WeightSource& source, int firstVersion, int count);
    void finalNorm(int buffer, at::Tensor& x);
    void finalNorm(int buffer, const at::Tensor& x, at::Tensor& words);
    /// True where blocks are packed and the head is to be, too (packRows).
    bool packed() const { return m_packed.has_value(); }

    /// True where what was read for `rows` rows is to leave resident memory: reading the map again costs less than a
    /// hundredth of the time that they take, or the model is large.
    bool releases(std::int64_t rows) const;
    /// True where weights that `rows` rows meet are better put into panels (ops.h).
    bool wantsPanels(std::int64_t rows) const;
    at::ScalarType weightType() const { return m_options.compute == Compute::BFloat16 ? at::kBFloat16 : at::kFloat; }

    /// Makes elements [first, first + out[k].numel()) of a tensor into out[k] (weight type, contiguous) for each
    /// version.
    void makeInto(WeightSource& source, int tensor, std::int64_t first, int firstVersion, std::span<at::Tensor> out);

    /// A float32 buffer [rows, columns] of this decoder, kept under `name` and grown when needed.
    at::Tensor buffer(const char* name, std::int64_t rows, std::int64_t columns, at::ScalarType type = at::kFloat);

private:
    BlockWeights allocateBlock(const MatrixMaker& matrix) const;
    BlockWeights makeBuffers() const;
    void fillBlocks(WeightSource& source, int layer, int firstVersion, std::span<const BlockWeights> blocks);
    void releaseLayer(const WeightReader& reader, int layer) const;
    void makeTransposed(WeightSource& source, int tensor, int firstVersion, std::span<at::Tensor> out);
    void makePart(WeightSource& source, int tensor, int firstVersion, std::span<at::Tensor> parts);
    const RotaryTable& rotaryFor(std::int64_t tokens);
    /// linear() with a weight of a block's buffers.
    void blockProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
                      bool accumulate = false);
    void normHeads(at::Tensor& x, const at::Tensor& gain);
    void norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y);
    /// Rows of a chunk of `rows` that go through all that works row by row before the next ones.
    std::int64_t rowsAtATime(std::int64_t rows) const;
    /// What attention gives for x, before its output product; kept until the next block.
    at::Tensor attended(const BlockWeights& w, const at::Tensor& x, std::span<const RowPiece> pieces);
    /// The rest of the block for the same rows of both, x in place: of all, or of as many as go together.
    void finish(const BlockWeights& w, const at::Tensor& joined, at::Tensor& x);
    void finishRows(const BlockWeights& w, const at::Tensor& joined, at::Tensor& x);
    /// out = mlp(in), or out += mlp(in).
    void mlp(const BlockWeights& w, const at::Tensor& in, at::Tensor& out, bool add);

    series::DecoderSpec m_spec;
    DecoderOptions m_options;
    struct Rotary {
        RotaryTable table;
        std::int64_t stretchedFor = 0; ///< sequence length that the table holds for; 0: any
    };
    Rotary m_rotary, m_windowRotary; ///< of layers without and with a window of their own base
    int m_layer = 0;                 ///< that the buffers hold
    bool m_inPanels = false;         ///< the buffers' matrices
    PathRows m_path; ///< of the pieces that are walked
    std::optional<PackedDecoder> m_packed;
    std::vector<BlockWeights> m_blocks;
    struct FinalNorm {
        at::Tensor gain, bias;
    };
    std::vector<FinalNorm> m_finalNorms;
    std::map<std::string, at::Tensor> m_buffers;
    std::vector<std::vector<float>> m_staging; ///< float32 stretches on their way to another type or device
};

/// Opens libtorch_cuda.so where there is one and a GPU driver; call once before the first use of LibTorch. Harmless
/// elsewhere.
void loadAccelerator();
/// "cpu", "cuda", "cuda:1" as a device; Unsupported where this machine or build has none.
Result<at::Device> deviceFromName(const std::string& name);

} // namespace crest::model
