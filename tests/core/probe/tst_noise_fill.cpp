// SPDX-License-Identifier: Apache-2.0
// Philox against its published answers; the normals against their distribution, and against themselves on other
// machines.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include <QtTest>

#include "core/base/philox.h"
#include "core/probe/noise_fill.h"

using namespace crest;
using namespace crest::probe;

namespace {

constexpr std::size_t kMany = 1 << 20;

std::vector<float> draw(std::size_t count, std::int64_t first = 0, std::int64_t seed = 7, const char* name = "w") {
    std::vector<float> z(count);
    fillNormals(noiseStream(seed, name), first, z);
    return z;
}

/// Element i by the definition in noise_fill.h, with the library's functions in double.
double byDefinition(const NoiseStream& stream, std::int64_t i) {
    const std::uint64_t block = static_cast<std::uint64_t>(16 * (i / 64) + i % 16);
    const auto words =
        philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                    static_cast<std::uint32_t>(stream.tensor), static_cast<std::uint32_t>(stream.tensor >> 32)},
                   {static_cast<std::uint32_t>(stream.seed), static_cast<std::uint32_t>(stream.seed >> 32)});
    const std::int64_t output = i / 16 % 4;
    const double u = (static_cast<double>(words[output < 2 ? 0 : 2] >> 1) + 0.5) * 0x1p-31;
    const double angle = 2 * std::numbers::pi * static_cast<double>(words[output < 2 ? 1 : 3]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * (output % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

} // namespace

class NoiseFillTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// The known answers of Random123 (kat_vectors, philox4x32 10).
    void philoxKnownAnswers() {
        const std::uint32_t all = 0xFFFFFFFFu;
        QVERIFY(
            (philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
        QVERIFY((philox4x32({all, all, all, all}, {all, all}) ==
                 PhiloxCounter{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
        QVERIFY((philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
                 PhiloxCounter{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
    }

    void equalsItsDefinition() {
        const std::int64_t far = (std::int64_t{1} << 36) + 5; // counters beyond 32 bits
        for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1000}, far}) {
            const NoiseStream stream = noiseStream(123456789012345, "model.layers.0.mlp.up_proj.weight");
            std::vector<float> z(5000);
            fillNormals(stream, first, z);
            for (std::size_t i = 0; i < z.size(); ++i) {
                const double expected = byDefinition(stream, first + static_cast<std::int64_t>(i));
                // Near u = 1 the radius is the root of a difference of neighbouring floats.
                QVERIFY2(std::abs(static_cast<double>(z[i]) - expected) < 4e-4, qPrintable(QString::number(expected)));
                if (std::abs(expected) > 0.1)
                    QVERIFY(std::abs(static_cast<double>(z[i]) / expected - 1) < 2e-4);
            }
        }
    }

    void sameBitsByEveryInstructionSet() {
        const NoiseStream stream = noiseStream(3, "tensor");
        std::vector<float> reference(kMany), other(kMany);
        fillNormalsWith("base", stream, 0, reference);
        int compared = 0;
        for (const char* variant : noiseVariants()) {
            std::fill(other.begin(), other.end(), 0.0f);
            fillNormalsWith(variant, stream, 0, other);
            QVERIFY2(std::memcmp(reference.data(), other.data(), kMany * sizeof(float)) == 0, variant);
            ++compared;
        }
        QVERIFY(compared >= 1);
    }

    /// Whatever part is asked for, in whatever order: the same bits.
    void anyPartIsTheSame() {
        const std::vector<float> whole = draw(3000);
        for (const std::size_t first : {0u, 1u, 63u, 64u, 65u, 1000u, 2047u})
            for (const std::size_t count : {1u, 15u, 64u, 130u, 900u}) {
                const std::vector<float> part = draw(count, static_cast<std::int64_t>(first));
                QVERIFY(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
            }
    }

    void seedsAndNamesAreIndependent() {
        const std::vector<float> a = draw(kMany);
        for (const auto& b : {draw(kMany, 0, 8), draw(kMany, 0, 7, "v"), draw(kMany, 1)}) {
            double sum = 0;
            for (std::size_t i = 0; i < kMany; ++i)
                sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
            QVERIFY(std::abs(sum / kMany) < 5 / std::sqrt(static_cast<double>(kMany)));
        }
    }

    void momentsAndTails() {
        const std::vector<float> z = draw(4 * kMany);
        const auto n = static_cast<double>(z.size());
        double moments[5] = {};
        double beyond3 = 0, beyond4 = 0;
        for (const float value : z) {
            double power = 1;
            for (double& moment : moments)
                moment += power *= static_cast<double>(value);
            beyond3 += std::abs(value) > 3 ? 1 : 0;
            beyond4 += std::abs(value) > 4 ? 1 : 0;
        }
        const double root = std::sqrt(n);
        QVERIFY(std::abs(moments[0] / n) < 5 / root);
        QVERIFY(std::abs(moments[1] / n - 1) < 5 * std::sqrt(2.0) / root);
        QVERIFY(std::abs(moments[2] / n) < 5 * std::sqrt(15.0) / root);
        QVERIFY(std::abs(moments[3] / n - 3) < 5 * std::sqrt(96.0) / root);
        for (const auto& [count, limit] : {std::pair{beyond3, 3.0}, std::pair{beyond4, 4.0}}) {
            const double expected = n * std::erfc(limit / std::numbers::sqrt2);
            QVERIFY(std::abs(count - expected) < 5 * std::sqrt(expected));
        }
    }

    /// Kolmogorov and Smirnov's distance: its 99.99 % point is 2.23 / sqrt(n).
    void distribution() {
        std::vector<float> z = draw(kMany);
        std::sort(z.begin(), z.end());
        double distance = 0;
        for (std::size_t i = 0; i < z.size(); ++i) {
            const double cumulative = 0.5 * std::erfc(-static_cast<double>(z[i]) / std::numbers::sqrt2);
            distance = std::max(distance,
                                std::abs(cumulative - (static_cast<double>(i) + 0.5) / static_cast<double>(z.size())));
        }
        QVERIFY2(distance < 2.23 / std::sqrt(static_cast<double>(kMany)), qPrintable(QString::number(distance)));
    }

    void addNoiseIsTheFormula() {
        const std::vector<float> z = draw(777);
        std::vector<float> w = draw(777, 0, 9), out(777);
        addNoise(w, z, 0.3f, out);
        for (std::size_t i = 0; i < out.size(); ++i) {
            const float scaled = 0.3f * z[i]; // rounded by itself, then added
            QCOMPARE(out[i], w[i] + scaled);
        }
    }
};

QTEST_APPLESS_MAIN(NoiseFillTest)
#include "tst_noise_fill.moc"
