// SPDX-License-Identifier: Apache-2.0
#include "core/text/character_map.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <unicode/uchar.h>

#include "core/text/normalizer.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

constexpr std::size_t kMaxTextBytes = 64;
constexpr std::size_t kGraphemeBytes = 6; // clusters of as many bytes are taken character by character

bool hasLeaf(std::uint32_t unit) {
    return ((unit >> 8) & 1U) != 0;
}
std::uint32_t valueOf(std::uint32_t unit) {
    return unit & 0x7FFFFFFFU;
}
/// The byte of an edge, with the bit that marks a leaf, which no byte equals.
std::uint32_t labelOf(std::uint32_t unit) {
    return unit & 0x800000FFU;
}
std::uint32_t offsetOf(std::uint32_t unit) {
    return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}

std::uint32_t littleEndian(const char* bytes) {
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i)
        value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    return value;
}

/// Grapheme_Cluster_Break, as far as it decides where clusters of up to five bytes end (Unicode Annex 29).
int breakClass(char32_t c) {
    return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

bool isPictographic(char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC) != 0;
}

/// `afterEmoji`: a pictograph and nothing but Extend stand in front of `left`.
bool joins(char32_t left, char32_t right, bool afterEmoji) {
    const int a = breakClass(left);
    const int b = breakClass(right);
    if (a == U_GCB_CR && b == U_GCB_LF)
        return true;
    if (a == U_GCB_CONTROL || a == U_GCB_CR || a == U_GCB_LF || b == U_GCB_CONTROL || b == U_GCB_CR || b == U_GCB_LF)
        return false;
    const bool hangul = (a == U_GCB_L && (b == U_GCB_L || b == U_GCB_V || b == U_GCB_LV || b == U_GCB_LVT)) ||
                        ((a == U_GCB_LV || a == U_GCB_V) && (b == U_GCB_V || b == U_GCB_T)) ||
                        ((a == U_GCB_LVT || a == U_GCB_T) && b == U_GCB_T);
    // Two regional indicators have eight bytes, so that it does not matter which pair of several they are.
    return hangul || b == U_GCB_EXTEND || b == U_GCB_ZWJ || b == U_GCB_SPACING_MARK || a == U_GCB_PREPEND ||
           (a == U_GCB_ZWJ && afterEmoji && isPictographic(right)) ||
           (a == U_GCB_REGIONAL_INDICATOR && b == U_GCB_REGIONAL_INDICATOR);
}

} // namespace

Result<CharacterMap> CharacterMap::read(std::string_view bytes, const std::string& where) {
    const auto malformed = [&](const char* why) {
        return fail(ErrorKind::Malformed, std::string("the character map of the normalizer ") + why, where);
    };
    if (bytes.size() < 4)
        return malformed("is cut off");
    const std::size_t size = littleEndian(bytes.data());
    if (size % 4 != 0 || size < 4 || size > bytes.size() - 4)
        return malformed("has a table that does not fit into it");
    CharacterMap map;
    map.m_units.resize(size / 4);
    for (std::size_t i = 0; i < map.m_units.size(); ++i)
        map.m_units[i] = littleEndian(bytes.data() + 4 + 4 * i);
    map.m_texts = bytes.substr(4 + size);
    map.m_texts += '\0';
    if (!isValidUtf8(map.m_texts))
        return malformed("has texts that are no UTF-8");
    for (std::size_t at = 0; at < map.m_texts.size();) {
        const std::size_t end = map.m_texts.find('\0', at);
        if (end - at > kMaxTextBytes)
            return malformed("makes one character into more than 64 bytes");
        at = end + 1;
    }
    return map;
}

std::optional<CharacterMap::Match> CharacterMap::find(std::string_view text, bool longest) const {
    std::optional<Match> found;
    std::size_t node = offsetOf(m_units[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        node ^= byte;
        if (byte == 0 || node >= m_units.size() || labelOf(m_units[node]) != byte)
            break;
        const std::uint32_t unit = m_units[node];
        node ^= offsetOf(unit);
        if (!hasLeaf(unit) || node >= m_units.size())
            continue;
        const std::size_t begin = valueOf(m_units[node]);
        // A map that points into the middle of a character is damaged; what it says there does not count.
        if (begin >= m_texts.size() || (static_cast<unsigned char>(m_texts[begin]) & 0xC0U) == 0x80U)
            continue;
        found = Match{std::string_view(m_texts.c_str() + begin), i + 1};
        if (!longest)
            break;
    }
    return found;
}

std::string applyPrecompiled(const CharacterMap& map, std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const auto character = [&](std::string_view part) {
        const auto match = map.shortest(part);
        out += match ? match->text : part;
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        CodePoint left = codePointAt(text, at);
        bool emoji = isPictographic(left.value);
        at += left.length;
        while (at < text.size()) {
            const CodePoint right = codePointAt(text, at);
            if (!joins(left.value, right.value, emoji))
                break;
            emoji = isPictographic(right.value) ||
                    (emoji && (breakClass(right.value) == U_GCB_EXTEND || breakClass(right.value) == U_GCB_ZWJ));
            left = right;
            at += right.length;
        }
        const std::string_view cluster = text.substr(begin, at - begin);
        const auto whole = cluster.size() < kGraphemeBytes ? map.shortest(cluster) : std::nullopt;
        if (whole) {
            out += whole->text;
        } else {
            for (std::size_t i = 0; i < cluster.size(); i += codePointAt(cluster, i).length)
                character(cluster.substr(i, codePointAt(cluster, i).length));
        }
    }
    return out;
}

namespace {

constexpr std::string_view kBlock = "\xE2\x96\x81";

/// How long the longest symbol is that stands at the head of `text`; 0 for none.
std::size_t keptAt(const SentencePieceRules& rules, std::string_view text) {
    std::size_t longest = 0;
    if (rules.kept != nullptr)
        rules.kept->visit(text, 0, [&](std::size_t length, std::int32_t) { longest = length; });
    return longest;
}

/// What the head of `text` becomes, and how long that head is.
CharacterMap::Match next(const SentencePieceRules& rules, std::string_view text) {
    if (const std::size_t kept = keptAt(rules, text); kept > 0)
        return {text.substr(0, kept), kept};
    if (rules.map != nullptr)
        if (const auto match = rules.map->longest(text))
            return *match;
    const std::size_t length = codePointAt(text, 0).length;
    return {text.substr(0, length), length};
}

} // namespace

std::string applySentencePiece(const SentencePieceRules& rules, std::string_view text, bool atStart) {
    const std::string_view space = rules.escapeSpace ? kBlock : std::string_view(" ");
    const bool prefix = rules.addPrefix && (atStart || !rules.prefixAtStartOnly);
    std::string out;
    if (rules.map == nullptr && rules.kept == nullptr && !rules.removeExtraSpace && !text.empty()) {
        if (prefix && !rules.spaceAsSuffix)
            out += space;
        out += replaceAll(text, " ", space);
        if (prefix && rules.spaceAsSuffix)
            out += space;
        return out;
    }
    while (rules.removeExtraSpace && !text.empty()) {
        const auto match = next(rules, text);
        if (match.text != " ")
            break;
        text.remove_prefix(match.length);
    }
    if (text.empty())
        return out;
    out.reserve(text.size() + text.size() / 2 + 3);
    if (prefix && !rules.spaceAsSuffix)
        out += space;
    bool afterSpace = rules.removeExtraSpace;
    while (!text.empty()) {
        const auto match = next(rules, text);
        std::string_view piece = match.text;
        while (afterSpace && piece.starts_with(' '))
            piece.remove_prefix(1);
        for (const char c : piece) {
            if (c == ' ')
                out += space;
            else
                out += c;
        }
        if (!piece.empty())
            afterSpace = rules.removeExtraSpace && piece.ends_with(' ');
        text.remove_prefix(match.length);
    }
    while (rules.removeExtraSpace && out.ends_with(space))
        out.erase(out.size() - space.size());
    if (prefix && rules.spaceAsSuffix)
        out += space;
    return out;
}

} // namespace crest::text
