// SPDX-License-Identifier: Apache-2.0
// Memory for what a training step reads and writes again and again.
#pragma once

#include <ATen/ATen.h>

namespace crest::train {

/// Zeros on the CPU in pages as large as the system lends (madvise, MADV_HUGEPAGE): fewer page faults at first use and
/// fewer address translations later. Aligned to 64 bytes at least.
at::Tensor hugeZeros(at::IntArrayRef shape, at::ScalarType type);

} // namespace crest::train
