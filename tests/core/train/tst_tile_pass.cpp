// SPDX-License-Identifier: Apache-2.0
// The bfloat16 pass on tiles against LibTorch's autograd in float32, and what training on it promises: the same bits
// for every number of threads and after a resume.
#include <QtTest>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/model/kernels.h"
#include "core/train/tile_pass.h"
#include "core/train/trainer.h"

using namespace crest;
using namespace crest::train;
using at::Tensor;

namespace {

PretrainConfig smallConfig(std::int64_t kvHeads, bool tied) {
    PretrainConfig config;
    series::DecoderSpec& s = config.spec;
    s.family = "llama";
    s.vocabSize = 203; // not a multiple of the tile
    s.width = 64, s.layers = 2, s.heads = 4, s.kvHeads = kvHeads, s.headSize = s.ropeDims = 32, s.mlpWidth = 96;
    s.contextLength = config.sequenceLength = 96;
    s.tiedHead = tied;
    s.normEps = 1e-5;
    config.batchSequences = 4;
    config.microSequences = 1;
    config.compute = ComputeType::BFloat16;
    return config;
}

Tensor rmsNorm(const Tensor& x, const Tensor& gain) {
    return x * at::rsqrt(x.square().mean(-1, true) + 1e-5) * gain;
}

/// The first `count` heads of x [B, T, ...] turned by position (RoFormer, half-split form): [B, heads, T, D].
Tensor turned(const Tensor& x) {
    const std::int64_t tokens = x.size(1), size = x.size(3);
    const Tensor power = at::arange(0, size, 2, at::kDouble) / size;
    const Tensor angle =
        at::outer(at::arange(tokens, at::kDouble), at::pow(at::scalar_tensor(10000.0, at::kDouble), -power));
    const Tensor c = angle.cos().to(at::kFloat).unsqueeze(1), s = angle.sin().to(at::kFloat).unsqueeze(1);
    const Tensor low = x.narrow(3, 0, size / 2), high = x.narrow(3, size / 2, size / 2);
    return at::cat({low * c - high * s, high * c + low * s}, 3).transpose(1, 2);
}

/// Mean loss of a llama-like decoder, written out.
Tensor plainLoss(const series::DecoderSpec& s, const DecoderTensors& w, const Tensor& ids, const Tensor& targets) {
    const std::int64_t batch = ids.size(0), tokens = ids.size(1), group = s.heads / s.kvHeads;
    const Tensor future = at::ones({tokens, tokens}, at::kBool).triu(1);
    Tensor x = at::embedding(w.embedding, ids);
    for (const BlockTensors& b : w.blocks) {
        const Tensor qkv =
            at::linear(rmsNorm(x, b.inputNorm), b.qkv).view({batch, tokens, s.heads + 2 * s.kvHeads, s.headSize});
        const Tensor q = turned(qkv.narrow(2, 0, s.heads));
        const Tensor k = turned(qkv.narrow(2, s.heads, s.kvHeads)).repeat_interleave(group, 1);
        const Tensor v = qkv.narrow(2, s.heads + s.kvHeads, s.kvHeads).transpose(1, 2).repeat_interleave(group, 1);
        const Tensor scores = (at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(s.headSize)))
                                  .masked_fill(future, -std::numeric_limits<double>::infinity());
        const Tensor seen = at::matmul(at::softmax(scores, -1), v).transpose(1, 2).reshape({batch, tokens, -1});
        x = x + at::linear(seen, b.attentionOut);
        const Tensor gateUp = at::linear(rmsNorm(x, b.mlpNorm), b.mlpIn);
        x = x +
            at::linear(at::silu(gateUp.narrow(2, 0, s.mlpWidth)) * gateUp.narrow(2, s.mlpWidth, s.mlpWidth), b.down);
    }
    const Tensor logits = at::linear(rmsNorm(x, w.finalNorm), w.head).view({-1, s.vocabSize});
    return at::nll_loss(at::log_softmax(logits, 1), targets.view({-1}));
}

/// The gradient of plainLoss with respect to all parameters; with `rounded` as PyTorch's autocast to bfloat16 computes
/// it.
Tensor plainGradient(const PretrainConfig& config, const ParameterLayout& layout, const Tensor& flat, const Tensor& in,
                     const Tensor& out, bool rounded, double& loss) {
    const Tensor leaf = flat.clone().set_requires_grad(true);
    at::autocast::set_autocast_enabled(at::kCPU, rounded);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    const Tensor mean = plainLoss(config.spec, decoderTensors(config.spec, layout, leaf), in, out);
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
    loss = mean.item<double>();
    return torch::autograd::grad({mean}, {leaf})[0];
}

double distance(const Tensor& a, const Tensor& exact) {
    return ((a - exact).norm() / exact.norm()).item<double>();
}

Tensor batchOf(const PretrainConfig& config, std::int64_t seed) {
    at::manual_seed(static_cast<std::uint64_t>(seed));
    return at::randint(config.spec.vocabSize, {config.batchSequences, config.sequenceLength + 1}, at::kLong);
}

StepReport stepOn(Trainer& trainer, const Tensor& ids, int threads) {
    return trainer.step({ids.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(ids.numel())}, threads);
}

} // namespace

class TestTilePass : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        if (!model::bfloat16Kernels())
            QSKIP("This processor or system has neither AMX nor AVX512_BF16: training in bfloat16 takes the other path here.");
    }

    void shapesThatItTakes() {
        PretrainConfig config = smallConfig(4, true);
        QVERIFY(TilePass::supports(config.spec, 96));
        QCOMPARE(instructionsOf(config), model::bfloat16Kernels()->isa);
        QVERIFY(!TilePass::supports(config.spec, 100));
        config.spec.headSize = 24;
        QVERIFY(!TilePass::supports(config.spec, 96));
        config = smallConfig(4, true);
        config.spec.mlpBias = true;
        QVERIFY(!TilePass::supports(config.spec, 96));
        config.compute = ComputeType::Float32;
        QCOMPARE(instructionsOf(config), model::cpuKernels().isa);
    }

    void gradientsAgainstAutograd_data() {
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<bool>("tied");
        QTest::newRow("tied") << 4 << true;
        QTest::newRow("grouped heads") << 2 << false;
    }

    void gradientsAgainstAutograd() {
        QFETCH(int, kvHeads);
        QFETCH(bool, tied);
        const PretrainConfig config = smallConfig(kvHeads, tied);
        const ParameterLayout layout = parameterLayout(config.spec);
        // Nearer to float32 than PyTorch's own bfloat16 is, tensor by tensor. What rounding adds up to in one draw
        // scatters by an eighth for a norm of 64 gains, as much as the two lie apart: so squares over several draws.
        constexpr int kDraws = 8;
        std::vector<double> mine(layout.slots.size()), theirs(layout.slots.size());
        for (int draw = 0; draw < kDraws; ++draw) {
            Tensor flat = at::zeros({layout.total}), gradients = at::zeros({layout.total});
            initialiseParameters(config.init, config.spec, layout, 3 + draw, flat);
            const Tensor ids = batchOf(config, 4 + draw).narrow(0, 0, 2), in = ids.slice(1, 0, 96).contiguous(),
                         out = ids.slice(1, 1, 97).contiguous();
            flat.add_(at::randn({layout.total}) * 0.02); // gains, too
            double wanted = 0, roundedLoss = 0;
            const Tensor exactGrad = plainGradient(config, layout, flat, in, out, false, wanted);
            const Tensor roundedGrad = plainGradient(config, layout, flat, in, out, true, roundedLoss);

            const DecoderTensors weights = decoderTensors(config.spec, layout, flat);
            DecoderTensors views = decoderTensors(config.spec, layout, gradients);
            PackedWeights packed(weights);
            packed.update(weights);
            TilePass pass(config.spec, 2, 96);
            const Tensor& losses = pass.forwardBackward(packed, weights, views, in.view({-1}), out.view({-1}), 1.0 / 192);
            QVERIFY(std::abs(losses.mean().item<double>() - wanted) < 2e-3);
            for (std::size_t i = 0; i < layout.slots.size(); ++i) {
                const Tensor exact = parameterView(layout.slots[i], exactGrad);
                mine[i] += std::pow(distance(parameterView(layout.slots[i], gradients), exact), 2);
                const double autocast = distance(parameterView(layout.slots[i], roundedGrad), exact);
                QVERIFY(autocast > 1e-4); // it was at work
                theirs[i] += autocast * autocast;
            }
            const Tensor once = gradients.clone();
            pass.forwardBackward(packed, weights, views, in.view({-1}), out.view({-1}), 1.0 / 192);
            const double twice = ((gradients - 2 * once).norm() / once.norm()).item<double>();
            QVERIFY2(twice < 1e-6, qPrintable(QString::number(twice)));
        }
        for (std::size_t i = 0; i < layout.slots.size(); ++i)
            QVERIFY2(mine[i] < theirs[i], qPrintable(QString("%1: %2, autocast %3")
                                                         .arg(layout.slots[i].info.name.c_str())
                                                         .arg(std::sqrt(mine[i] / kDraws))
                                                         .arg(std::sqrt(theirs[i] / kDraws))));
    }

    void threadsAndResumeDoNotChangeBits() {
        const PretrainConfig config = smallConfig(2, true);
        Trainer one(config, 6, 1), two(config, 6, 1), resumed(config, 6, 9);
        for (int step = 0; step < 6; ++step) {
            if (step == 3) {
                resumed.state().copy_(one.state());
                resumed.setStepsDone(3);
            }
            const Tensor ids = batchOf(config, 10 + step);
            const StepReport report = stepOn(one, ids, 1);
            QVERIFY(std::isfinite(report.loss) && report.gradientNorm > 0);
            stepOn(two, ids, 2);
            if (step >= 3)
                stepOn(resumed, ids, 2);
        }
        QVERIFY(one.state().equal(two.state()));
        QVERIFY(one.state().equal(resumed.state()));
    }

    void lossFallsAsInFloat32() {
        PretrainConfig config = smallConfig(4, true);
        const Tensor ids = batchOf(config, 2);
        double last[2] = {};
        for (const int rounded : {0, 1}) {
            config.compute = rounded ? ComputeType::BFloat16 : ComputeType::Float32;
            Trainer trainer(config, 40, 1);
            const double first = stepOn(trainer, ids, 1).loss;
            for (int step = 1; step < 40; ++step)
                last[rounded] = stepOn(trainer, ids, 1).loss;
            QVERIFY(last[rounded] < first - 1);
        }
        QVERIFY2(std::abs(last[0] - last[1]) < 0.05, qPrintable(QString("%1 %2").arg(last[0]).arg(last[1])));
        QVERIFY(last[0] != last[1]);
    }
};

QTEST_APPLESS_MAIN(TestTilePass)
#include "tst_tile_pass.moc"
