// SPDX-License-Identifier: Apache-2.0
// The finished products of core/model/bfloat16_forward.h against double precision; skipped where there are no bfloat16 kernels.
#include <QtTest>

#include <ATen/ATen.h>

#include "core/model/bfloat16_forward.h"
#include "tests/core/model/near.h"

using namespace crest;
using at::Tensor;
using model::Curve;
using model::PackedProduct;
using model::Word;

namespace {

Word* words(const Tensor& t) {
    return static_cast<Word*>(t.mutable_data_ptr());
}

/// Rows filled up to whole tiles with NaN: what lies there must not matter.
Tensor leftSide(const Tensor& x) {
    const std::int64_t rows = (x.size(0) + 31) / 32 * 32;
    Tensor all = at::full({rows, x.size(1)}, std::numeric_limits<double>::quiet_NaN(), at::kFloat).to(at::kBFloat16);
    all.narrow(0, 0, x.size(0)).copy_(x);
    return all;
}

/// Weight [columns, inner] by strips, in two parts along `inner` where it is long enough.
Tensor packed(const Tensor& weight) {
    const std::int64_t columns = weight.size(0), inner = weight.size(1);
    Tensor to = at::full({model::packedWords(columns, inner)}, 7.0, at::kBFloat16);
    const Tensor source = weight.to(at::kFloat).contiguous();
    const std::int64_t part = inner > 64 ? 64 : inner;
    for (std::int64_t row = 0; row < (columns + 31) / 32 * 32; row += 16)
        for (std::int64_t first = 0; first < inner; first += part) {
            const std::int64_t count = std::clamp<std::int64_t>(columns - row, 0, 16);
            model::bfloat16Forward()->packStrip(source.const_data_ptr<float>() + std::min(row, columns) * inner + first,
                                           inner, count, std::min(part, inner - first), words(to), inner, row / 16,
                                           first);
        }
    return to;
}

struct Case {
    std::int64_t rows, columns, inner;
};

/// Inputs that bfloat16 holds exactly, so that only sums are rounded.
struct Sides {
    explicit Sides(const Case& c)
        : x(at::randn({c.rows, c.inner}).to(at::kBFloat16))
        , weight((at::randn({c.columns, c.inner}) * 0.2).to(at::kBFloat16))
        , bias(at::zeros({(c.columns + 31) / 32 * 32}))
        , left(leftSide(x))
        , right(packed(weight)) {
        bias.narrow(0, 0, c.columns).copy_(at::randn({c.columns}));
        product = {c.rows, c.columns, c.inner, c.inner, words(left), words(right), bias.const_data_ptr<float>()};
        wanted = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t()) + bias.narrow(0, 0, c.columns).to(at::kDouble);
    }
    Tensor x, weight, bias, left, right, wanted;
    PackedProduct product;
};

Tensor curved(const Tensor& x, Curve curve) {
    switch (curve) {
    case Curve::Silu:
        return at::silu(x);
    case Curve::GeluErf:
        return at::gelu(x);
    case Curve::GeluTanh:
        return at::gelu(x, "tanh");
    case Curve::Relu:
        return at::relu(x);
    case Curve::None:
        break;
    }
    return x;
}

constexpr Curve kCurves[] = {Curve::None, Curve::Silu, Curve::GeluErf, Curve::GeluTanh, Curve::Relu};
constexpr double kWordTolerance = 1.0 / 256 + 1e-5; ///< half a unit of 8 bits

} // namespace

class TestBFloat16Forward : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() {
        at::manual_seed(11);
        if (!model::bfloat16Forward())
            QSKIP("this processor has neither AMX nor AVX512_BF16, or CREST_ISA is lower");
    }

    /// Rows and columns that are no whole tiles, one and several blocks of rows, inner sizes with and without cuts.
    void addsToFloats() {
        for (const Case& c : {Case{1, 1, 32}, Case{31, 33, 64}, Case{70, 100, 512}, Case{600, 96, 544},
                              Case{33, 47, 3072}, Case{200, 64, 5120}}) {
            const Sides s(c);
            const Tensor before = at::randn({c.rows, c.columns});
            Tensor y = before.clone();
            model::bfloat16Forward()->addTo(s.product, y.mutable_data_ptr<float>());
            NEAR(y, s.wanted + before.to(at::kDouble), 3e-6);
            PackedProduct plain = s.product;
            plain.bias = nullptr;
            y.copy_(before);
            model::bfloat16Forward()->addTo(plain, y.mutable_data_ptr<float>());
            NEAR(y, s.wanted - s.bias.narrow(0, 0, c.columns) + before.to(at::kDouble), 3e-6);
        }
    }

    void curvesToWords() {
        for (const Case& c : {Case{5, 17, 32}, Case{97, 64, 96}, Case{40, 80, 768}})
            for (const Curve curve : kCurves) {
                const Sides s(c);
                Tensor y = at::full({c.rows + 1, c.columns}, 3.0, at::kBFloat16);
                model::bfloat16Forward()->toWords(s.product, curve, words(y), c.columns);
                const Tensor wanted = curved(s.wanted, curve), made = y.narrow(0, 0, c.rows).to(at::kDouble);
                QVERIFY(((made - wanted).abs() <= wanted.abs() * kWordTolerance + 1e-4).all().item<bool>());
                QVERIFY(y[c.rows].eq(3.0).all().item<bool>()); // nothing behind the last row
            }
    }

    void gatesInTurnsOf16() {
        for (const Curve curve : kCurves) {
            const Sides s({50, 192, 128});
            Tensor y = at::zeros({50, 96}, at::kBFloat16);
            model::bfloat16Forward()->toGated(s.product, curve, words(y), 96);
            const Tensor turns = s.wanted.view({50, 6, 2, 16});
            const Tensor wanted = (curved(turns.select(2, 0), curve) * turns.select(2, 1)).reshape({50, 96});
            QVERIFY(((y.to(at::kDouble) - wanted).abs() <= wanted.abs() * kWordTolerance + 3e-4).all().item<bool>());
        }
    }

    void extremeArguments() {
        // One inner element carries the value, the weight is 1: activations far out neither overflow nor turn NaN.
        Tensor x = at::zeros({32, 32}, at::kBFloat16), weight = at::zeros({32, 32}, at::kBFloat16);
        const std::vector<double> values{-1e30, -300, -100, -20, -0.0, 20, 100, 300, 1e30};
        for (std::size_t i = 0; i < values.size(); ++i)
            x[static_cast<std::int64_t>(i)][0] = values[i];
        weight.select(1, 0).fill_(1);
        const Tensor right = packed(weight), exact = x.select(1, 0).to(at::kDouble);
        for (const Curve curve : kCurves) {
            Tensor y = at::zeros({32, 32}, at::kBFloat16);
            model::bfloat16Forward()->toWords({32, 32, 32, 32, words(x), words(right), nullptr}, curve, words(y), 32);
            const Tensor wanted = curved(exact, curve), made = y.select(1, 5).to(at::kDouble);
            QVERIFY(((made - wanted).abs() <= wanted.abs() * kWordTolerance + 1e-4).all().item<bool>());
        }
    }

    void logitsAreReduced() {
        for (const Case& c : {Case{3, 5, 32}, Case{77, 331, 64}, Case{1050, 700, 96}})
            for (const double scale : {0.1, 30.0}) { // the second one moves the reference of the sums
                Sides s(c);
                s.x.mul_(scale);
                s.left = leftSide(s.x);
                s.product.x = words(s.left), s.product.bias = nullptr;
                const Tensor logits = at::mm(s.x.to(at::kDouble), s.weight.to(at::kDouble).t());
                Tensor targets = at::randint(-3, c.columns + 3, {c.rows}, at::kLong), logSum = at::zeros({c.rows}),
                       target = at::full({c.rows}, -1.0), best = at::zeros({c.rows}),
                       bestId = at::zeros({c.rows}, at::kInt);
                model::bfloat16Forward()->toLogits(s.product,
                                              {targets.const_data_ptr<std::int64_t>(), logSum.mutable_data_ptr<float>(),
                                               target.mutable_data_ptr<float>(), best.mutable_data_ptr<float>(),
                                               bestId.mutable_data_ptr<std::int32_t>()});
                NEAR(logSum, at::logsumexp(logits, 1), 1e-6);
                const Tensor inside = targets.ge(0) & targets.lt(c.columns);
                const Tensor picked = logits.gather(1, targets.clamp(0, c.columns - 1).unsqueeze(1)).squeeze(1);
                NEAR(target, at::where(inside, picked, at::full({}, -1.0, at::kDouble)), 1e-6);
                const auto [top, where] = logits.max(1);
                NEAR(best, top, 1e-6);
                NEAR(logits.gather(1, bestId.to(at::kLong).unsqueeze(1)).squeeze(1), top, 1e-6);
            }
    }

    void brokenLogitsShow() {
        Sides s({64, 96, 32});
        s.left[3][4] = std::numeric_limits<float>::quiet_NaN();
        s.left[40][0] = std::numeric_limits<float>::infinity();
        s.product.bias = nullptr;
        const Tensor targets = at::zeros({64}, at::kLong);
        Tensor logSum = at::zeros({64}), target = at::zeros({64});
        model::bfloat16Forward()->toLogits(s.product,
                                      {targets.const_data_ptr<std::int64_t>(), logSum.mutable_data_ptr<float>(),
                                       target.mutable_data_ptr<float>(), nullptr, nullptr});
        const Tensor loss = logSum - target;
        for (std::int64_t row = 0; row < 64; ++row)
            QCOMPARE(std::isfinite(loss[row].item<float>()), row != 3 && row != 40);
    }

    void rowsDoNotDependOnTheirNeighbours() {
        const Sides s({300, 64, 1024});
        Tensor whole = at::zeros({300, 64}), parts = at::zeros({300, 64});
        model::bfloat16Forward()->addTo(s.product, whole.mutable_data_ptr<float>());
        for (std::int64_t row = 0; row < 300; row += 96) {
            PackedProduct part = s.product;
            part.rows = std::min<std::int64_t>(96, 300 - row);
            part.x += row * 1024;
            model::bfloat16Forward()->addTo(part, parts.mutable_data_ptr<float>() + row * 64);
        }
        QVERIFY(whole.equal(parts));
    }

    void layerNormToWords() {
        const Tensor x = at::randn({9, 96}) * 3 + 5, gain = at::randn({96}), bias = at::randn({96});
        Tensor y = at::zeros({9, 96}, at::kBFloat16);
        for (const bool shifted : {true, false}) {
            model::bfloat16Forward()->layerNorm(9, 96, x.const_data_ptr<float>(), gain.const_data_ptr<float>(),
                                           shifted ? bias.const_data_ptr<float>() : nullptr, 1e-5f, words(y));
            const Tensor wanted = at::layer_norm(x.to(at::kDouble), {96}, gain.to(at::kDouble),
                                                 shifted ? bias.to(at::kDouble) : Tensor(), 1e-5);
            QVERIFY(((y.to(at::kDouble) - wanted).abs() <= wanted.abs() * kWordTolerance + 1e-4).all().item<bool>());
        }
    }
};

QTEST_GUILESS_MAIN(TestBFloat16Forward)
#include "tst_bfloat16_forward.moc"
