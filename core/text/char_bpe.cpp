// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/text/subword_model.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

std::uint64_t neighbourKey(char32_t left, char32_t right) {
    return (static_cast<std::uint64_t>(left) << 32) | right;
}

constexpr char32_t kAscii = 0x80;

} // namespace

/// Symbols in the order of the reference: an unknown waits for the next known character, and bytes pass it.
struct CharBpe::Pending {
    std::vector<BpeSymbol>& symbols;
    bool unknown = false;

    void flush(std::int32_t id) {
        if (unknown)
            appendSymbol(id, symbols);
        unknown = false;
    }
};

CharBpe::CharBpe(const TokenTable& vocabulary, BpeSettings settings, std::span<const BpeMerge> merges)
    : m_vocabulary(vocabulary)
    , m_settings(std::move(settings))
    , m_merges(merges)
    , m_asciiNeighbours(kAscii * kAscii / 64) {
    for (std::size_t b = 0; b < m_idOfByte.size(); ++b)
        m_idOfByte[b] = vocabulary.find(fmt::format("<0x{:02X}>", b)).value_or(-1);
    for (char32_t c = 0; c < m_idOfShort.size(); ++c) {
        std::string character;
        appendUtf8(c, character);
        m_idOfShort[c] = vocabulary.find(character).value_or(-1);
    }
    collectNeighbours(merges);
}

void CharBpe::collectNeighbours(std::span<const BpeMerge> merges) {
    for (const BpeMerge& merge : merges) {
        const std::string_view token = m_vocabulary.tokenOf(merge.result).value_or(std::string_view());
        char32_t left = 0;
        for (std::size_t at = 0; at < token.size();) {
            const CodePoint c = codePointAt(token, at);
            if (at > 0 && left < kAscii && c.value < kAscii)
                m_asciiNeighbours[(left * kAscii + c.value) / 64] |= std::uint64_t(1) << (c.value % 64);
            else if (at > 0)
                m_neighbours.insert(neighbourKey(left, c.value));
            left = c.value;
            at += c.length;
        }
    }
}

bool CharBpe::mayMerge(char32_t left, char32_t right) const {
    if (left < kAscii && right < kAscii)
        return (m_asciiNeighbours[(left * kAscii + right) / 64] >> (right % 64)) & 1;
    return m_neighbours.contains(neighbourKey(left, right));
}

std::optional<std::int32_t> CharBpe::idOfCharacter(char32_t value, std::string_view bytes) const {
    if (value >= m_idOfShort.size())
        return m_vocabulary.find(bytes);
    const std::int32_t id = m_idOfShort[value];
    return id < 0 ? std::nullopt : std::optional(id);
}

void CharBpe::addCharacter(std::string_view written, std::optional<std::int32_t> id, Pending& pending) const {
    if (id) {
        pending.flush(m_settings.unknown.value_or(-1));
        appendSymbol(*id, pending.symbols);
        return;
    }
    bool bytes = m_settings.byteFallback;
    for (const char b : written)
        bytes = bytes && m_idOfByte[static_cast<unsigned char>(b)] >= 0;
    if (bytes) {
        for (const char b : written)
            appendSymbol(m_idOfByte[static_cast<unsigned char>(b)], pending.symbols);
        return;
    }
    if (!m_settings.unknown)
        return;
    if (!m_settings.fuseUnknown)
        pending.flush(*m_settings.unknown);
    pending.unknown = true;
}

void CharBpe::encodeChunk(std::string_view chunk, std::vector<std::int32_t>& out) const {
    if (m_cache.find(chunk, out))
        return;
    const std::size_t before = out.size();
    std::vector<BpeSymbol> symbols;
    symbols.reserve(chunk.size());
    Pending pending{symbols};
    std::string written;
    for (std::size_t at = 0; at < chunk.size();) {
        const CodePoint c = codePointAt(chunk, at);
        const std::string_view bytes = chunk.substr(at, c.length);
        const bool front = at == 0;
        at += c.length;
        const bool back = at == chunk.size();
        if ((front || m_settings.continuingPrefix.empty()) && (!back || m_settings.wordSuffix.empty())) {
            addCharacter(bytes, idOfCharacter(c.value, bytes), pending);
            continue;
        }
        written.assign(front ? std::string_view() : std::string_view(m_settings.continuingPrefix));
        written += bytes;
        written += back ? std::string_view(m_settings.wordSuffix) : std::string_view();
        addCharacter(written, m_vocabulary.find(written), pending);
    }
    pending.flush(m_settings.unknown.value_or(-1));
    m_merges.apply(symbols);
    for (const BpeSymbol& symbol : symbols)
        if (symbol.id >= 0)
            out.push_back(symbol.id);
    m_cache.keep(chunk, out, out.size() - before);
}

void CharBpe::encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (m_settings.ignoreMerges)
        if (const auto whole = m_vocabulary.find(piece)) {
            out.push_back(*whole);
            return;
        }
    if (!m_settings.continuingPrefix.empty() || !m_settings.wordSuffix.empty()) {
        encodeChunk(piece, out);
        return;
    }
    // Cut only between two characters that have ids: unknown ones may fuse, and change places with bytes.
    std::size_t begin = 0;
    CodePoint left = codePointAt(piece, 0);
    bool leftKnown = idOfCharacter(left.value, piece.substr(0, left.length)).has_value();
    for (std::size_t at = left.length; at < piece.size();) {
        const CodePoint right = codePointAt(piece, at);
        const bool rightKnown = idOfCharacter(right.value, piece.substr(at, right.length)).has_value();
        if (leftKnown && rightKnown && !mayMerge(left.value, right.value)) {
            encodeChunk(piece.substr(begin, at - begin), out);
            begin = at;
        }
        left = right;
        leftKnown = rightKnown;
        at += right.length;
    }
    encodeChunk(piece.substr(begin), out);
}

} // namespace crest::text
