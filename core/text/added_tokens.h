// SPDX-License-Identifier: Apache-2.0
// Finding added tokens in a text as the reference does: leftmost, then longest, with the white space they swallow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crest::text {

struct AddedToken {
    std::int32_t id = -1;
    std::string content;
    bool special = false;
    bool normalized = false; ///< looked for in the normalized text
    bool lstrip = false;     ///< swallows white space in front
    bool rstrip = false;     ///< and behind
    bool singleWord = false; ///< only between characters that belong to no word
};

/// A stretch of text, or an added token in it (`id` >= 0).
struct Segment {
    std::int32_t id = -1;
    std::string_view text;
};

class AddedTokenMatcher {
public:
    AddedTokenMatcher() = default;
    /// Tokens with empty content never match.
    explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

    bool empty() const { return m_tokens.empty(); }
    /// Cuts valid UTF-8 into segments, appended to `out`.
    void split(std::string_view text, std::vector<Segment>& out) const;

private:
    /// Index of the longest token that starts at `at`, or -1.
    std::ptrdiff_t longestAt(std::string_view text, std::size_t at) const;

    std::vector<AddedToken> m_tokens;   ///< sorted by content
    std::vector<std::size_t> m_firstOf; ///< 257 borders in m_tokens by first byte
};

} // namespace crest::text
