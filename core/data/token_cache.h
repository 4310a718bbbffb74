// SPDX-License-Identifier: Apache-2.0
// Ids of texts that are tokenised once and kept on disk: what training, losses of texts and scoring of items all use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/text/text_list.h"
#include "core/text/tokenizer.h"

namespace crest::data {

inline constexpr std::size_t kNarrowIds = 65'536; ///< up to so many different ids take 2 bytes each, more take 4

/// Where ids are kept. Files are found by content (texts, tokenizer, mode), checked by their SHA-256, and made anew
/// where they are damaged; a folder that cannot be written is no error. Any number of processes may share one.
struct TokenCache {
    std::filesystem::path folder;              ///< "": nothing is kept
    std::uint64_t maxBytes = ~std::uint64_t{}; ///< of all files; those that were used longest ago go first
    std::uint64_t minTextBytes = 0;            ///< fewer are tokenised faster than read

    /// crest/tokens in $CREST_CACHE, else in $XDG_CACHE_HOME, else in ~/.cache: 2 GB, for texts of 100 kB and more.
    static TokenCache ofUser();
};

enum class TokenMode {
    Plain,    ///< the ids of each text alone
    Template, ///< with the BOS and EOS that the tokenizer puts around
    Scoring   ///< Tokenizer::encodeForScoring
};

/// The ids of several texts, in their order: 2 bytes an id up to 65,536 ids, else 4, mapped from the cache where they
/// come from there. Immutable; cheap to copy; any thread may read.
class TokenLists {
public:
    /// Errors: Stopped only.
    static Result<TokenLists> of(text::TextsView texts, const text::Tokenizer& tokenizer, TokenMode mode,
                                 const TokenCache& cache = {}, const JobContext& job = {});
    /// The same where `textsHash` of the texts is known.
    static Result<TokenLists> of(text::TextsView texts, std::string_view hash,
                                 const text::Tokenizer& tokenizer, TokenMode mode, const TokenCache& cache = {},
                                 const JobContext& job = {});

    std::size_t size() const { return m_lengths.size(); }
    std::size_t length(std::size_t text) const { return m_lengths[text]; }
    /// Of all texts together.
    std::size_t idCount() const { return m_narrow.empty() ? m_wide.size() : m_narrow.size(); }
    bool fromCache() const { return m_fromCache; }
    /// Calls use(text, id) for every id in order.
    template<class Use> void forEach(Use&& use) const {
        std::size_t at = 0;
        for (std::size_t text = 0; text < m_lengths.size(); ++text)
            for (const std::size_t end = at + m_lengths[text]; at < end; ++at)
                use(text, idAt(at));
    }
    /// One list for each text.
    std::vector<std::vector<std::int32_t>> all() const;

private:
    std::int32_t idAt(std::size_t at) const {
        return m_narrow.empty() ? static_cast<std::int32_t>(m_wide[at]) : static_cast<std::int32_t>(m_narrow[at]);
    }
    static Result<TokenLists> make(text::TextsView texts, const text::Tokenizer& tokenizer, TokenMode mode,
                                   const JobContext& job);
    static bool read(const std::filesystem::path& file, const std::string& key, TokenLists& into);
    void write(const std::filesystem::path& file, const std::string& key) const;

    std::shared_ptr<const void> m_owner; ///< of what the spans show
    std::span<const std::uint16_t> m_narrow;
    std::span<const std::uint32_t> m_wide;
    std::span<const std::uint32_t> m_lengths;
    bool m_fromCache = false;
};

} // namespace crest::data
