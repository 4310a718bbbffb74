// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints as a scan finds them, told some at a time, so that a thousand rows do not cost a thousand events.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/series/series.h"

namespace crest::ui {

/// On the scan's thread. The first checkpoint is told at once, the rest every 50 ms, what is left at the end.
class FoundBatches {
public:
    struct Batch {
        std::map<std::string, std::vector<series::Checkpoint>> found; ///< by series
        int total = 0;                                                ///< found since the beginning
    };
    using Tell = std::function<void(const Batch&)>;
    explicit FoundBatches(Tell tell)
        : m_tell(std::move(tell)) {}
    FoundBatches(const FoundBatches&) = delete;
    FoundBatches& operator=(const FoundBatches&) = delete;
    ~FoundBatches() { flush(); }

    void add(const std::string& series, const series::Checkpoint& checkpoint) {
        m_batch.found[series].push_back(checkpoint);
        ++m_batch.total;
        if (const auto now = std::chrono::steady_clock::now(); now >= m_next) {
            flush();
            m_next = now + std::chrono::milliseconds(50);
        }
    }

private:
    void flush() {
        if (m_batch.found.empty())
            return;
        m_tell(m_batch);
        m_batch.found.clear();
    }

    Tell m_tell;
    Batch m_batch;
    std::chrono::steady_clock::time_point m_next{};
};

} // namespace crest::ui
