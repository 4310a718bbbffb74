// SPDX-License-Identifier: Apache-2.0
// What it costs to read a hostile file, and the limits that every own reader of untrusted files keeps: 2 s, and its
// own size and 64 MB of memory.
#pragma once

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include <malloc.h>

namespace crest::test {

struct Spent {
    double seconds = 0;   ///< of processor, all threads of this process: others may have the machine
    double megabytes = 0; ///< of resident memory above the start, at the highest
};

/// A field of /proc/self/status in megabytes; -1 where there is none.
inline double statusMegabytes(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(name + ":"))
            return std::strtod(line.c_str() + name.size() + 1, nullptr) * 1024e-6;
    return -1;
}

template<class Work> Spent spentBy(const Work& work) {
    ::malloc_trim(0);                              // what was freed before must not hide what is taken now
    std::ofstream("/proc/self/clear_refs") << "5"; // the peak counts from here
    const double before = statusMegabytes("VmRSS");
    const std::clock_t start = std::clock();
    work();
    return {static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, statusMegabytes("VmHWM") - before};
}

/// "" where it was within the limits for a file of `bytes`, else what it took.
inline std::string beyondLimits(const Spent& spent, std::size_t bytes) {
    const double allowed = 64 + 1e-6 * static_cast<double>(bytes);
    if (spent.seconds < 2 && spent.megabytes <= allowed && statusMegabytes("VmRSS") > 0)
        return {};
    return std::to_string(spent.seconds) + " s and " + std::to_string(spent.megabytes) + " MB; allowed are 2 s and " +
           std::to_string(allowed) + " MB";
}

} // namespace crest::test
