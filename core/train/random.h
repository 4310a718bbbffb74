// SPDX-License-Identifier: Apache-2.0
// Random choices of a training as pure functions of a key: the start of weights and adapters, the order of the data.
// Nothing has a state, so a resumed run needs to store none.
#pragma once

#include <cstdint>
#include <string_view>

#include <ATen/ATen.h>

namespace crest::train {

/// Fills `out` (float32, contiguous, CPU) with N(0, std^2): element i is a function of (seed, tensor, i) alone.
/// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), Box-Muller.
void fillNormal(at::Tensor& out, std::int64_t seed, std::string_view tensor, double std);

/// Fills `out` with numbers that are uniform in [-bound, bound): element i is a function of (seed, tensor, i) alone.
void fillUniform(at::Tensor& out, std::int64_t seed, std::string_view tensor, double bound);

/// A permutation of [0, size) keyed by (seed, epoch): a Feistel network over the next power of four, walked until it
/// falls into the range (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Thread-safe.
class KeyedPermutation {
public:
    KeyedPermutation(std::int64_t size, std::int64_t seed, std::int64_t epoch);
    std::int64_t operator()(std::int64_t index) const;

private:
    std::int64_t m_size;
    std::uint64_t m_key;
    int m_halfBits = 1;
};

} // namespace crest::train
