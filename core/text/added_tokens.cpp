// SPDX-License-Identifier: Apache-2.0
#include "core/text/added_tokens.h"

#include <algorithm>

#include "core/text/unicode.h"

namespace crest::text {
namespace {

unsigned char byteAt(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

bool hasClassAt(std::string_view text, std::size_t at, std::uint8_t bit) {
    return charClassTable()[codePointAt(text, at).value] & bit;
}

bool standsAlone(std::string_view text, std::size_t begin, std::size_t end) {
    const bool before = begin == 0 || !hasClassAt(text, previousCodePoint(text, begin), kWord);
    const bool after = end == text.size() || !hasClassAt(text, end, kWord);
    return before && after;
}

/// Where the white space in front of `end` begins, not before `limit`.
std::size_t spaceBegin(std::string_view text, std::size_t end, std::size_t limit) {
    while (end > limit) {
        const std::size_t previous = previousCodePoint(text, end);
        if (!hasClassAt(text, previous, kSpace))
            break;
        end = previous;
    }
    return end;
}

std::size_t spaceEnd(std::string_view text, std::size_t begin) {
    while (begin < text.size() && hasClassAt(text, begin, kSpace))
        begin += codePointAt(text, begin).length;
    return begin;
}

} // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : m_tokens(std::move(tokens)) {
    std::erase_if(m_tokens, [](const AddedToken& token) { return token.content.empty(); });
    std::ranges::sort(m_tokens, {}, &AddedToken::content);
    m_firstOf.assign(257, m_tokens.size());
    for (std::size_t i = m_tokens.size(); i-- > 0;)
        m_firstOf[byteAt(m_tokens[i].content, 0)] = i;
    for (std::size_t b = 256; b-- > 0;)
        m_firstOf[b] = std::min(m_firstOf[b], m_firstOf[b + 1]);
}

std::ptrdiff_t AddedTokenMatcher::longestAt(std::string_view text, std::size_t at) const {
    const unsigned char first = byteAt(text, at);
    auto low = m_tokens.begin() + static_cast<std::ptrdiff_t>(m_firstOf[first]);
    auto high = m_tokens.begin() + static_cast<std::ptrdiff_t>(m_firstOf[first + 1U]);
    std::ptrdiff_t best = -1;
    // [low, high) are the tokens that begin with the first `depth` bytes; the shortest of them comes first.
    for (std::size_t depth = 1; low != high; ++depth) {
        if (low->content.size() == depth)
            best = low++ - m_tokens.begin();
        if (low == high || at + depth >= text.size())
            break;
        const unsigned char next = byteAt(text, at + depth);
        const auto before = [depth](const AddedToken& token, unsigned char b) {
            return byteAt(token.content, depth) < b;
        };
        low = std::lower_bound(low, high, next, before);
        const auto behind = [depth](unsigned char b, const AddedToken& token) {
            return b < byteAt(token.content, depth);
        };
        high = std::upper_bound(low, high, next, behind);
    }
    return best;
}

void AddedTokenMatcher::split(std::string_view text, std::vector<Segment>& out) const {
    std::size_t done = 0; // the text in front of this is cut off already
    for (std::size_t at = 0; at < text.size() && !m_tokens.empty();) {
        const std::ptrdiff_t index = longestAt(text, at);
        if (index < 0) {
            ++at;
            continue;
        }
        const AddedToken& token = m_tokens[static_cast<std::size_t>(index)];
        std::size_t begin = at;
        std::size_t end = at + token.content.size();
        at = end;
        if (token.singleWord && !standsAlone(text, begin, end))
            continue;
        if (token.lstrip)
            begin = std::max(spaceBegin(text, begin, done), done);
        if (token.rstrip)
            end = spaceEnd(text, end);
        if (done < begin)
            out.push_back({-1, text.substr(done, begin - done)});
        if (begin < end) // not where the token before swallowed all of it
            out.push_back({token.id, {}});
        done = end;
    }
    if (done < text.size())
        out.push_back({-1, text.substr(done)});
}

} // namespace crest::text
