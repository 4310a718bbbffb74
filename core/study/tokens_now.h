// SPDX-License-Identifier: Apache-2.0
// The token counts of what was measured, as the study has them now: a result keeps what was known when it was planned.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/study/study_folder.h"

namespace crest::study {

class TokensNow {
public:
    /// Scans the series of the study, headers only; what cannot be found keeps what was stored.
    explicit TokensNow(const StudyFolder& folder);
    /// Of the row's checkpoint: corrected by hand, else as files and rules say, else as it was stored.
    std::optional<std::int64_t> of(const ResultRow& row) const;

private:
    std::map<std::pair<std::string, std::string>, std::int64_t> m_tokens; ///< by series and name, found names, too
};

} // namespace crest::study
