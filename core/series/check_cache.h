// SPDX-License-Identifier: Apache-2.0
// What was found in checkpoints, remembered by what tells that their files are unchanged.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "core/base/json.h"
#include "core/series/weight_check.h"

namespace crest::series {

/// A file of findings, read once. Best effort: one that cannot be read is empty, one that cannot be written costs time. Used by one
/// thread; others, and other processes, may use the same file at the same time.
class CheckCache {
public:
    /// "": none, nothing is remembered.
    explicit CheckCache(std::filesystem::path file);
    /// Writes what is not written yet; waits a second for whoever writes.
    ~CheckCache();
    CheckCache(const CheckCache&) = delete;
    CheckCache& operator=(const CheckCache&) = delete;

    bool isEmpty() const { return m_known.empty(); }
    /// Older versions kept the fingerprint alone: then it is read again.
    std::optional<CheckedWeights> find(const std::string& identity) const;
    /// The whole file is written, so findings that come fast are written together: a kill loses those of the last second.
    void remember(const std::string& identity, const CheckedWeights& weights);

private:
    /// Together with what others wrote meanwhile.
    void save(std::chrono::milliseconds patience);

    using Clock = std::chrono::steady_clock;
    std::filesystem::path m_file;
    Json m_known;                    ///< by identity
    Json m_unsaved = Json::object(); ///< the part of it that the file lacks
    Clock::time_point m_savedAt = Clock::now();
    Clock::duration m_saveTook{};
};

} // namespace crest::series
