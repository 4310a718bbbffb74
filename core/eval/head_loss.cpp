// SPDX-License-Identifier: Apache-2.0
#include "core/eval/head_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>

#include "core/eval/embedding.h"
#include "core/model/kernels.h"

namespace crest::eval {

using model::Decoder;
using model::WeightSource;
using series::TensorSlot;

namespace {

/// Logits held at a time: of one thread, they and the head's rows share a cache; several threads each take a part of the rows.
constexpr std::int64_t kLogitBytes = 1 << 18, kSharedLogitBytes = 1 << 20;
constexpr std::int64_t kLeastRows = 64, kLeastTokens = 128;
constexpr std::int64_t kPackedRows = model::BFloat16Forward::kTile;

double logAddExp(double a, double b) {
    if (a == -std::numeric_limits<double>::infinity())
        return b;
    if (std::isnan(b))
        return b; // std::max and std::min would give `a` back
    const double high = std::max(a, b), low = std::min(a, b);
    return std::isfinite(high) ? high + std::log1p(std::exp(low - high)) : a + b;
}

/// The first id of the largest logit; the maximum is searched in lanes, then the place.
void argmax(const float* logits, std::int64_t size, std::int64_t firstId, float& best, std::int32_t& bestId) {
    constexpr std::int64_t kLanes = 16;
    float lanes[kLanes];
    std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
    std::int64_t j = 0;
    for (; j + kLanes <= size; j += kLanes)
        for (std::int64_t lane = 0; lane < kLanes; ++lane)
            lanes[lane] = logits[j + lane] > lanes[lane] ? logits[j + lane] : lanes[lane];
    float top = *std::max_element(lanes, lanes + kLanes);
    for (; j < size; ++j)
        top = std::max(top, logits[j]);
    if (!(top > best))
        return;
    best = top;
    bestId = static_cast<std::int32_t>(firstId + (std::find(logits, logits + size, top) - logits));
}

} // namespace

int headTensor(const model::WeightReader& reader) {
    return reader.find(reader.spec().tiedHead ? TensorSlot::Embedding : TensorSlot::Head, -1, false);
}

HeadLoss::HeadLoss(Decoder& decoder, WeightSource& source, const HeadRows& rows, const LossOptions& options)
    : m_decoder(decoder)
    , m_source(source)
    , m_rows(rows)
    , m_allGreedy(options.greedy)
    , m_greedy(options.greedy || std::find(rows.greedy.begin(), rows.greedy.end(), 1) != rows.greedy.end())
    , m_panels(decoder.wantsPanels(static_cast<std::int64_t>(rows.rows.size())))
    , m_headBytes(options.headBytes) {}

void HeadLoss::reduceOnCpu(float* logits, std::int64_t count, std::int64_t size, std::int64_t firstToken,
                           std::int64_t firstId, Running& running) {
    // The kernel's loss is log-sum-exp minus a logit: of the target where it is in this block, else of the block's
    // first id.
    std::vector<std::int64_t> local(static_cast<std::size_t>(count));
    std::vector<float> loss(static_cast<std::size_t>(count));
    const bool whole = size == m_decoder.spec().vocabSize;
    at::parallel_for(0, count, 64, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t id = m_rows.targets[static_cast<std::size_t>(firstToken + i)] - firstId;
            local[static_cast<std::size_t>(i)] = id >= 0 && id < size ? id : 0;
        }
        model::cpuKernels().crossEntropy(end - begin, size, logits + begin * size, local.data() + begin,
                                         loss.data() + begin, 0);
        for (std::int64_t i = begin; i < end; ++i) {
            const auto token = static_cast<std::size_t>(firstToken + i);
            const float* row = logits + i * size;
            const float reference = row[local[static_cast<std::size_t>(i)]];
            const std::int64_t id = m_rows.targets[token] - firstId;
            if (whole) {
                running.logSum[token] = static_cast<double>(loss[static_cast<std::size_t>(i)]);
            } else {
                running.logSum[token] =
                    logAddExp(running.logSum[token],
                              static_cast<double>(loss[static_cast<std::size_t>(i)]) + static_cast<double>(reference));
                if (id >= 0 && id < size)
                    running.target[token] = reference;
            }
            if (m_greedy && isGreedy(token))
                argmax(row, size, firstId, running.best[token], running.bestId[token]);
        }
    });
}

void HeadLoss::reduce(at::Tensor& logits, std::int64_t firstToken, std::int64_t firstId, Running& running) {
    const std::int64_t count = logits.size(0), size = logits.size(1);
    if (logits.device().is_cpu()) {
        reduceOnCpu(logits.mutable_data_ptr<float>(), count, size, firstToken, firstId, running);
        return;
    }
    const at::Tensor targets =
        at::from_blob(const_cast<std::int64_t*>(m_rows.targets.data()) + firstToken, {count}, at::kLong)
            .to(logits.device());
    const at::Tensor local = (targets - firstId).clamp(0, size - 1);
    const at::Tensor sums = at::logsumexp(logits, 1).to(at::kDouble).cpu();
    const at::Tensor picked = logits.gather(1, local.unsqueeze(1)).squeeze(1).cpu();
    at::Tensor best, bestId;
    if (m_greedy) {
        const auto [top, where] = logits.max(1);
        best = top.cpu(), bestId = where.cpu();
    }
    for (std::int64_t i = 0; i < count; ++i) {
        const auto token = static_cast<std::size_t>(firstToken + i);
        const std::int64_t id = m_rows.targets[token] - firstId;
        running.logSum[token] = logAddExp(running.logSum[token], sums.const_data_ptr<double>()[i]);
        if (id >= 0 && id < size)
            running.target[token] = picked.const_data_ptr<float>()[i];
        if (m_greedy && best.const_data_ptr<float>()[i] > running.best[token]) {
            running.best[token] = best.const_data_ptr<float>()[i];
            running.bestId[token] = static_cast<std::int32_t>(firstId + bestId.const_data_ptr<std::int64_t>()[i]);
        }
    }
}

void HeadLoss::blockOfRows(const at::Tensor& x, const at::Tensor& weight, std::int64_t firstId, Running& running) {
    const std::int64_t size = weight.size(0), tokens = x.size(0);
    const std::int64_t bytes = at::get_num_threads() == 1 ? kLogitBytes : kSharedLogitBytes;
    const std::int64_t step = std::clamp<std::int64_t>(bytes / (4 * size) / 8 * 8, kLeastTokens, 1024);
    for (std::int64_t token = 0; token < tokens; token += step) {
        const std::int64_t count = std::min(step, tokens - token);
        at::Tensor logits = m_decoder.buffer("logits", count, size);
        if (m_panels)
            model::panelLinear(x.narrow(0, token, count), weight, {}, logits);
        else
            model::linear(x.narrow(0, token, count), weight, {}, logits);
        reduce(logits, token, firstId, running);
    }
}

void HeadLoss::blockOfHead(int firstVersion, const std::vector<at::Tensor>& x, std::int64_t firstId, std::int64_t size,
                           std::vector<Running>& running) {
    const std::int64_t width = m_decoder.spec().tableWidth();
    const auto versions = static_cast<std::int64_t>(x.size());
    const at::Tensor all = m_decoder.buffer("head", versions * size, width, m_decoder.weightType());
    std::vector<at::Tensor> weights;
    for (std::int64_t k = 0; k < versions; ++k)
        weights.push_back(all.narrow(0, k * size, size));
    m_decoder.makeInto(m_source, headTensor(m_source.reader()), firstId * width, firstVersion, weights);
    for (std::size_t k = 0; k < x.size(); ++k) {
        if (m_panels)
            model::toPanels(weights[k]);
        blockOfRows(x[k], weights[k], firstId, running[k]);
    }
}

void HeadLoss::reducePacked(const at::Tensor& x, const model::Word* weight, std::int64_t firstId, std::int64_t size,
                            Running& running) {
    const auto tokens = static_cast<std::int64_t>(m_rows.rows.size());
    const std::int64_t width = m_decoder.spec().width, stride = model::paddedWords(width);
    std::vector<std::int64_t> local(m_rows.targets);
    for (std::int64_t& target : local)
        target -= firstId;
    std::vector<float> logSum(local.size()), best(m_greedy ? local.size() : 0);
    std::vector<std::int32_t> bestId(best.size());
    const auto* words = static_cast<const model::Word*>(x.const_data_ptr());
    at::parallel_for(0, (tokens + kPackedRows - 1) / kPackedRows, 1, [&](std::int64_t begin, std::int64_t end) {
        const std::int64_t row = begin * kPackedRows, rows = std::min(end * kPackedRows, tokens) - row;
        const model::LogitRows reduced{local.data() + row, logSum.data() + row, running.target.data() + row,
                                       m_greedy ? best.data() + row : nullptr,
                                       m_greedy ? bestId.data() + row : nullptr};
        model::bfloat16Forward()->toLogits({rows, size, width, stride, words + row * stride, weight, nullptr}, reduced);
    });
    for (std::size_t t = 0; t < local.size(); ++t) {
        running.logSum[t] = logAddExp(running.logSum[t], static_cast<double>(logSum[t]));
        if (m_greedy && best[t] > running.best[t]) {
            running.best[t] = best[t];
            running.bestId[t] = static_cast<std::int32_t>(firstId) + bestId[t];
        }
    }
}

void HeadLoss::packedBlockOfHead(int firstVersion, const std::vector<at::Tensor>& x, std::int64_t firstId,
                                 std::int64_t size, std::vector<Running>& running) {
    const std::int64_t width = m_decoder.spec().tableWidth(), words = model::packedWords(size, width);
    const at::Tensor all = m_decoder.buffer("head", static_cast<std::int64_t>(x.size()), words, at::kBFloat16);
    std::vector<model::Word*> weights;
    for (std::size_t k = 0; k < x.size(); ++k)
        weights.push_back(static_cast<model::Word*>(all.mutable_data_ptr()) + static_cast<std::int64_t>(k) * words);
    model::packRows(m_source, headTensor(m_source.reader()), firstId, size, width, firstVersion, weights);
    for (std::size_t k = 0; k < x.size(); ++k)
        reducePacked(x[k], weights[k], firstId, size, running[k]);
}

std::vector<at::Tensor> HeadLoss::normed(int firstVersion, const std::vector<at::Tensor>& x) {
    const auto tokens = static_cast<std::int64_t>(m_rows.rows.size());
    bool inOrder = tokens == x[0].size(0); ///< every row once: scored in place
    for (std::size_t t = 0; inOrder && t < m_rows.rows.size(); ++t)
        inOrder = m_rows.rows[t] == static_cast<std::int64_t>(t);
    at::Tensor index;
    if (!inOrder)
        index = at::from_blob(const_cast<std::int64_t*>(m_rows.rows.data()), {tokens}, at::kLong).to(x[0].device());
    const std::int64_t width = m_decoder.spec().tableWidth(),
                       padded = (tokens + kPackedRows - 1) / kPackedRows * kPackedRows;
    at::Tensor words;
    if (m_decoder.packed())
        words = m_decoder.buffer("head in", static_cast<std::int64_t>(x.size()) * padded, model::paddedWords(width),
                                 at::kBFloat16);
    std::vector<at::Tensor> scored;
    for (std::size_t k = 0; k < x.size(); ++k) {
        at::Tensor rows = inOrder ? x[k] : x[k].index_select(0, index);
        if (!m_decoder.packed()) {
            m_decoder.finalNorm(static_cast<int>(k), rows);
            scored.push_back(std::move(rows));
            continue;
        }
        at::Tensor rounded = words.narrow(0, static_cast<std::int64_t>(k) * padded, padded);
        m_decoder.finalNorm(static_cast<int>(k), rows, rounded);
        scored.push_back(std::move(rounded));
    }
    projectOut(m_decoder, m_source, firstVersion, scored);
    return scored;
}

Result<void> HeadLoss::run(int firstVersion, const std::vector<at::Tensor>& x, std::span<VersionLoss> losses,
                           const JobContext& job) {
    const auto tokens = m_rows.rows.size();
    const std::int64_t vocab = m_decoder.spec().vocabSize, width = m_decoder.spec().tableWidth();
    const std::vector<at::Tensor> scored = normed(firstVersion, x);
    std::vector<Running> running(x.size());
    for (Running& r : running) {
        r.logSum.assign(tokens, -std::numeric_limits<double>::infinity());
        r.target.assign(tokens, 0);
        r.best.assign(m_greedy ? tokens : 0, -std::numeric_limits<float>::infinity());
        r.bestId.assign(m_greedy ? tokens : 0, 0);
    }
    // The same blocks however many versions go side by side, so that their number changes no bit.
    const std::int64_t rowBytes = width * static_cast<std::int64_t>(at::elementSize(m_decoder.weightType()));
    const std::int64_t whole = m_decoder.packed() ? kPackedRows : m_panels ? model::panelWidth() : 1;
    const std::int64_t most = std::max(kLeastRows, m_headBytes / rowBytes / whole * whole);
    for (std::int64_t id = 0; id < vocab; id += most) {
        if (job.stopRequested())
            return stopped();
        const std::int64_t size = std::min(most, vocab - id);
        if (m_decoder.packed())
            packedBlockOfHead(firstVersion, scored, id, size, running);
        else
            blockOfHead(firstVersion, scored, id, size, running);
        if (m_decoder.releases(static_cast<std::int64_t>(tokens)))
            m_source.reader().release(headTensor(m_source.reader()), id * width, size * width);
    }
    for (std::size_t k = 0; k < x.size(); ++k)
        for (std::size_t t = 0; t < m_rows.output.size(); ++t) {
            const auto out = static_cast<std::size_t>(m_rows.output[t]);
            losses[k].tokenNats[out] =
                static_cast<float>(running[k].logSum[t] - static_cast<double>(running[k].target[t]));
            if (m_greedy && isGreedy(t))
                losses[k].greedy[out] = running[k].bestId[t];
        }
    return {};
}

} // namespace crest::eval
