// SPDX-License-Identifier: Apache-2.0
#include "core/train/tile_pass.h"

#include <algorithm>
#include <cmath>

#include "core/model/pages.h"

namespace crest::train {

using model::BFloat16Kernels;
using model::bfloat16Kernels;
using model::ProductTarget;
using model::Word;

namespace {

constexpr std::int64_t kTile = BFloat16Kernels::kTile;
constexpr std::int64_t kTileLogitBytes = 1 << 24; ///< logits held at a time
/// Words between rows of a transposed matrix beyond its length: rows of a power of two would share cache sets.
constexpr std::int64_t kGap = 32;

std::int64_t wholeTiles(std::int64_t n) {
    return (n + kTile - 1) / kTile * kTile;
}
Word* words(at::Tensor& t) {
    return static_cast<Word*>(t.mutable_data_ptr());
}
const Word* words(const at::Tensor& t) {
    return static_cast<const Word*>(t.const_data_ptr());
}
float* floats(at::Tensor& t) {
    return t.mutable_data_ptr<float>();
}
const float* floats(const at::Tensor& t) {
    return t.const_data_ptr<float>();
}

ProductTarget toWords(at::Tensor& y) {
    return {words(y), nullptr, nullptr, y.size(1)};
}
ProductTarget toFloats(at::Tensor& y, const float* addend = nullptr) {
    return {nullptr, floats(y), addend, y.size(1)};
}

} // namespace

PackedWeights::PackedWeights(const DecoderTensors& weights) {
    std::int64_t largest = 0;
    const auto make = [&](const at::Tensor& weight) {
        largest = std::max(largest, wholeTiles(weight.size(0)) * weight.size(1));
        return allocate(weight);
    };
    for (const BlockTensors& b : weights.blocks)
        m_blocks.push_back({make(b.qkv), make(b.attentionOut), make(b.mlpIn), make(b.down)});
    m_head = make(weights.head);
    m_rounded = model::zeroPages({largest}, at::kBFloat16);
}

PackedWeights::Matrix PackedWeights::allocate(const at::Tensor& weight) {
    const std::int64_t size = wholeTiles(weight.size(0)) * weight.size(1);
    return {model::zeroPages({size}, at::kBFloat16), model::zeroPages({size}, at::kBFloat16)};
}

void PackedWeights::fill(const at::Tensor& weight, Matrix& matrix) {
    const BFloat16Kernels& kernels = *bfloat16Kernels();
    const std::int64_t out = weight.size(0), in = weight.size(1);
    kernels.toWords(out * in, floats(weight), words(m_rounded));
    std::fill_n(words(m_rounded) + out * in, (wholeTiles(out) - out) * in, Word{0});
    kernels.packTurned(wholeTiles(out), in, words(m_rounded), in, words(matrix.forward));
    kernels.pack(wholeTiles(out), in, words(m_rounded), in, words(matrix.backward));
}

void PackedWeights::update(const DecoderTensors& weights) {
    for (std::size_t i = 0; i < m_blocks.size(); ++i) {
        fill(weights.blocks[i].qkv, m_blocks[i].qkv);
        fill(weights.blocks[i].attentionOut, m_blocks[i].attentionOut);
        fill(weights.blocks[i].mlpIn, m_blocks[i].mlpIn);
        fill(weights.blocks[i].down, m_blocks[i].down);
    }
    fill(weights.head, m_head);
}

bool TilePass::supports(const series::DecoderSpec& s, std::int64_t tokens) {
    const auto whole = [](std::initializer_list<std::int64_t> sizes) {
        return std::all_of(sizes.begin(), sizes.end(), [](std::int64_t n) { return n % kTile == 0; });
    };
    series::DecoderSpec plain; // what a spec says beyond these sizes is another kind of decoder
    plain.family = s.family, plain.vocabSize = s.vocabSize, plain.width = s.width, plain.layers = s.layers;
    plain.heads = s.heads, plain.kvHeads = s.kvHeads, plain.headSize = s.headSize, plain.mlpWidth = s.mlpWidth;
    plain.contextLength = s.contextLength, plain.normEps = s.normEps, plain.tiedHead = s.tiedHead;
    plain.ropeBase = s.ropeBase, plain.ropeDims = s.ropeDims;
    return bfloat16Kernels() && s == plain && whole({tokens, s.width, s.headSize, s.mlpWidth});
}

TilePass::TilePass(const series::DecoderSpec& spec, std::int64_t sequences, std::int64_t tokens)
    : m_kernels(*bfloat16Kernels())
    , m_spec(spec)
    , m_sequences(sequences)
    , m_tokens(tokens)
    , m_rows(sequences * tokens)
    , m_rotary(model::rotaryTable(spec.ropeBase, spec.ropeDims, tokens, at::kCPU)) {
    const std::int64_t heads = spec.heads * spec.headSize, qkv = heads + 2 * spec.kvHeads * spec.headSize;
    const std::int64_t vocab = wholeTiles(spec.vocabSize);
    m_shape = {tokens,
               spec.heads,
               spec.kvHeads,
               spec.headSize,
               qkv,
               heads,
               static_cast<float>(1 / std::sqrt(static_cast<double>(spec.headSize)))};
    const auto wide = [&](std::int64_t width) { return model::zeroPages({m_rows, width}, at::kFloat); };
    const auto rounded = [&](std::int64_t width) { return model::zeroPages({m_rows, width}, at::kBFloat16); };
    const auto column = [&] { return at::zeros({m_rows}, at::kFloat); };
    for (std::int64_t layer = 0; layer < spec.layers; ++layer)
        m_blocks.push_back({wide(spec.width), rounded(spec.width), column(), rounded(qkv), rounded(heads),
                            at::zeros({sequences, spec.heads, tokens}, at::kFloat), wide(spec.width),
                            rounded(spec.width), column(), rounded(2 * spec.mlpWidth), rounded(spec.mlpWidth)});
    m_last = wide(spec.width), m_lastNormed = rounded(spec.width), m_lastRstd = column(), m_loss = column();
    m_headRows = std::min(m_rows, std::clamp<std::int64_t>(kTileLogitBytes / (2 * vocab) / kTile * kTile, 2 * kTile, 512));
    m_logits = model::zeroPages({m_headRows, vocab}, at::kBFloat16);
    m_dx = wide(spec.width), m_dxRounded = rounded(spec.width), m_dNormed = wide(spec.width);
    m_dAttended = rounded(heads), m_dQkv = rounded(qkv), m_dHidden = rounded(spec.mlpWidth);
    const std::int64_t widest = std::max({qkv, 2 * spec.mlpWidth, spec.width});
    m_turned = model::zeroPages({std::max(widest * (m_rows + kGap), vocab * (m_headRows + kGap))}, at::kBFloat16);
    m_packed = model::zeroPages({m_rows * std::max({spec.width, heads, spec.mlpWidth})}, at::kBFloat16);
    m_scratch = model::zeroPages({m_kernels.attentionScratch(m_shape)}, at::kByte);
}

void TilePass::rope(at::Tensor& qkv, bool inverse) {
    if (m_spec.ropeDims > 0)
        m_kernels.rope(m_rows, m_tokens, m_spec.heads + m_spec.kvHeads, m_spec.headSize, m_spec.ropeDims, words(qkv),
                   qkv.size(1), floats(m_rotary.cos), floats(m_rotary.sin), inverse);
}

void TilePass::attention(Saved& s) {
    const std::int64_t keys = m_spec.heads * m_spec.headSize, values = keys + m_spec.kvHeads * m_spec.headSize;
    for (std::int64_t b = 0; b < m_sequences; ++b) {
        const Word* q = words(s.qkv) + b * m_tokens * m_shape.stride;
        m_kernels.attention(m_shape, q, q + keys, q + values, words(s.attended) + b * m_tokens * m_shape.outStride,
                        floats(s.lse) + b * m_spec.heads * m_tokens, m_scratch.mutable_data_ptr());
    }
}

void TilePass::attentionBackward(Saved& s) {
    const std::int64_t keys = m_spec.heads * m_spec.headSize, values = keys + m_spec.kvHeads * m_spec.headSize;
    for (std::int64_t b = 0; b < m_sequences; ++b) {
        const std::int64_t at = b * m_tokens * m_shape.stride, outAt = b * m_tokens * m_shape.outStride;
        const Word* q = words(s.qkv) + at;
        Word* dq = words(m_dQkv) + at;
        m_kernels.attentionBackward(m_shape, q, q + keys, q + values, words(s.attended) + outAt,
                                floats(s.lse) + b * m_spec.heads * m_tokens, words(m_dAttended) + outAt, dq, dq + keys,
                                dq + values, m_scratch.mutable_data_ptr());
    }
}

void TilePass::forwardBlock(const PackedWeights::Block& w, const BlockTensors& norms, Saved& s, at::Tensor& next) {
    const std::int64_t width = m_spec.width, heads = m_shape.outStride, mlp = m_spec.mlpWidth;
    const auto eps = static_cast<float>(m_spec.normEps);
    m_kernels.rmsNorm(m_rows, width, floats(s.x), floats(norms.inputNorm), eps, words(s.normed1), floats(s.rstd1));
    m_kernels.product(m_rows, m_shape.stride, width, words(s.normed1), width, words(w.qkv.forward), toWords(s.qkv));
    rope(s.qkv, false);
    attention(s);
    m_kernels.product(m_rows, width, heads, words(s.attended), heads, words(w.attentionOut.forward),
                  toFloats(s.middle, floats(s.x)));
    m_kernels.rmsNorm(m_rows, width, floats(s.middle), floats(norms.mlpNorm), eps, words(s.normed2), floats(s.rstd2));
    m_kernels.product(m_rows, 2 * mlp, width, words(s.normed2), width, words(w.mlpIn.forward), toWords(s.mlpIn));
    m_kernels.siluGate(m_rows, mlp, words(s.mlpIn), words(s.hidden));
    m_kernels.product(m_rows, width, mlp, words(s.hidden), mlp, words(w.down.forward), toFloats(next, floats(s.middle)));
}

void TilePass::weightGradient(const at::Tensor& dy, const at::Tensor& x, at::Tensor& dWeight) {
    const std::int64_t rows = x.size(0), in = x.size(1), out = dy.size(1), strip = rows + kGap;
    m_kernels.turn(rows, out, words(dy), out, words(m_turned), strip);
    m_kernels.pack(rows, in, words(x), in, words(m_packed));
    m_kernels.product(dWeight.size(0), in, rows, words(m_turned), strip, words(m_packed),
                  toFloats(dWeight, floats(dWeight)));
}

void TilePass::backwardBlock(const PackedWeights::Block& w, const BlockTensors& norms, BlockTensors& g, Saved& s) {
    // m_dx holds the gradient of the block's output and ends as the gradient of its input.
    const std::int64_t width = m_spec.width, heads = m_shape.outStride, mlp = m_spec.mlpWidth;
    m_kernels.product(m_rows, mlp, width, words(m_dxRounded), width, words(w.down.backward), toWords(m_dHidden));
    weightGradient(m_dxRounded, s.hidden, g.down);
    m_kernels.siluGateBackward(m_rows, mlp, words(m_dHidden), words(s.mlpIn));
    m_kernels.product(m_rows, width, 2 * mlp, words(s.mlpIn), 2 * mlp, words(w.mlpIn.backward), toFloats(m_dNormed));
    weightGradient(s.mlpIn, s.normed2, g.mlpIn);
    m_kernels.rmsNormBackward(m_rows, width, floats(m_dNormed), floats(s.middle), floats(norms.mlpNorm), floats(s.rstd2),
                          floats(m_dx), words(m_dxRounded), floats(g.mlpNorm));
    m_kernels.product(m_rows, heads, width, words(m_dxRounded), width, words(w.attentionOut.backward),
                  toWords(m_dAttended));
    weightGradient(m_dxRounded, s.attended, g.attentionOut);
    attentionBackward(s);
    rope(m_dQkv, true);
    m_kernels.product(m_rows, width, m_shape.stride, words(m_dQkv), m_shape.stride, words(w.qkv.backward),
                  toFloats(m_dNormed));
    weightGradient(m_dQkv, s.normed1, g.qkv);
    m_kernels.rmsNormBackward(m_rows, width, floats(m_dNormed), floats(s.x), floats(norms.inputNorm), floats(s.rstd1),
                          floats(m_dx), words(m_dxRounded), floats(g.inputNorm));
}

void TilePass::head(const PackedWeights& packed, at::Tensor& dHead, const at::Tensor& targets, double gradScale) {
    const std::int64_t width = m_spec.width, vocab = m_spec.vocabSize, padded = m_logits.size(1);
    for (std::int64_t row = 0; row < m_rows; row += m_headRows) {
        const std::int64_t n = std::min(m_headRows, m_rows - row);
        at::Tensor logits = m_logits.narrow(0, 0, n), dNormed = m_dNormed.narrow(0, row, n);
        const at::Tensor x = m_lastNormed.narrow(0, row, n);
        m_kernels.product(n, padded, width, words(x), width, words(packed.head().forward), toWords(logits));
        m_kernels.crossEntropy(n, vocab, words(logits), padded, targets.const_data_ptr<std::int64_t>() + row,
                           floats(m_loss) + row, static_cast<float>(gradScale));
        m_kernels.product(n, width, padded, words(logits), padded, words(packed.head().backward), toFloats(dNormed));
        weightGradient(logits, x, dHead);
    }
}

const at::Tensor& TilePass::forwardBackward(const PackedWeights& packed, const DecoderTensors& weights,
                                            DecoderTensors& gradients, const at::Tensor& ids, const at::Tensor& targets,
                                            double gradScale) {
    const std::size_t layers = m_blocks.size();
    model::embedding(ids, weights.embedding, m_blocks[0].x);
    for (std::size_t i = 0; i < layers; ++i)
        forwardBlock(packed.blocks()[i], weights.blocks[i], m_blocks[i], i + 1 < layers ? m_blocks[i + 1].x : m_last);
    m_kernels.rmsNorm(m_rows, m_spec.width, floats(m_last), floats(weights.finalNorm), static_cast<float>(m_spec.normEps),
                  words(m_lastNormed), floats(m_lastRstd));
    head(packed, gradients.head, targets, gradScale);
    m_dx.zero_();
    m_kernels.rmsNormBackward(m_rows, m_spec.width, floats(m_dNormed), floats(m_last), floats(weights.finalNorm),
                          floats(m_lastRstd), floats(m_dx), words(m_dxRounded), floats(gradients.finalNorm));
    for (std::size_t i = layers; i-- > 0;)
        backwardBlock(packed.blocks()[i], weights.blocks[i], gradients.blocks[i], m_blocks[i]);
    model::embeddingBackward(ids, m_dx, gradients.embedding);
    return m_loss;
}

} // namespace crest::train
