// SPDX-License-Identifier: Apache-2.0
// The bfloat16 kernels against LibTorch in double precision. Inputs are bfloat16 values, so that only sums (float32) and the
// rounding of results (8 bits, 2^-8 relative) differ.
#include <QtTest>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/model/bfloat16_kernels.h"
#include "tests/core/model/near.h"

using namespace crest::model;
using at::Tensor;

namespace {

constexpr double kRounding = 1.0 / 256;

Tensor randomWords(at::IntArrayRef shape, double scale = 1) {
    return (at::randn(shape, at::kFloat) * scale).to(at::kBFloat16);
}
Tensor wide(const Tensor& x) {
    return x.to(at::kDouble);
}
Word* words(Tensor& x) {
    return static_cast<Word*>(x.mutable_data_ptr());
}
const Word* words(const Tensor& x) {
    return static_cast<const Word*>(x.const_data_ptr());
}
float* floats(Tensor& x) {
    return x.mutable_data_ptr<float>();
}

Tensor packed(std::int64_t k, std::int64_t n) {
    return at::ones({k * ((n + 31) / 32 * 32)}, at::kBFloat16);
}

} // namespace

class TestBFloat16Kernels : public QObject {
    Q_OBJECT
private:
    const BFloat16Kernels* m_kernels = nullptr;

private Q_SLOTS:
    void initTestCase() {
        at::manual_seed(5);
        m_kernels = bfloat16Kernels();
        if (!m_kernels)
            QSKIP("This processor or system has neither AMX nor AVX512_BF16: the kernels cannot run here.");
    }

    void products() {
        const std::int64_t shapes[][3] = {{32, 32, 32}, {64, 40, 96}, {96, 17, 64}, {50, 70, 32}, {64, 33, 2400}};
        for (const auto& [m, n, k] : shapes) {
            const std::int64_t tall = (m + 31) / 32 * 32;
            const Tensor a = randomWords({tall, k}), b = randomWords({k, n});
            const Tensor wanted = at::mm(wide(a.narrow(0, 0, m)), wide(b));
            Tensor straight = packed(k, n), turned = packed(k, n);
            m_kernels->pack(k, n, words(b), n, words(straight));
            const Tensor bTurned = b.t().contiguous();
            m_kernels->packTurned(n, k, words(bTurned), k, words(turned));
            QVERIFY(straight.equal(turned));
            Tensor y = at::full({m + 1, n + 1}, 7.0f), half = at::full({m + 1, n + 1}, 7.0f, at::kBFloat16);
            const Tensor before = at::randn({m + 1, n + 1}, at::kFloat);
            m_kernels->product(m, n, k, words(a), k, words(straight), {nullptr, floats(y), nullptr, n + 1});
            NEAR(y.narrow(0, 0, m).narrow(1, 0, n), wanted, 1e-6);
            m_kernels->product(m, n, k, words(a), k, words(straight), {words(half), nullptr, nullptr, n + 1});
            NEAR(half.narrow(0, 0, m).narrow(1, 0, n), wanted, kRounding);
            QVERIFY(y[m].eq(7).all().item<bool>() && y.select(1, n).eq(7).all().item<bool>());
            QVERIFY(half[m].eq(7).all().item<bool>() && half.select(1, n).eq(7).all().item<bool>());
            m_kernels->product(m, n, k, words(a), k, words(straight),
                           {nullptr, floats(y), before.const_data_ptr<float>(), n + 1});
            NEAR(y.narrow(0, 0, m).narrow(1, 0, n), wanted + before.narrow(0, 0, m).narrow(1, 0, n), 1e-6);
        }
    }

    void turning() {
        const Tensor x = randomWords({96, 80});
        Tensor y = at::zeros({64, 100}, at::kBFloat16);
        m_kernels->turn(96, 64, words(x), 80, words(y), 100);
        QVERIFY(y.narrow(1, 0, 96).equal(x.narrow(1, 0, 64).t()));
    }

    void attentionAgainstAutograd_data() {
        QTest::addColumn<int>("tokens");
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<int>("size");
        QTest::newRow("one tile") << 32 << 1 << 1 << 32;
        QTest::newRow("odd tiles") << 96 << 2 << 2 << 64;
        QTest::newRow("grouped") << 160 << 4 << 2 << 32;
        QTest::newRow("one key head") << 128 << 3 << 1 << 96;
    }

    void attentionAgainstAutograd() {
        QFETCH(int, tokens);
        QFETCH(int, heads);
        QFETCH(int, kvHeads);
        QFETCH(int, size);
        const std::int64_t stride = (heads + 2 * kvHeads) * size, outStride = heads * size;
        const Tensor qkv = randomWords({tokens, stride}), dOut = randomWords({tokens, outStride});
        const Tensor exact = wide(qkv).set_requires_grad(true);
        const auto head = [&](std::int64_t first, std::int64_t count) {
            return exact.narrow(1, first * size, count * size).view({tokens, count, size}).transpose(0, 1);
        };
        const std::int64_t group = heads / kvHeads;
        const Tensor q = head(0, heads), k = head(heads, kvHeads).repeat_interleave(group, 0),
                     v = head(heads + kvHeads, kvHeads).repeat_interleave(group, 0);
        const double scale = 1 / std::sqrt(static_cast<double>(size));
        const Tensor future = at::ones({tokens, tokens}, at::kBool).triu(1);
        const Tensor scores =
            (at::matmul(q, k.transpose(1, 2)) * scale).masked_fill(future, -std::numeric_limits<double>::infinity());
        const Tensor wanted = at::matmul(at::softmax(scores, -1), v).transpose(0, 1).reshape({tokens, outStride});
        const Tensor wantedGrad = torch::autograd::grad({wanted}, {exact}, {wide(dOut)})[0];

        const TileAttention shape{tokens, heads, kvHeads, size, stride, outStride, static_cast<float>(scale)};
        Tensor out = at::zeros({tokens, outStride}, at::kBFloat16), lse = at::zeros({heads, tokens}),
               grad = at::ones({tokens, stride}, at::kBFloat16);
        std::vector<char> scratch(static_cast<std::size_t>(m_kernels->attentionScratch(shape)));
        const Word *pq = words(qkv), *pk = pq + heads * size, *pv = pk + kvHeads * size;
        m_kernels->attention(shape, pq, pk, pv, words(out), floats(lse), scratch.data());
        // Probabilities are rounded before they meet the values.
        NEAR(out, wanted.detach(), 2 * kRounding);
        NEAR(lse, at::logsumexp(scores, -1).detach(), 1e-5);
        Word *dq = words(grad), *dk = dq + heads * size, *dv = dk + kvHeads * size;
        m_kernels->attentionBackward(shape, pq, pk, pv, words(out), lse.const_data_ptr<float>(), words(dOut), dq, dk, dv,
                                 scratch.data());
        for (const auto& [first, count] : {std::pair{0, heads}, {heads, kvHeads}, {heads + kvHeads, kvHeads}})
            NEAR(grad.narrow(1, first * size, count * size), wantedGrad.narrow(1, first * size, count * size),
                 3 * kRounding);
    }

    void normAgainstAutograd() {
        const Tensor x = at::randn({40, 96}, at::kFloat) * 2, gain = at::randn({96}, at::kFloat) + 1,
                     dy = at::randn({40, 96}, at::kFloat);
        const Tensor ex = wide(x).set_requires_grad(true), eg = wide(gain).set_requires_grad(true);
        const Tensor wanted = ex * at::rsqrt(ex.square().mean(-1, true) + 1e-5) * eg;
        const auto grads = torch::autograd::grad({wanted}, {ex, eg}, {wide(dy)});
        Tensor y = at::zeros({40, 96}, at::kBFloat16), rstd = at::zeros({40}), dx = at::ones({40, 96}),
               rounded = at::zeros({40, 96}, at::kBFloat16), dGain = at::ones({96});
        const float *px = x.const_data_ptr<float>(), *pg = gain.const_data_ptr<float>();
        m_kernels->rmsNorm(40, 96, px, pg, 1e-5f, words(y), floats(rstd));
        NEAR(y, wanted.detach(), kRounding);
        m_kernels->rmsNormBackward(40, 96, dy.const_data_ptr<float>(), px, pg, floats(rstd), floats(dx), words(rounded),
                               floats(dGain));
        NEAR(dx - 1, grads[0], 1e-6);
        NEAR(dGain - 1, grads[1], 1e-6);
        QVERIFY(rounded.equal(dx.to(at::kBFloat16)));
    }

    void ropeTurnsAndTurnsBack() {
        for (const std::int64_t rotated : {64, 32, 8}) {
            const Tensor start = randomWords({24, 2, 64});
            const Tensor angle = at::rand({12, rotated / 2}, at::kFloat) * 6, c = angle.cos(), s = angle.sin();
            Tensor x = start.clone();
            m_kernels->rope(24, 12, 2, 64, rotated, words(x), 128, c.const_data_ptr<float>(), s.const_data_ptr<float>(),
                        false);
            const Tensor turn =
                at::polar(at::ones({24, 1, rotated / 2}, at::kDouble), wide(angle.repeat({2, 1})).unsqueeze(1));
            const Tensor z = at::complex(wide(start.narrow(2, 0, rotated / 2)).contiguous(),
                                         wide(start.narrow(2, rotated / 2, rotated / 2)).contiguous()) *
                             turn;
            NEAR(x.narrow(2, 0, rotated / 2), at::real(z), kRounding);
            NEAR(x.narrow(2, rotated / 2, rotated / 2), at::imag(z), kRounding);
            QVERIFY(x.narrow(2, rotated, 64 - rotated).equal(start.narrow(2, rotated, 64 - rotated)));
            m_kernels->rope(24, 12, 2, 64, rotated, words(x), 128, c.const_data_ptr<float>(), s.const_data_ptr<float>(),
                        true);
            NEAR(x, start, 2 * kRounding);
        }
    }

    void gateAgainstAutograd() {
        const Tensor start = randomWords({5, 192}, 3), dh = randomWords({5, 96});
        const Tensor exact = wide(start).set_requires_grad(true);
        const Tensor wanted = at::silu(exact.narrow(1, 0, 96)) * exact.narrow(1, 96, 96);
        const Tensor grad = torch::autograd::grad({wanted}, {exact}, {wide(dh)})[0];
        Tensor h = at::zeros({5, 96}, at::kBFloat16), gateUp = start.clone();
        m_kernels->siluGate(5, 96, words(gateUp), words(h));
        NEAR(h, wanted.detach(), kRounding);
        m_kernels->siluGateBackward(5, 96, words(dh), words(gateUp));
        NEAR(gateUp, grad, kRounding);
    }

    void lossAgainstLibTorch() {
        const Tensor start = randomWords({3, 64}, 4);
        const std::int64_t vocab = 50, targets[] = {49, -1, 0};
        Tensor logits = start.clone(), loss = at::zeros({3});
        m_kernels->crossEntropy(3, vocab, words(logits), 64, targets, floats(loss), 0.25f);
        const Tensor logp = at::log_softmax(wide(start.narrow(1, 0, vocab)), 1);
        for (const int row : {0, 2}) {
            Tensor grad = logp[row].exp() * 0.25;
            QVERIFY(std::abs(loss[row].item<double>() + logp[row][targets[row]].item<double>()) < 1e-5);
            grad[targets[row]] -= 0.25;
            NEAR(logits[row].narrow(0, 0, vocab), grad, kRounding);
        }
        QCOMPARE(loss[1].item<float>(), 0.0f);
        QVERIFY(logits[1].eq(0).all().item<bool>());
        QVERIFY(logits.narrow(1, vocab, 64 - vocab).eq(0).all().item<bool>());
        Tensor broken = start.clone();
        broken[0][3] = std::numeric_limits<double>::quiet_NaN();
        m_kernels->crossEntropy(3, vocab, words(broken), 64, targets, floats(loss), 0.25f);
        QVERIFY(loss[0].isnan().item<bool>());
    }

    void rounding() {
        const Tensor x = at::randn({37}, at::kFloat) * 100;
        Tensor y = at::zeros({37}, at::kBFloat16);
        m_kernels->toWords(37, x.const_data_ptr<float>(), words(y));
        QVERIFY(y.equal(x.to(at::kBFloat16)));
    }
};

QTEST_APPLESS_MAIN(TestBFloat16Kernels)
#include "tst_bfloat16_kernels.moc"
