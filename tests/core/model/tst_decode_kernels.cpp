// SPDX-License-Identifier: Apache-2.0
// Products of a few rows and attention over a cache, of every instruction set, against sums in double; and that a row
// has the same bits in any company.
#include <cmath>
#include <random>
#include <vector>

#include <QtTest>

#include "core/model/kernels.h"

using namespace crest::model;

namespace {

std::vector<float> random(std::size_t count, std::uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values)
        value = normal(generator);
    return values;
}

std::vector<const CpuKernels*> kernels() {
    std::vector<const CpuKernels*> all;
    for (const char* isa : {"base", "avx2", "avx512"})
        if (const CpuKernels* one = cpuKernelsFor(isa))
            all.push_back(one);
    return all;
}

float wordValue(std::uint16_t word) {
    const std::uint32_t bits = static_cast<std::uint32_t>(word) << 16;
    float value = 0;
    std::memcpy(&value, &bits, 4);
    return value;
}

/// A cache of `rows` rows behind a shared prefix, and one token's way through them.
struct Cache {
    std::int64_t kvHeads, size, prefix, own, rows;
    std::vector<float> prefixKeys, prefixValues, ownKeys, ownValues;
    std::vector<std::int32_t> history;

    Cache(std::int64_t heads, std::int64_t headSize, std::int64_t prefixTokens, std::int64_t ownTokens)
        : kvHeads(heads)
        , size(headSize)
        , prefix(prefixTokens)
        , own(ownTokens)
        , rows(3) {
        const auto count = [&](std::int64_t tokens) { return static_cast<std::size_t>(kvHeads * tokens * size); };
        prefixKeys = random(count(prefix + 2), 1), prefixValues = random(count(prefix + 2), 2);
        ownKeys = random(3 * count(own + 1), 3), ownValues = random(3 * count(own + 1), 4);
        for (std::int64_t i = 0; i < own; ++i)
            history.push_back(static_cast<std::int32_t>((i * 7 + i / 3) % 3));
    }
    /// More room than tokens, so that strides are not what the tokens would give.
    CachedToken token(std::int64_t heads, std::int64_t first) const {
        CachedToken t;
        t.heads = heads, t.kvHeads = kvHeads, t.headSize = size;
        t.first = first, t.prefix = prefix, t.tokens = prefix + own;
        t.prefixKeys = prefixKeys.data(), t.prefixValues = prefixValues.data(), t.prefixHead = (prefix + 2) * size;
        t.ownKeys = ownKeys.data(), t.ownValues = ownValues.data();
        t.ownHead = (own + 1) * size, t.ownRow = kvHeads * t.ownHead;
        t.rows = history.data();
        t.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
        return t;
    }
    double at(const std::vector<float>& shared, const std::vector<float>& mine, std::int64_t head, std::int64_t position,
              std::int64_t d) const {
        if (position < prefix)
            return shared[static_cast<std::size_t>((head * (prefix + 2) + position) * size + d)];
        const std::int64_t i = position - prefix, row = history[static_cast<std::size_t>(i)];
        return mine[static_cast<std::size_t>(((row * kvHeads + head) * (own + 1) + i) * size + d)];
    }
    std::vector<double> expected(const std::vector<float>& q, std::int64_t heads, std::int64_t first) const {
        std::vector<double> out(static_cast<std::size_t>(heads * size));
        for (std::int64_t h = 0; h < heads; ++h) {
            const std::int64_t kv = h / (heads / kvHeads);
            std::vector<double> weights;
            double total = 0;
            for (std::int64_t t = first; t < prefix + own; ++t) {
                double score = 0;
                for (std::int64_t d = 0; d < size; ++d)
                    score += static_cast<double>(q[static_cast<std::size_t>(h * size + d)]) *
                             at(prefixKeys, ownKeys, kv, t, d);
                weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
                total += weights.back();
            }
            for (std::int64_t d = 0; d < size; ++d)
                for (std::int64_t t = first; t < prefix + own; ++t)
                    out[static_cast<std::size_t>(h * size + d)] +=
                        weights[static_cast<std::size_t>(t - first)] / total * at(prefixValues, ownValues, kv, t, d);
        }
        return out;
    }
};

} // namespace

class TestDecodeKernels : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void fewRows() {
        const std::int64_t shapes[][3] = {{1, 1, 1}, {1, 9, 48}, {2, 5, 17}, {5, 33, 50}, {6, 64, 96}, {7, 3, 100}, {13, 21, 259}};
        for (const CpuKernels* kernel : kernels())
            for (const auto& [m, n, k] : shapes)
                for (const bool accumulate : {false, true})
                    checkProduct(*kernel, m, n, k, accumulate);
    }

    void aRowIsTheSameInAnyCompany() {
        constexpr std::int64_t m = 14, n = 37, k = 203;
        const auto x = random(m * k, 1), w = random(n * k, 2), bias = random(n, 3);
        for (const CpuKernels* kernel : kernels()) {
            std::vector<float> all(m * n), one(n);
            kernel->fewRows(m, n, k, x.data(), k, w.data(), bias.data(), all.data(), n, false);
            for (std::int64_t row = 0; row < m; ++row) {
                // Alone, and its columns in two calls, as threads share them.
                kernel->fewRows(1, 11, k, x.data() + row * k, k, w.data(), bias.data(), one.data(), n, false);
                kernel->fewRows(1, n - 11, k, x.data() + row * k, k, w.data() + 11 * k, bias.data() + 11,
                                one.data() + 11, n, false);
                QVERIFY2(std::equal(one.begin(), one.end(), all.begin() + row * n), kernel->isa);
            }
        }
    }

    void attention_data() {
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<int>("size");
        QTest::addColumn<int>("prefix");
        QTest::addColumn<int>("own");
        QTest::addColumn<int>("first");
        QTest::newRow("one token") << 1 << 1 << 16 << 0 << 1 << 0;
        QTest::newRow("whole vectors") << 4 << 4 << 64 << 32 << 16 << 0;
        QTest::newRow("groups and tails") << 6 << 2 << 24 << 13 << 9 << 0;
        QTest::newRow("odd size") << 2 << 1 << 19 << 5 << 40 << 3;
        QTest::newRow("window in the prefix") << 3 << 3 << 80 << 50 << 7 << 31;
        QTest::newRow("window behind the prefix") << 3 << 3 << 128 << 9 << 30 << 20;
    }
    void attention() {
        QFETCH(int, heads);
        QFETCH(int, kvHeads);
        QFETCH(int, size);
        QFETCH(int, prefix);
        QFETCH(int, own);
        QFETCH(int, first);
        const Cache cache(kvHeads, size, prefix, own);
        const auto q = random(static_cast<std::size_t>(heads * size), 9);
        const auto expected = cache.expected(q, heads, first);
        for (const CpuKernels* kernel : kernels()) {
            std::vector<float> out(expected.size()), scratch(static_cast<std::size_t>(prefix + own - first) + 16);
            kernel->cachedAttention(cache.token(heads, first), q.data(), size, out.data(), scratch.data());
            for (std::size_t i = 0; i < out.size(); ++i)
                QVERIFY2(std::abs(static_cast<double>(out[i]) - expected[i]) < 2e-6, kernel->isa);
        }
    }

    void notANumberStaysOne() {
        Cache cache(1, 32, 4, 3);
        cache.ownKeys[5] = std::nanf("");
        cache.history = {0, 0, 0};
        const auto q = random(32, 9);
        for (const CpuKernels* kernel : kernels()) {
            std::vector<float> out(32), scratch(32);
            kernel->cachedAttention(cache.token(1, 0), q.data(), 32, out.data(), scratch.data());
            QVERIFY2(std::isnan(out[0]), kernel->isa);
        }
    }

private:
    void checkProduct(const CpuKernels& kernel, std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
        const std::int64_t xStride = k + 3, yStride = n + 2;
        const auto count = [](std::int64_t value) { return static_cast<std::size_t>(value); };
        const auto x = random(count(m * xStride), 1), w = random(count(n * k), 2), bias = random(count(n), 3),
                   before = random(count(m * yStride), 4);
        std::vector<std::uint16_t> words(w.size());
        kernel.toBFloat16(n * k, w.data(), words.data());
        for (const bool rounded : {false, true}) {
            std::vector<float> y = before;
            if (rounded)
                kernel.fewRowsBFloat16(m, n, k, x.data(), xStride, words.data(), bias.data(), y.data(), yStride, accumulate);
            else
                kernel.fewRows(m, n, k, x.data(), xStride, w.data(), nullptr, y.data(), yStride, accumulate);
            for (std::int64_t i = 0; i < m; ++i)
                for (std::int64_t j = 0; j < yStride; ++j) {
                    const std::size_t at = count(i * yStride + j);
                    double sum = j < n && !accumulate ? 0 : static_cast<double>(before[at]);
                    if (j < n && rounded)
                        sum += static_cast<double>(bias[count(j)]);
                    for (std::int64_t p = 0; j < n && p < k; ++p)
                        sum += static_cast<double>(x[count(i * xStride + p)]) *
                               static_cast<double>(rounded ? wordValue(words[count(j * k + p)]) : w[count(j * k + p)]);
                    QVERIFY2(std::abs(static_cast<double>(y[at]) - sum) < 1e-5 * std::sqrt(static_cast<double>(k) + 1),
                             kernel.isa);
                }
        }
    }
};

QTEST_GUILESS_MAIN(TestDecodeKernels)
#include "tst_decode_kernels.moc"
