// SPDX-License-Identifier: Apache-2.0
#include "core/train/trainer.h"

#include <cmath>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adamw.h>

#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/train/random.h"

namespace crest::train {

using series::TensorRole;

namespace {
/// Activations of one pass. Small models: what a core's own cache and its share of the last level hold. Large ones,
/// whose weights and gradients do not fit there anyway: enough tokens to make reading them worth while.
std::int64_t activationBytes(std::int64_t parameters) {
    return std::clamp<std::int64_t>(32 * parameters, 4'000'000, 1'000'000'000);
}
} // namespace

double initialStd(const InitRule& rule, const series::DecoderSpec& spec, const series::TensorInfo& tensor) {
    if (tensor.shape.size() != 2)
        return 0;
    const double linear = rule.linearStd > 0 ? rule.linearStd : 1.0 / std::sqrt(static_cast<double>(tensor.shape[1]));
    switch (tensor.role) {
    case TensorRole::Embedding:
        return rule.embeddingStd;
    case TensorRole::ResidualOutput:
        return linear *
               (rule.outputScale > 0 ? rule.outputScale : 1.0 / std::sqrt(2.0 * static_cast<double>(spec.layers)));
    default:
        return linear;
    }
}

void initialiseParameters(const InitRule& rule, const series::DecoderSpec& spec, const ParameterLayout& layout,
                          std::int64_t seed, at::Tensor& flat) {
    for (const ParameterSlot& slot : layout.slots) {
        at::Tensor values = flat.narrow(0, slot.offset, slot.elements);
        if (slot.info.role == TensorRole::NormGain && !slot.info.isBias)
            values.fill_(1);
        else if (slot.info.shape.size() != 2)
            values.fill_(0);
        else
            fillNormal(values, seed, slot.info.name, initialStd(rule, spec, slot.info));
    }
}

namespace {
bool onTiles(const PretrainConfig& config) {
    return config.compute == ComputeType::BFloat16 && TilePass::supports(config.spec, config.sequenceLength);
}
} // namespace

const char* instructionsOf(const PretrainConfig& config) {
    return onTiles(config) ? "amx" : model::cpuKernels().isa;
}

Trainer::Trainer(const PretrainConfig& config, std::int64_t steps, std::int64_t seed)
    : m_config(config)
    , m_steps(steps)
    , m_layout(parameterLayout(config.spec)) {
    m_state = model::zeroPages({3, m_layout.total}, at::kFloat);
    at::Tensor flat = parameters();
    initialiseParameters(config.init, config.spec, m_layout, seed, flat);
    m_weights = decoderTensors(config.spec, m_layout, flat);
    const std::int64_t perLane = config.batchSequences / config.gradientLanes;
    m_microSequences = config.microSequences > 0
                           ? config.microSequences
                           : DecoderPass::sequencesWithin(config.spec, config.sequenceLength, perLane,
                                                          activationBytes(m_layout.total));
    makeStepWeights();
    for (std::int64_t i = 0; i < config.gradientLanes; ++i) {
        Lane lane;
        lane.gradients = model::zeroPages({m_layout.total}, at::kFloat);
        lane.views = decoderTensors(config.spec, m_layout, lane.gradients);
        m_lanes.push_back(std::move(lane));
    }
}

void Trainer::prepareWorkers(std::size_t count) {
    const std::int64_t rows = m_microSequences * m_config.sequenceLength;
    while (m_workers.size() < count) {
        Worker worker;
        if (m_packed)
            worker.tiles = std::make_unique<TilePass>(m_config.spec, m_microSequences, m_config.sequenceLength);
        else
            worker.pass = std::make_unique<DecoderPass>(m_config.spec, m_microSequences, m_config.sequenceLength,
                                                        at::kFloat, true);
        worker.ids = at::zeros({rows}, at::kLong);
        worker.targets = at::zeros({rows}, at::kLong);
        m_workers.push_back(std::move(worker));
    }
}

void Trainer::makeStepWeights() {
    m_stepWeights = m_weights;
    if (m_config.compute == ComputeType::Float32)
        return;
    if (onTiles(m_config)) {
        m_packed = std::make_unique<PackedWeights>(m_weights);
        return;
    }
    m_rounded = at::zeros({m_layout.total}, at::kBFloat16);
    const DecoderTensors rounded = decoderTensors(m_config.spec, m_layout, m_rounded);
    m_stepWeights.head = rounded.head; // the embedding's rows are looked up in float32
    for (std::size_t i = 0; i < rounded.blocks.size(); ++i) {
        m_stepWeights.blocks[i].qkv = rounded.blocks[i].qkv;
        m_stepWeights.blocks[i].attentionOut = rounded.blocks[i].attentionOut;
        m_stepWeights.blocks[i].mlpIn = rounded.blocks[i].mlpIn;
        m_stepWeights.blocks[i].down = rounded.blocks[i].down;
    }
}

void Trainer::runLane(Worker& worker, Lane& lane, std::span<const std::int64_t> rows) {
    const std::int64_t tokens = m_config.sequenceLength, row = tokens + 1;
    const auto sequences = static_cast<std::int64_t>(rows.size()) / row;
    const double scale = 1.0 / static_cast<double>(m_config.tokensPerStep());
    lane.gradients.zero_();
    lane.loss = 0;
    std::int64_t* ids = worker.ids.mutable_data_ptr<std::int64_t>();
    std::int64_t* targets = worker.targets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t first = 0; first < sequences; first += m_microSequences) {
        for (std::int64_t s = 0; s < m_microSequences; ++s) {
            const std::int64_t* from = rows.data() + (first + s) * row;
            std::copy_n(from, tokens, ids + s * tokens);
            std::copy_n(from + 1, tokens, targets + s * tokens);
        }
        const at::Tensor& loss =
            m_packed
                ? worker.tiles->forwardBackward(*m_packed, m_weights, lane.views, worker.ids, worker.targets, scale)
                : worker.pass->forwardBackward(m_stepWeights, lane.views, worker.ids, worker.targets, scale);
        lane.loss += loss.sum(at::kDouble).item<double>() * scale;
    }
}

StepReport Trainer::step(std::span<const std::int64_t> batch, int threads) {
    const std::size_t share = batch.size() / m_lanes.size();
    const std::size_t workers = std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), m_lanes.size());
    prepareWorkers(workers);
    if (m_rounded.defined())
        m_rounded.copy_(parameters());
    if (m_packed)
        m_packed->update(m_weights);
    const auto runShare = [&](std::size_t first, std::size_t stride) {
        for (std::size_t i = first; i < m_lanes.size(); i += stride)
            runLane(m_workers[first], m_lanes[i], batch.subspan(i * share, share));
    };
    {
        std::vector<std::jthread> others;
        for (std::size_t w = 1; w < workers; ++w)
            others.emplace_back([&, w] {
                at::set_num_threads(1);
                runShare(w, workers);
            });
        runShare(0, workers);
    }
    StepReport report;
    at::Tensor& sum = m_lanes[0].gradients;
    for (std::size_t i = 0; i < m_lanes.size(); ++i) {
        report.loss += m_lanes[i].loss;
        if (i > 0)
            sum.add_(m_lanes[i].gradients);
    }
    report.gradientNorm = std::sqrt(at::dot(sum, sum).item<double>());
    if (m_config.optimizer.clipNorm > 0) {
        const double factor = m_config.optimizer.clipNorm / (report.gradientNorm + 1e-6);
        if (factor < 1)
            sum.mul_(factor);
    }
    if (std::isfinite(report.loss) && std::isfinite(report.gradientNorm))
        update(sum);
    return report;
}

void Trainer::update(const at::Tensor& gradients) {
    const OptimizerConfig& o = m_config.optimizer;
    const double rate = learningRateAt(o, m_step, m_steps);
    ++m_step;
    const std::int64_t borders[] = {0, m_layout.decayed, m_layout.total};
    for (int part = 0; part < 2; ++part) {
        const std::int64_t begin = borders[part], count = borders[part + 1] - begin;
        if (count == 0)
            continue;
        const at::Tensor state = m_state.narrow(1, begin, count);
        const at::Tensor step = at::scalar_tensor(static_cast<double>(m_step), at::kFloat);
        const std::vector<at::Tensor> weights{state.select(0, 0)}, grads{gradients.narrow(0, begin, count)},
            first{state.select(0, 1)}, second{state.select(0, 2)}, steps{step};
        at::_fused_adamw_(weights, grads, first, second, {}, steps, rate, o.beta1, o.beta2,
                          part == 0 ? o.weightDecay : 0.0, o.epsilon, /*amsgrad=*/false, /*maximize=*/false);
    }
}

double Trainer::evaluate(std::span<const std::int64_t> inputs, std::span<const std::int64_t> targets) {
    if (!m_evaluation)
        m_evaluation =
            std::make_unique<DecoderPass>(m_config.spec, m_microSequences, m_config.sequenceLength, at::kFloat, false);
    const std::int64_t chunk = m_microSequences * m_config.sequenceLength;
    at::Tensor ids = at::zeros({chunk}, at::kLong), wanted = at::zeros({chunk}, at::kLong);
    double sum = 0;
    std::int64_t counted = 0;
    for (std::size_t begin = 0; begin < inputs.size(); begin += static_cast<std::size_t>(chunk)) {
        const std::size_t n = std::min(static_cast<std::size_t>(chunk), inputs.size() - begin);
        ids.zero_();
        wanted.fill_(-1);
        std::copy_n(inputs.data() + begin, n, ids.mutable_data_ptr<std::int64_t>());
        std::copy_n(targets.data() + begin, n, wanted.mutable_data_ptr<std::int64_t>());
        sum += m_evaluation->forward(m_weights, ids, wanted).sum(at::kDouble).item<double>();
        counted += wanted.ge(0).sum().item<std::int64_t>();
    }
    return sum / static_cast<double>(std::max<std::int64_t>(counted, 1));
}

} // namespace crest::train
