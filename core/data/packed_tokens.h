// SPDX-License-Identifier: Apache-2.0
// Pretraining text as one long array of ids, compact in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/texts.h"
#include "core/data/token_cache.h"
#include "core/text/tokenizer.h"

namespace crest::data {

/// Ids of documents one after the other, each followed by the end token: 2 bytes an id up to 65,536 ids, else 4.
/// Immutable; any thread may read.
class PackedTokens {
public:
    /// Tokenizes. OutOfRange where the end token is no id of the tokenizer.
    static Result<PackedTokens> build(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                      const JobContext& job = {});
    /// The same with ids that are kept in `cache`.
    static Result<PackedTokens> buildCached(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                            const TokenCache& cache, const JobContext& job = {});
    /// From ids that are there already, each in [0, idLimit).
    static Result<PackedTokens> fromIds(std::span<const std::int32_t> ids, std::int32_t idLimit);

    std::int64_t size() const {
        return m_narrow.empty() ? static_cast<std::int64_t>(m_wide.size()) : static_cast<std::int64_t>(m_narrow.size());
    }
    std::int32_t operator[](std::int64_t index) const {
        const auto i = static_cast<std::size_t>(index);
        return m_narrow.empty() ? static_cast<std::int32_t>(m_wide[i]) : static_cast<std::int32_t>(m_narrow[i]);
    }
    /// Fills `out` with ids[begin, begin + out.size()), which must lie inside. int64 is LibTorch's index type.
    void copyTo(std::int64_t begin, std::span<std::int64_t> out) const;

    /// SHA-256 (hex) of the ids themselves.
    const std::string& contentHash() const { return m_contentHash; }
    bool fromCache() const { return m_fromCache; }

private:
    std::vector<std::uint16_t> m_narrow;
    std::vector<std::uint32_t> m_wide;
    std::string m_contentHash;
    bool m_fromCache = false;

    void finish();
};

} // namespace crest::data
