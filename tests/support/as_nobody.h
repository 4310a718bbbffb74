// SPDX-License-Identifier: Apache-2.0
// Root may read everything: as somebody else for a while, for tests of what may not be read.
#pragma once

#include <cstdlib>

#include <unistd.h>

namespace crest::test {

class AsNobody {
public:
    AsNobody() { m_changed = ::geteuid() == 0 && ::seteuid(65534) == 0; }
    ~AsNobody() {
        if (m_changed && ::seteuid(0) != 0)
            std::abort();
    }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;
    /// False where root may not change into anybody.
    bool works() const { return ::geteuid() != 0; }

private:
    bool m_changed = false;
};

} // namespace crest::test
