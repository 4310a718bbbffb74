// SPDX-License-Identifier: Apache-2.0
// Standard normal numbers as a function of (seed, tensor name, element): the same bits on every machine, instruction
// set and thread count, for any part of a tensor and in any order. No LibTorch.
//
// Element i belongs to block b = 16 (i / 64) + i % 16 and is output (i / 16) % 4 of it. The block's words are
// philox4x32(counter = {b, tensor}, key = seed), low words first; words 0 and 1 give outputs 0 and 1, words 2 and 3
// outputs 2 and 3, by Box and Muller (1958): radius sqrt(-2 ln u), u = ((word >> 1) + 1/2) 2^-31, angle 2 pi word'
// 2^-32; outputs are radius x cosine and radius x sine. Logarithm, root, sine and cosine are own polynomials in single
// precision, made of additions and multiplications alone, each rounded by itself (-ffp-contract=off). |z| <= 6.66.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace crest::probe {

/// One stream of normals: a seed and what the tensor's name makes of itself.
struct NoiseStream {
    std::uint64_t seed = 0;
    std::uint64_t tensor = 0; ///< first 8 bytes, little-endian, of SHA-256("crest gaussian noise 1\n" + tensor name)
};
NoiseStream noiseStream(std::int64_t seed, std::string_view tensorName);

/// out[j] = z(stream, firstElement + j).
void fillNormals(const NoiseStream& stream, std::int64_t firstElement, std::span<float> out);

/// The variants that this machine can run ("base", "avx2", "avx512"), for tests; fillNormals takes the last.
std::span<const char* const> noiseVariants();
/// As fillNormals, by one variant of noiseVariants().
void fillNormalsWith(std::string_view variant, const NoiseStream& stream, std::int64_t firstElement,
                     std::span<float> out);

/// out = weights + std x normals; `out` may be `normals`. All of one length.
void addNoise(std::span<const float> weights, std::span<const float> normals, float std, std::span<float> out);

} // namespace crest::probe
