// SPDX-License-Identifier: Apache-2.0
// Time that this process itself computed: what a hostile file costs on a machine that others use as well.
#pragma once

#include <ctime>

class CpuTimer {
public:
    double seconds() const { return static_cast<double>(std::clock() - m_begin) / CLOCKS_PER_SEC; }

private:
    std::clock_t m_begin = std::clock();
};
