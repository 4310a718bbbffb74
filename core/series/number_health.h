// SPDX-License-Identifier: Apache-2.0
// What bytes of numbers tell of themselves: NaN, infinities, nothing but zeros. At the speed of memory, beside a hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/io/safetensors.h"

namespace crest::series {

/// Of one tensor; give its bytes in order, in pieces of whole numbers. F32, F16 and BF16; of other types nothing is said.
class NumberHealth {
public:
    explicit NumberHealth(io::DType dtype);
    void look(std::span<const std::byte> bytes);

    std::int64_t nans() const { return m_nans; }
    std::int64_t infinities() const { return m_infinities; }
    /// No number so far was anything but 0 (or -0).
    bool onlyZeros() const { return m_isKnown && !m_anyNonzero; }

private:
    bool m_isKnown, m_anyNonzero = false;
    std::uint32_t m_exponent = 0; ///< all bits of a number's exponent: of NaN and infinities all are set
    std::uint32_t m_sign = 0;
    std::int64_t m_nans = 0, m_infinities = 0;

    void count(std::span<const std::byte> bytes);
};

} // namespace crest::series
