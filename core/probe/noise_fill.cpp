// SPDX-License-Identifier: Apache-2.0
#include "core/probe/noise_fill.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/base/hash.h"
#include "core/base/philox.h"

// One source, compiled for three instruction sets. GCC's vector types are split where the machine has narrower
// registers, so the operations, and with them the bits, are the same.
#define CREST_INLINE __attribute__((always_inline)) inline

namespace crest::probe {
namespace {

constexpr int kLanes = 16;         ///< Philox blocks side by side
constexpr int kGroup = 4 * kLanes; ///< elements they give
constexpr float kTwoPow31 = 0x1p-31f, kTwoPow30 = 0x1p-30f;

typedef std::uint32_t Words __attribute__((vector_size(64)));
typedef std::int32_t Ints __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(64)));
typedef std::uint64_t Wides __attribute__((vector_size(64)));

/// High and low words of `a` x multiplier, lane by lane. The even lanes of a wide product are the low halves of Wides.
CREST_INLINE void multiply(const Words& a, std::uint32_t multiplier, Words& high, Words& low) {
    const Wides wide = (Wides)a;
    const Wides even = (wide & 0xFFFFFFFFu) * std::uint64_t{multiplier};
    const Wides odd = (wide >> 32) * std::uint64_t{multiplier};
    low = (Words)((even & 0xFFFFFFFFu) | (odd << 32));
    high = (Words)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
}

/// Words of blocks firstBlock .. firstBlock + 15; all share the high word, since firstBlock is a multiple of 16.
CREST_INLINE void philoxBlocks(const NoiseStream& stream, std::uint64_t firstBlock, Words (&c)[4]) {
    for (int lane = 0; lane < kLanes; ++lane)
        c[0][lane] = static_cast<std::uint32_t>(firstBlock) + static_cast<std::uint32_t>(lane);
    c[1] = Words{} + static_cast<std::uint32_t>(firstBlock >> 32);
    c[2] = Words{} + static_cast<std::uint32_t>(stream.tensor);
    c[3] = Words{} + static_cast<std::uint32_t>(stream.tensor >> 32);
    std::uint32_t key0 = static_cast<std::uint32_t>(stream.seed), key1 = static_cast<std::uint32_t>(stream.seed >> 32);
    for (int round = 0; round < kPhiloxRounds; ++round) {
        Words high0{}, low0{}, high1{}, low1{};
        multiply(c[0], kPhiloxMultiplier0, high0, low0);
        multiply(c[2], kPhiloxMultiplier1, high1, low1);
        c[0] = high1 ^ c[1] ^ key0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ key1;
        c[3] = low0;
        key0 += kPhiloxStep0;
        key1 += kPhiloxStep1;
    }
}

/// Results come back through references: vectors wider than the base instruction set must not be function values.
CREST_INLINE void choose(const Ints& mask, const Floats& yes, const Floats& no, Floats& out) {
    out = (Floats)((mask & (Ints)yes) | (~mask & (Ints)no));
}

/// ln of x in [2^-32, 1]: Cephes logf on a mantissa in [sqrt(1/2), sqrt(2)).
CREST_INLINE void logarithm(const Floats& x, Floats& out) {
    const Ints shifted = (Ints)x - 0x3F3504F3;
    const Floats exponent = __builtin_convertvector(shifted >> 23, Floats);
    const Floats f = (Floats)((shifted & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
    const Floats square = f * f;
    Floats p = f * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * square;
    p = p - exponent * 2.12194440e-4f - square * 0.5f;
    out = f + p + exponent * 0.693359375f;
}

/// Square root of x >= 0: the reciprocal root by Newton's method from the classic first guess, times x.
CREST_INLINE void squareRoot(const Floats& x, Floats& out) {
    Floats y = (Floats)(0x5F375A86 - ((Ints)x >> 1));
    const Floats half = x * 0.5f;
    for (int step = 0; step < 4; ++step)
        y = y * (1.5f - half * y * y);
    out = x * y;
}

/// Cosine and sine of 2 pi word / 2^32: Cephes sinf and cosf on the eighth of the circle around the nearest quarter
/// turn.
CREST_INLINE void cosineSine(const Words& word, Floats& cosine, Floats& sine) {
    const Words quarter = (word + 0x20000000u) >> 30;
    const Floats x =
        __builtin_convertvector((Ints)(word - (quarter << 30)), Floats) * (kTwoPow30 * 1.57079632679489662f);
    const Floats square = x * x;
    Floats s = square * -1.9515295891e-4f + 8.3321608736e-3f;
    s = s * square - 1.6666654611e-1f;
    s = s * square * x + x;
    Floats c = square * 2.443315711809948e-5f - 1.388731625493765e-3f;
    c = c * square + 4.166664568298827e-2f;
    c = c * square * square - square * 0.5f + 1.0f;
    const Ints swap = -(Ints)(quarter & 1u);
    const Words cosineSign = ((quarter + 1u) & 2u) << 30, sineSign = (quarter & 2u) << 30;
    choose(swap, s, c, cosine);
    choose(swap, c, s, sine);
    cosine = (Floats)((Words)cosine ^ cosineSign);
    sine = (Floats)((Words)sine ^ sineSign);
}

CREST_INLINE void pairOfNormals(const Words& first, const Words& second, Floats& a, Floats& b) {
    const Floats u = (__builtin_convertvector((Ints)(first >> 1), Floats) + 0.5f) * kTwoPow31;
    Floats logU{}, radius{};
    logarithm(u, logU);
    squareRoot(logU * -2.0f, radius);
    cosineSine(second, a, b);
    a *= radius;
    b *= radius;
}

/// Elements 64 group .. 64 group + 63.
CREST_INLINE void normalGroup(const NoiseStream& stream, std::uint64_t group, float* out) {
    Words words[4] = {};
    philoxBlocks(stream, group * kLanes, words);
    Floats z[4] = {};
    pairOfNormals(words[0], words[1], z[0], z[1]);
    pairOfNormals(words[2], words[3], z[2], z[3]);
    __builtin_memcpy(out, z, sizeof z);
}

CREST_INLINE void fillBody(const NoiseStream& stream, std::uint64_t first, float* out, std::size_t count) {
    std::size_t done = 0;
    while (done < count) {
        const std::uint64_t group = (first + done) / kGroup;
        const std::size_t skip = (first + done) % kGroup;
        const std::size_t part = std::min<std::size_t>(kGroup - skip, count - done);
        if (part == kGroup) {
            normalGroup(stream, group, out + done);
        } else {
            float whole[kGroup];
            normalGroup(stream, group, whole);
            std::copy_n(whole + skip, part, out + done);
        }
        done += part;
    }
}

using FillFunction = void (*)(const NoiseStream&, std::uint64_t, float*, std::size_t);

void fillBase(const NoiseStream& stream, std::uint64_t first, float* out, std::size_t count) {
    fillBody(stream, first, out, count);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) void fillAvx2(const NoiseStream& stream, std::uint64_t first, float* out,
                                              std::size_t count) {
    fillBody(stream, first, out, count);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void
fillAvx512(const NoiseStream& stream, std::uint64_t first, float* out, std::size_t count) {
    fillBody(stream, first, out, count);
}
#endif

struct Variants {
    std::array<const char*, 3> names{"base", "", ""};
    std::array<FillFunction, 3> functions{fillBase, nullptr, nullptr};
    std::size_t count = 1;
};

Variants findVariants() {
    Variants found;
    const auto add = [&found](const char* name, FillFunction function) {
        found.names[found.count] = name;
        found.functions[found.count++] = function;
    };
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        add("avx2", fillAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        add("avx512", fillAvx512);
#endif
    return found;
}

const Variants& variants() {
    static const Variants found = findVariants();
    return found;
}

} // namespace

NoiseStream noiseStream(std::int64_t seed, std::string_view tensorName) {
    Sha256 hash;
    const Sha256::Digest digest = hash.update(std::string_view("crest gaussian noise 1\n")).update(tensorName).finish();
    std::uint64_t tensor = 0;
    for (int byte = 7; byte >= 0; --byte)
        tensor = tensor << 8 | digest[static_cast<std::size_t>(byte)];
    return {static_cast<std::uint64_t>(seed), tensor};
}

void fillNormals(const NoiseStream& stream, std::int64_t firstElement, std::span<float> out) {
    const Variants& known = variants();
    known.functions[known.count - 1](stream, static_cast<std::uint64_t>(firstElement), out.data(), out.size());
}

std::span<const char* const> noiseVariants() {
    return {variants().names.data(), variants().count};
}

void fillNormalsWith(std::string_view variant, const NoiseStream& stream, std::int64_t firstElement,
                     std::span<float> out) {
    const Variants& known = variants();
    for (std::size_t v = 0; v < known.count; ++v)
        if (variant == known.names[v])
            known.functions[v](stream, static_cast<std::uint64_t>(firstElement), out.data(), out.size());
}

#if defined(__x86_64__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
void addNoise(std::span<const float> weights, std::span<const float> normals, float std, std::span<float> out) {
    const float* w = weights.data();
    const float* z = normals.data();
    float* o = out.data();
    const std::size_t count = out.size();
    for (std::size_t i = 0; i < count; ++i)
        o[i] = w[i] + std * z[i];
}

} // namespace crest::probe
