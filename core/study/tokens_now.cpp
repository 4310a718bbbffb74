// SPDX-License-Identifier: Apache-2.0
#include "core/study/tokens_now.h"

#include <filesystem>

#include "core/series/series.h"
#include "core/study/study_series.h"

namespace crest::study {

TokensNow::TokensNow(const StudyFolder& folder) {
    std::map<std::filesystem::path, Result<series::ScanResult>> scans; // several series may share a folder
    for (const StudySeries& known : folder.study().series) {
        const std::filesystem::path path = folder.path() / known.path;
        auto scan = scans.find(path);
        if (scan == scans.end())
            scan = scans.emplace(path, series::findSeries(path)).first;
        const series::Series* found = scan->second ? findKnown(scan->second->series, known) : nullptr;
        if (!found)
            continue;
        std::vector<series::ScanIssue> issues; // of no concern here
        for (const series::Checkpoint& checkpoint : asStudied(*found, known, issues).checkpoints)
            if (checkpoint.tokens && checkpoint.state != series::CheckpointState::Broken)
                for (const std::string& name : {checkpoint.name, checkpoint.foundName}) // no other one's: applyCorrections
                    m_tokens.emplace(std::pair(known.name, name), *checkpoint.tokens);
    }
}

std::optional<std::int64_t> TokensNow::of(const ResultRow& row) const {
    const auto now = m_tokens.find({row.series, row.checkpoint});
    return now == m_tokens.end() ? row.tokens : std::optional(now->second);
}

} // namespace crest::study
