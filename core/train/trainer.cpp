// SPDX-License-Identifier: Apache-2.0
#include "core/train/trainer.h"

#include <cmath>

#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/train/optimizer.h"
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
    return onTiles(config) ? model::bfloat16Kernels()->isa : model::cpuKernels().isa;
}

Trainer::Trainer(const PretrainConfig& config, std::int64_t steps, std::int64_t seed)
    : m_config(config)
    , m_steps(steps)
    , m_layout(parameterLayout(config.spec))
    , m_lanes(config.spec, m_layout, config.gradientLanes) {
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
}

void Trainer::prepareWorkers(std::size_t count) {
    const std::int64_t rows = m_microSequences * m_config.sequenceLength;
    while (m_workers.size() < count) {
        Worker worker;
        if (m_packed)
            worker.tiles = std::make_unique<TilePass>(m_config.spec, m_microSequences, m_config.sequenceLength);
        else
            worker.pass = std::make_unique<DecoderPass>(m_config.spec, rows, m_config.sequenceLength, true);
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
    m_stepWeights = withMatrices(m_weights, decoderTensors(m_config.spec, m_layout, m_rounded));
}

double Trainer::runLane(Worker& worker, DecoderTensors& gradients, std::span<const std::int64_t> rows) {
    const std::int64_t tokens = m_config.sequenceLength, row = tokens + 1;
    const auto sequences = static_cast<std::int64_t>(rows.size()) / row;
    const double scale = 1.0 / static_cast<double>(m_config.tokensPerStep());
    double sum = 0;
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
                ? worker.tiles->forwardBackward(*m_packed, m_weights, gradients, worker.ids, worker.targets, scale)
                : worker.pass->forwardBackward(m_stepWeights, gradients, worker.ids, worker.targets, scale);
        sum += loss.sum(at::kDouble).item<double>() * scale;
    }
    return sum;
}

StepReport Trainer::step(std::span<const std::int64_t> batch, int threads) {
    const std::size_t share = batch.size() / m_lanes.count();
    prepareWorkers(m_lanes.workers(threads));
    if (m_rounded.defined())
        m_rounded.copy_(parameters());
    if (m_packed)
        m_packed->update(m_weights);
    StepReport report;
    report.loss = m_lanes.run(threads, [&](std::size_t worker, std::size_t lane, DecoderTensors& gradients) {
        return runLane(m_workers[worker], gradients, batch.subspan(lane * share, share));
    });
    report.gradientNorm = clipGradients(m_lanes.sum(), m_config.optimizer.clipNorm);
    report.learningRate = learningRateAt(m_config.optimizer, m_step, m_steps);
    report.tokens = m_config.tokensPerStep();
    if (std::isfinite(report.loss) && std::isfinite(report.gradientNorm))
        updateAdamW(m_config.optimizer, m_layout, m_state, m_lanes.sum(), report.learningRate, ++m_step);
    return report;
}

double Trainer::evaluate(std::span<const std::int64_t> inputs, std::span<const std::int64_t> targets) {
    const std::int64_t chunk = m_microSequences * m_config.sequenceLength;
    if (!m_evaluation)
        m_evaluation = std::make_unique<DecoderPass>(m_config.spec, chunk, m_config.sequenceLength, false);
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
