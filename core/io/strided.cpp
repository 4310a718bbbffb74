// SPDX-License-Identifier: Apache-2.0
// Tensors that are stored transposed or as views, brought into row-major order.
#include <cstring>

#include "core/io/torch_file.h"

namespace crest::io {
namespace {

template<std::size_t Size>
void gather(const TensorEntry& entry, const std::byte* source, std::byte* target, std::size_t count) {
    const std::size_t rank = entry.shape.size();
    std::vector<std::int64_t> index(rank, 0);
    std::int64_t at = 0; // in elements
    const std::int64_t inner = entry.shape[rank - 1], step = entry.strides[rank - 1];
    for (std::size_t done = 0; done < count; done += static_cast<std::size_t>(inner)) {
        for (std::int64_t i = 0; i < inner; ++i, target += Size)
            std::memcpy(target, source + static_cast<std::size_t>(at + i * step) * Size, Size);
        for (std::size_t axis = rank - 1; axis-- > 0;) {
            at += entry.strides[axis];
            if (++index[axis] < entry.shape[axis])
                break;
            at -= entry.shape[axis] * entry.strides[axis];
            index[axis] = 0;
        }
    }
}

} // namespace

void gatherStrided(const TensorEntry& entry, std::span<const std::byte> source, std::span<std::byte> target) {
    const auto count = static_cast<std::size_t>(entry.elements());
    if (count == 0)
        return;
    if (entry.strides.empty()) {
        std::memcpy(target.data(), source.data(), target.size());
        return;
    }
    switch (target.size() / count) {
    case 1:
        return gather<1>(entry, source.data(), target.data(), count);
    case 2:
        return gather<2>(entry, source.data(), target.data(), count);
    case 4:
        return gather<4>(entry, source.data(), target.data(), count);
    default:
        return gather<8>(entry, source.data(), target.data(), count);
    }
}

} // namespace crest::io
