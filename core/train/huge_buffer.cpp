// SPDX-License-Identifier: Apache-2.0
#include "core/train/huge_buffer.h"

#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

namespace crest::train {

at::Tensor hugeZeros(at::IntArrayRef shape, at::ScalarType type) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(shape)) * c10::elementSize(type);
    if (bytes < 2 * kHugePage)
        return at::zeros(shape, type);
    const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = std::aligned_alloc(kHugePage, whole);
    if (!memory)
        return at::zeros(shape, type);     // which says that memory is short
    madvise(memory, whole, MADV_HUGEPAGE); // a wish: without it the pages are small
    std::memset(memory, 0, whole);
    return at::from_blob(
        memory, shape, [](void* p) { std::free(p); }, type);
}

} // namespace crest::train
