// SPDX-License-Identifier: Apache-2.0
// Every operation, forward and backward, fused and as LibTorch operations, against LibTorch's autograd.
#include <QtTest>

#include <array>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/model/bfloat16_kernels.h"
#include "core/model/kernels.h"
#include "core/model/ops.h"
#include "tests/core/model/near.h"

using namespace crest;
using at::Tensor;

namespace {

Tensor random(at::IntArrayRef shape, double scale = 1) {
    return at::randn(shape, at::kFloat) * scale;
}

Tensor tracked(const Tensor& x) {
    return x.detach().clone().set_requires_grad(true);
}

std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& inputs, const Tensor& dy) {
    return torch::autograd::grad({y}, inputs, {dy});
}

/// Runs `body` with the fused kernels and with the LibTorch forms.
template<class F> void bothForms(const F& body) {
    for (const bool reference : {false, true}) {
        model::setReferenceOps(reference);
        body();
        model::setReferenceOps(false);
    }
}

Tensor plainAttention(const Tensor& q, const Tensor& k, const Tensor& v) {
    const std::int64_t group = q.size(2) / k.size(2), queries = q.size(1), keys = k.size(1);
    const Tensor kh = k.transpose(1, 2).repeat_interleave(group, 1), vh = v.transpose(1, 2).repeat_interleave(group, 1);
    const Tensor scores = at::matmul(q.transpose(1, 2), kh.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
    const Tensor future = at::ones({queries, keys}, at::kBool).triu(keys - queries + 1);
    const Tensor weights = at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
    return at::matmul(weights, vh).transpose(1, 2);
}

} // namespace

class TestOps : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        at::manual_seed(7);
        at::set_num_threads(1);
    }

    void gemmOfEveryInstructionSet() {
        const std::int64_t shapes[][3] = {{1, 1, 1},   {3, 5, 7},     {8, 48, 48},   {17, 33, 50}, {64, 512, 48},
                                          {5, 100, 3}, {48, 96, 700}, {31, 17, 513}, {2, 16, 0}};
        int tried = 0;
        for (const char* isa : {"base", "avx2", "avx512"}) {
            const model::CpuKernels* kernels = model::cpuKernelsFor(isa);
            if (!kernels)
                continue;
            ++tried;
            for (const auto& [m, n, k] : shapes)
                for (int form = 0; form < 8; ++form) {
                    const bool aTurned = form & 1, bTurned = form & 2, add = form & 4;
                    const Tensor a = random(aTurned ? at::IntArrayRef{k, m} : at::IntArrayRef{m, k});
                    const Tensor b = random(bTurned ? at::IntArrayRef{n, k} : at::IntArrayRef{k, n});
                    Tensor c = random({m, n});
                    const Tensor wanted =
                        at::mm((aTurned ? a.t() : a).to(at::kDouble), (bTurned ? b.t() : b).to(at::kDouble)) +
                        (add ? c.to(at::kDouble) : at::zeros({}, at::kDouble));
                    kernels->gemm(m, n, k, a.const_data_ptr<float>(), aTurned ? 1 : k, aTurned ? m : 1,
                                  b.const_data_ptr<float>(), bTurned ? 1 : n, bTurned ? k : 1,
                                  c.mutable_data_ptr<float>(), n, add);
                    NEAR_FROM_ONE(c.to(at::kDouble), wanted, 2e-6);
                }
        }
        QVERIFY(tried >= 1);
    }

    void panelsOfEveryInstructionSet() {
        const std::int64_t shapes[][3] = {{1, 16, 5},    {7, 48, 48},   {195, 100, 33}, {64, 200, 384},
                                          {13, 17, 700}, {40, 49, 2048}, {203, 144, 1600}};
        int tried = 0;
        for (const char* isa : {"base", "avx2", "avx512"}) {
            const model::CpuKernels* kernels = model::cpuKernelsFor(isa);
            if (!kernels)
                continue;
            ++tried;
            for (const auto& [m, n, k] : shapes)
                for (int form = 0; form < 4; ++form) {
                    const bool add = form & 1, biased = form & 2;
                    const Tensor x = random({m, k + 3}).narrow(1, 0, k), w = random({n, k}), bias = random({n});
                    Tensor panels = w.clone(), y = random({m, n + 5}), scratch = at::empty({model::panelScratch(k)});
                    const Tensor wanted = at::mm(x.to(at::kDouble), w.t().to(at::kDouble)) +
                                          (biased ? bias.to(at::kDouble) : at::zeros({}, at::kDouble)) +
                                          (add ? y.narrow(1, 0, n).to(at::kDouble) : at::zeros({}, at::kDouble));
                    const Tensor before = y.clone();
                    Tensor alone = before.narrow(0, m - 1, 1).clone();
                    const auto multiply = [&](std::int64_t rows, const Tensor& from, Tensor& to) {
                        kernels->panelProduct(rows, n, k, from.const_data_ptr<float>(), k + 3,
                                              panels.const_data_ptr<float>(),
                                              biased ? bias.const_data_ptr<float>() : nullptr,
                                              to.mutable_data_ptr<float>(), n + 5, add,
                                              scratch.mutable_data_ptr<float>());
                    };
                    kernels->toPanels(n, k, panels.mutable_data_ptr<float>(), scratch.mutable_data_ptr<float>());
                    multiply(m, x, y);
                    NEAR(y.narrow(1, 0, n).to(at::kDouble), wanted, 3e-6);
                    QVERIFY(at::equal(y.narrow(1, n, 5), before.narrow(1, n, 5)));
                    multiply(1, x.narrow(0, m - 1, 1), alone);
                    QVERIFY(at::equal(alone, y.narrow(0, m - 1, 1)));
                }
        }
        QVERIFY(tried >= 1);
    }

    void linearAgainstAutograd() {
        for (const auto& [rows, in, out] :
             std::vector<std::array<std::int64_t, 3>>{{7, 48, 96}, {130, 20, 33}, {64, 384, 300}})
            bothForms([&, rows = rows, in = in, out = out] {
                const Tensor x = tracked(random({rows, in})), w = tracked(random({out, in}, 0.1)),
                             b = tracked(random({out}));
                const Tensor wanted = at::linear(x, w, b), dy = random({rows, out});
                const auto grads = gradients(wanted, {x, w, b}, dy);
                Tensor y = at::zeros({rows, out}), dx = random({rows, in}), dw = at::ones({out, in}),
                       db = at::ones({out});
                model::linear(x.detach(), w.detach(), b.detach(), y);
                NEAR_FROM_ONE(y, wanted.detach(), 3e-6);
                model::linear(x.detach(), w.detach(), {}, y, true);
                NEAR_FROM_ONE(y, (wanted * 2 - b).detach(), 3e-6);
                model::linearBackward(dy, x.detach(), w.detach(), dx, dw, db);
                NEAR_FROM_ONE(dx, grads[0], 3e-6);
                NEAR_FROM_ONE(dw - 1, grads[1], 1e-5);
                NEAR_FROM_ONE(db - 1, grads[2], 1e-5);
            });
    }

    void bfloat16ProductsOfFloat32() {
        // Whole blocks of 32, and others.
        for (const auto& [out, in] : {std::pair{64, 96}, std::pair{50, 96}, std::pair{64, 48}, std::pair{97, 20}}) {
            const Tensor x = random({70, in}), w = random({out, in}, 0.1).to(at::kBFloat16), dy = random({70, out});
            const Tensor exactX = x.to(at::kBFloat16).to(at::kFloat), exactDy = dy.to(at::kBFloat16).to(at::kFloat);
            const Tensor wide = w.to(at::kFloat);
            Tensor y = at::ones({70, out}), dx = at::zeros({70, in}), dw = at::ones({out, in}), none;
            model::linear(x, w, {}, y, true);
            model::linearBackward(dy, x, w, dx, dw, none);
            const double tolerance = 1e-5; // factors are rounded exactly as LibTorch does, sums are float32
            NEAR_FROM_ONE(y - 1, at::mm(exactX, wide.t()), tolerance);
            NEAR_FROM_ONE(dx, at::mm(exactDy, wide), tolerance);
            NEAR_FROM_ONE(dw - 1, at::mm(exactDy.t(), exactX), tolerance);
            model::linearBackward(dy, x, w, dx, none, none, true);
            NEAR_FROM_ONE(dx, 2 * at::mm(exactDy, wide), tolerance);
            Tensor y2 = at::ones({70, out}), dx2 = at::zeros({70, in}), dw2 = at::ones({out, in}); // the same bits by two threads
            at::set_num_threads(2);
            model::linear(x, w, {}, y2, true);
            model::linearBackward(dy, x, w, dx2, dw2, none);
            model::linearBackward(dy, x, w, dx2, none, none, true);
            at::set_num_threads(1);
            QVERIFY(at::equal(y, y2) && at::equal(dw, dw2));
            NEAR_FROM_ONE(dx2, 2 * at::mm(exactDy, wide), tolerance);
        }
        Tensor special = at::tensor({1.0f, -0.0f, 3.4e38f, std::numeric_limits<float>::quiet_NaN(), 1e-40f});
        for (const char* isa : {"base", "avx2", "avx512"})
            if (const model::CpuKernels* kernels = model::cpuKernelsFor(isa)) {
                const Tensor all = at::cat({random({37}, 100), special});
                Tensor words = at::zeros({42}, at::kBFloat16), back = at::zeros({42});
                auto* raw = static_cast<std::uint16_t*>(words.mutable_data_ptr());
                kernels->toBFloat16(42, all.const_data_ptr<float>(), raw);
                const Tensor wanted = all.to(at::kBFloat16);
                QVERIFY(at::equal(words.nan_to_num(7), wanted.nan_to_num(7)));
                kernels->fromBFloat16(42, raw, back.mutable_data_ptr<float>(), false);
                QVERIFY(at::equal(back.nan_to_num(7), wanted.to(at::kFloat).nan_to_num(7)));
            }
    }

    void normsAgainstAutograd() {
        for (const std::int64_t width : {48, 64, 33})
            bothForms([&, width] {
                const Tensor x = tracked(random({70, width}, 3) + 0.5), g = tracked(random({width}) + 1),
                             b = tracked(random({width}));
                const Tensor dy = random({70, width});
                Tensor y = at::zeros_like(dy), mean = at::zeros({70}), rstd = at::zeros({70}), dx = at::ones_like(dy),
                       dg = at::ones({width}), db = at::ones({width});
                const Tensor rms = x * at::rsqrt(x.square().mean(-1, true) + 1e-5) * g;
                auto grads = gradients(rms, {x, g}, dy);
                model::rmsNorm(x.detach(), g.detach(), 1e-5, y, rstd);
                NEAR_FROM_ONE(y, rms.detach(), 2e-6);
                model::rmsNormBackward(dy, x.detach(), g.detach(), rstd, dx, dg);
                NEAR_FROM_ONE(dx - 1, grads[0], 5e-6);
                NEAR_FROM_ONE(dg - 1, grads[1], 1e-5);
                const Tensor layer = at::layer_norm(x, {width}, g, b, 1e-5);
                grads = gradients(layer, {x, g, b}, dy);
                dx.fill_(1), dg.fill_(1);
                model::layerNorm(x.detach(), g.detach(), b.detach(), 1e-5, y, mean, rstd);
                NEAR_FROM_ONE(y, layer.detach(), 2e-6);
                model::layerNormBackward(dy, x.detach(), g.detach(), mean, rstd, dx, dg, db);
                NEAR_FROM_ONE(dx - 1, grads[0], 5e-6);
                NEAR_FROM_ONE(dg - 1, grads[1], 1e-5);
                NEAR_FROM_ONE(db - 1, grads[2], 1e-5);
            });
    }

    void ropeTurnsAndTurnsBack() {
        for (const auto& [size, rotated] :
             std::vector<std::pair<std::int64_t, std::int64_t>>{{12, 12}, {64, 64}, {40, 10}})
            bothForms([&, size = size, rotated = rotated] {
                const model::RotaryTable table = model::rotaryTable(10000, rotated, 50, at::kCPU);
                const Tensor start = random({2, 37, 6, size});
                Tensor x = start.clone();
                model::rope(x, table);
                // Complex multiplication of (p, p + rotated/2) by exp(i angle), in double precision.
                const Tensor power = at::arange(0, rotated, 2, at::kDouble) / rotated;
                const Tensor angle =
                    at::outer(at::arange(37, at::kDouble), at::pow(at::scalar_tensor(10000.0, at::kDouble), -power));
                const Tensor wide = start.to(at::kDouble);
                const Tensor turn = at::polar(at::ones_like(angle), angle).view({1, 37, 1, rotated / 2});
                const Tensor z = at::complex(wide.narrow(3, 0, rotated / 2).contiguous(),
                                             wide.narrow(3, rotated / 2, rotated / 2).contiguous()) *
                                 turn;
                NEAR_FROM_ONE(x.narrow(3, 0, rotated / 2).to(at::kDouble), at::real(z), 1e-5);
                NEAR_FROM_ONE(x.narrow(3, rotated / 2, rotated / 2).to(at::kDouble), at::imag(z), 1e-5);
                QVERIFY(x.narrow(3, rotated, size - rotated).equal(start.narrow(3, rotated, size - rotated)));
                model::rope(x, table, true);
                NEAR_FROM_ONE(x, start, 1e-6);
            });
    }

    void attentionAgainstAutograd() {
        struct Case {
            std::int64_t batch, queries, keys, heads, kvHeads, size;
        };
        for (const Case c : {Case{2, 128, 128, 4, 4, 12}, Case{1, 37, 37, 4, 2, 16}, Case{2, 20, 20, 6, 1, 64},
                             Case{1, 5, 29, 2, 2, 10}, Case{1, 70, 70, 2, 2, 64}, Case{1, 40, 75, 2, 1, 80},
                             Case{1, 33, 33, 2, 1, 100}, Case{1, 1, 33, 2, 1, 8}, Case{1, 1, 1, 1, 1, 4},
                             Case{1, 127, 127, 4, 4, 12}, Case{1, 43, 43, 2, 2, 24}, Case{2, 64, 101, 2, 1, 32}})
            bothForms([&] {
                const Tensor q = tracked(random({c.batch, c.queries, c.heads, c.size}));
                const Tensor k = tracked(random({c.batch, c.keys, c.kvHeads, c.size}));
                const Tensor v = tracked(random({c.batch, c.keys, c.kvHeads, c.size}));
                const Tensor wanted = plainAttention(q, k, v), dOut = random({c.batch, c.queries, c.heads, c.size});
                const auto grads = gradients(wanted, {q, k, v}, dOut);
                Tensor out = at::zeros_like(dOut), lse = at::zeros({c.batch, c.heads, c.queries});
                model::causalAttention(q.detach(), k.detach(), v.detach(), out, lse);
                NEAR_FROM_ONE(out, wanted.detach(), 3e-6);
                Tensor dq = at::ones_like(q), dk = at::ones_like(k), dv = at::ones_like(v);
                dq = dq.detach(), dk = dk.detach(), dv = dv.detach();
                model::causalAttentionBackward(q.detach(), k.detach(), v.detach(), out, lse, dOut, dq, dk, dv);
                NEAR_FROM_ONE(dq, grads[0], 1e-5);
                NEAR_FROM_ONE(dk, grads[1], 1e-5);
                NEAR_FROM_ONE(dv, grads[2], 1e-5);
            });
    }

    void attentionOfInterleavedViews() {
        const Tensor qkv = random({2, 19, 3, 3, 8}); // gpt_neox: [B, T, H, 3, D]
        const Tensor q = qkv.select(3, 0), k = qkv.select(3, 1), v = qkv.select(3, 2);
        Tensor out = at::zeros({2, 19, 3, 8}), lse = at::zeros({2, 3, 19});
        model::causalAttention(q, k, v, out, lse);
        NEAR_FROM_ONE(out, plainAttention(q, k, v), 3e-6);
    }

    void roundedAttentionAgainstAutograd() {
        if (!model::bfloat16Kernels())
            QSKIP("this processor multiplies no bfloat16, or CREST_ISA is lower");
        struct Case {
            std::int64_t batch, tokens, heads, kvHeads, size;
            bool interleaved;
        };
        for (const Case c : {Case{1, 64, 2, 2, 64, false}, Case{2, 37, 4, 2, 32, false}, Case{1, 100, 3, 1, 64, false}, Case{3, 1, 2, 1, 32, false},
                             Case{2, 45, 3, 3, 32, true}}) {
            const std::int64_t h = c.heads, k = c.kvHeads;
            const auto parts = [&](const Tensor& rows) -> std::array<Tensor, 3> {
                if (c.interleaved)
                    return {rows.view({c.batch, c.tokens, h, 3, c.size}).select(3, 0), rows.view({c.batch, c.tokens, h, 3, c.size}).select(3, 1),
                            rows.view({c.batch, c.tokens, h, 3, c.size}).select(3, 2)};
                const Tensor all = rows.view({c.batch, c.tokens, h + 2 * k, c.size});
                return {all.narrow(2, 0, h), all.narrow(2, h, k), all.narrow(2, h + k, k)};
            };
            const auto exact = [](const Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); };
            const Tensor rows = tracked(exact(random({c.batch, c.tokens, (h + 2 * k) * c.size})));
            const Tensor dOut = exact(random({c.batch, c.tokens, h, c.size}));
            const auto [q, key, v] = parts(rows);
            const Tensor wanted = plainAttention(q, key, v);
            const Tensor grad = gradients(wanted, {rows}, dOut)[0];
            std::vector<Tensor> first;
            for (const int threads : {1, 2}) {
                at::set_num_threads(threads);
                Tensor out = at::ones({c.batch, c.tokens, h, c.size}), lse = at::zeros({c.batch, h, c.tokens}), found = at::ones_like(rows.detach());
                QVERIFY(model::roundsAttention(q.detach(), key.detach(), out));
                model::roundedAttention(q.detach(), key.detach(), v.detach(), out, lse);
                auto [dq, dk, dv] = parts(found);
                model::roundedAttentionBackward(q.detach(), key.detach(), v.detach(), out, lse, dOut, dq, dk, dv);
                at::set_num_threads(1);
                // Probabilities, their gradients and the results are rounded, to 2^-9 of themselves each.
                NEAR_FROM_ONE(out, wanted.detach(), 3.0 / 512);
                NEAR_FROM_ONE(found, grad, 6.0 / 512);
                if (first.empty())
                    first = {out, lse, found};
                QVERIFY(at::equal(out, first[0]) && at::equal(lse, first[1]) && at::equal(found, first[2]));
            }
        }
        const Tensor narrow = random({1, 20, 2, 24});
        QVERIFY(!model::roundsAttention(narrow, narrow, narrow)); // no whole tiles
    }

    void activationsAgainstAutograd() {
        using series::Activation;
        for (const Activation kind : {Activation::Silu, Activation::GeluErf, Activation::GeluTanh, Activation::Relu})
            bothForms([&] {
                const auto plain = [&](const Tensor& x) {
                    return kind == Activation::Silu       ? at::silu(x)
                           : kind == Activation::GeluErf  ? at::gelu(x)
                           : kind == Activation::GeluTanh ? at::gelu(x, "tanh")
                                                          : at::relu(x);
                };
                const Tensor x = tracked(random({9, 51}, 4)), dy = random({9, 51});
                const Tensor wanted = plain(x.to(at::kDouble)).to(at::kFloat); // the reference in double precision
                Tensor y = at::zeros({9, 51}), dx = dy.clone();
                model::activation(x.detach(), kind, y);
                NEAR_FROM_ONE(y, wanted.detach(), 1e-6);
                model::activationBackward(dx, x.detach(), kind, dx);
                NEAR_FROM_ONE(dx, gradients(wanted, {x}, dy)[0], 5e-6);
                const Tensor both = tracked(random({9, 102}, 4));
                const Tensor wide = both.to(at::kDouble);
                const Tensor gated = (plain(wide.narrow(1, 0, 51)) * wide.narrow(1, 51, 51)).to(at::kFloat);
                Tensor inPlace = both.detach().clone();
                model::gatedActivation(both.detach(), kind, y);
                NEAR_FROM_ONE(y, gated.detach(), 1e-6);
                model::gatedActivationBackward(dy, both.detach(), kind, inPlace);
                NEAR_FROM_ONE(inPlace, gradients(gated, {both}, dy)[0], 5e-6);
            });
    }

    void headAndEmbeddingAgainstAutograd() {
        for (const std::int64_t vocab : {512, 77})
            bothForms([&, vocab] {
                const Tensor x = tracked(random({100, 48})), w = tracked(random({vocab, 48}));
                Tensor targets = at::randint(vocab, {100}, at::kLong);
                targets[3] = -1;
                const Tensor logp = at::log_softmax(at::matmul(x, w.t()), 1);
                const Tensor losses = -logp.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1) * targets.ge(0);
                const auto grads = gradients(losses.sum() * 0.01, {x, w}, at::ones({}));
                Tensor scratch = at::zeros({32, vocab}), loss = at::ones({100}), dx = at::ones({100, 48}),
                       dw = at::ones({vocab, 48});
                model::headLoss(x.detach(), w.detach(), targets, scratch, loss);
                NEAR_FROM_ONE(loss, losses.detach(), 2e-6);
                QCOMPARE(loss[3].item<float>(), 0.0f);
                model::headLossBackward(x.detach(), w.detach(), targets, 0.01, scratch, loss, dx, dw);
                NEAR_FROM_ONE(loss, losses.detach(), 2e-6);
                NEAR_FROM_ONE(dx, grads[0], 2e-6);
                NEAR_FROM_ONE(dw - 1, grads[1], 2e-6);
                const Tensor ids = at::randint(20, {100}, at::kLong), table = tracked(random({20, 48})),
                             dy = random({100, 48});
                Tensor y = at::zeros({100, 48}), dTable = at::ones({20, 48});
                model::embedding(ids, table.detach(), y);
                QVERIFY(y.equal(table.detach().index_select(0, ids)));
                model::embeddingBackward(ids, dy, dTable);
                NEAR_FROM_ONE(dTable - 1, gradients(table.index_select(0, ids), {table}, dy)[0], 5e-6);
            });
    }

    void lossGradientIsTheSlopeOfTheLoss() {
        // Central differences in one random direction; float32 losses limit the agreement to about 1e-3.
        const Tensor x = random({20, 16}), w = random({40, 16}), direction = random({20, 16});
        const Tensor targets = at::randint(40, {20}, at::kLong);
        Tensor scratch = at::zeros({20, 40}), loss = at::zeros({20}), dx = at::zeros({20, 16}),
               dw = at::zeros({40, 16});
        const auto total = [&](const Tensor& at) {
            model::headLoss(at, w, targets, scratch, loss);
            return loss.sum(at::kDouble).item<double>();
        };
        const double step = 1e-2, slope = (total(x + step * direction) - total(x - step * direction)) / (2 * step);
        model::headLossBackward(x, w, targets, 1, scratch, loss, dx, dw);
        const double wanted = (dx * direction).sum(at::kDouble).item<double>();
        QVERIFY2(std::abs(slope - wanted) < 1e-3 * std::max(1.0, std::abs(wanted)),
                 qPrintable(QString::number(slope - wanted)));
    }

    void spreadAndBrokenLogits() {
        Tensor logits = random({6, 300}, 200), scratch = at::zeros({6, 300}), loss = at::zeros({6});
        const Tensor targets = at::arange(6, at::kLong), identity = at::eye(300);
        model::headLoss(logits, identity, targets, scratch, loss);
        const Tensor wanted = -at::log_softmax(logits.to(at::kDouble), 1).gather(1, targets.unsqueeze(1)).squeeze(1);
        NEAR_FROM_ONE(loss.to(at::kDouble), wanted, 1e-6);
        logits[2][5] = std::numeric_limits<float>::quiet_NaN();
        model::headLoss(logits, identity, targets, scratch, loss);
        QVERIFY(std::isnan(loss[2].item<float>()));
        QVERIFY(std::isfinite(loss[1].item<float>()));
    }

    void threadsDoNotChangeBits() {
        const Tensor x = random({300, 48}), w = random({512, 48}), g = random({48}), dy = random({300, 512});
        const Tensor q = random({3, 100, 4, 12}), targets = at::randint(512, {300}, at::kLong);
        const auto all = [&] {
            Tensor y = at::zeros({300, 512}), n = at::zeros({300, 48}), rstd = at::zeros({300}),
                   dx = at::zeros({300, 48}), dw = at::zeros({512, 48}), db, out = at::zeros_like(q),
                   lse = at::zeros({3, 4, 100}), scratch = at::zeros({64, 512}), loss = at::zeros({300});
            model::rmsNorm(x, g, 1e-5, n, rstd);
            model::linear(n, w, {}, y);
            model::linearBackward(dy, n, w, dx, dw, db);
            model::causalAttention(q, q, q, out, lse);
            model::headLoss(n, w, targets, scratch, loss);
            return std::vector<Tensor>{n, y, dx, dw, out, loss};
        };
        const auto one = all();
        at::set_num_threads(2);
        const auto two = all();
        at::set_num_threads(1);
        for (std::size_t i = 0; i < one.size(); ++i)
            QVERIFY2(one[i].equal(two[i]), qPrintable(QString("output %1").arg(i)));
    }
};

QTEST_GUILESS_MAIN(TestOps)
#include "tst_ops.moc"
