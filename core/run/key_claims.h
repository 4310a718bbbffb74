// SPDX-License-Identifier: Apache-2.0
// Which results are being computed now, over all runs of a study: claims/<writer>.<number> names the keys of what one
// worker has in work. Two runs that share cells share their results, and neither computes one that the other is at.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::run {

/// Keys that nobody else computes as long as it lives. Ends after the results are stored; a runner's death ends its
/// claims as well.
class KeyLease {
public:
    KeyLease() = default;
    explicit KeyLease(std::filesystem::path file)
        : m_file(std::move(file)) {}
    KeyLease(KeyLease&& other) noexcept;
    KeyLease& operator=(KeyLease&& other) noexcept;
    ~KeyLease();

private:
    std::filesystem::path m_file;
};

/// Of one runner, for all its runs. Any thread.
class KeyClaims {
public:
    /// Told the keys that others (and other workers here) are at; says which ones to claim. What it reads of the
    /// stored results is complete: a key is given up only after its result is stored.
    using Choose = std::function<Result<std::vector<std::string>>(const std::unordered_set<std::string>& inWork)>;

    KeyClaims(const study::StudyFolder& folder, std::string writer);

    /// Calls `choose` under the study's lock and claims what it returns. NoSpace where the claim cannot be written.
    Result<KeyLease> claim(const Choose& choose);

private:
    const study::StudyFolder& m_folder;
    std::filesystem::path m_claims;
    std::string m_writer;
    std::mutex m_mutex;
    std::int64_t m_next = 0;
    std::map<std::string, std::vector<std::string>> m_known; ///< by file: a claim is written once

    Result<std::unordered_set<std::string>> inWork();
};

} // namespace crest::run
