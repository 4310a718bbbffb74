// SPDX-License-Identifier: Apache-2.0
// A POSIX file descriptor that closes itself. For the files of this module.
#pragma once

#include <utility>

#include <unistd.h>

namespace crest::io {

class Descriptor {
public:
    explicit Descriptor(int value = -1)
        : m_value(value) {}
    Descriptor(Descriptor&& other) noexcept
        : m_value(std::exchange(other.m_value, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(m_value, other.m_value);
        return *this;
    }
    ~Descriptor() { reset(); }
    int get() const { return m_value; } ///< negative: none
    void reset() {
        if (m_value >= 0)
            ::close(m_value);
        m_value = -1;
    }

private:
    int m_value;
};

} // namespace crest::io
