// SPDX-License-Identifier: Apache-2.0
// Tokens and their ids, both ways, in little memory: what a vocabulary is kept in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crest::text {

/// Each token has one id and each id one token. Ids are kept in a list up to the largest, so they must be bounded by
/// the caller.
class TokenTable {
public:
    enum class Added { Yes, TokenTwice, IdTwice };

    void reserve(std::size_t tokens);
    Added insert(std::string_view token, std::int32_t id);

    std::optional<std::int32_t> find(std::string_view token) const;
    /// Nothing where the id is unused. The view lives until the next insertion.
    std::optional<std::string_view> tokenOf(std::int32_t id) const;
    std::size_t size() const { return m_entries.size(); }
    std::int32_t largestId() const { return static_cast<std::int32_t>(m_entryOfId.size()) - 1; }

private:
    struct Entry {
        std::uint32_t begin;
        std::int32_t id;
    };
    std::string_view tokenAt(std::size_t entry) const;
    std::size_t slotOf(std::string_view token) const;
    void grow();

    std::string m_bytes; ///< all tokens, one behind the other; at most 4 GB
    std::vector<Entry> m_entries;
    std::vector<std::uint32_t> m_slots;     ///< open addressing: entry + 1, 0 where free; at most half full
    std::vector<std::uint32_t> m_entryOfId; ///< entry + 1, 0 where unused
};

} // namespace crest::text
