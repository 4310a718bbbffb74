// SPDX-License-Identifier: Apache-2.0
// Memory for large buffers that live long: huge pages where the system lends them on request, since tiles reach over so
// many rows at once that pages of 4 kB cost more time than the products (a fifth at 160M parameters).
#pragma once

#include <cstdlib>

#include <ATen/ATen.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace crest::model {

/// An uninitialised CPU tensor of `count` elements. Only pages that are written to take memory.
inline at::Tensor pages(std::int64_t count, at::ScalarType type) {
    constexpr std::size_t kHuge = std::size_t{2} << 20;
    const std::size_t bytes = static_cast<std::size_t>(count) * at::elementSize(type);
    if (bytes < kHuge / 2)
        return at::empty({count}, type);
    const std::size_t size = (bytes + kHuge - 1) / kHuge * kHuge;
    void* memory = std::aligned_alloc(kHuge, size);
    if (!memory)
        throw std::bad_alloc();
#ifdef __linux__
    madvise(memory, size, MADV_HUGEPAGE); // a wish: where it is not granted, pages are small
#endif
    return at::from_blob(
        memory, {count}, [](void* p) { std::free(p); }, type);
}

/// The same, of a shape and filled with zeros; on another device as usual there.
inline at::Tensor zeroPages(at::IntArrayRef shape, at::ScalarType type, const at::Device& device = at::kCPU) {
    if (!device.is_cpu())
        return at::zeros(shape, at::TensorOptions().dtype(type).device(device));
    return pages(c10::multiply_integers(shape), type).view(shape).zero_();
}

} // namespace crest::model
