// SPDX-License-Identifier: Apache-2.0
#include "core/text/byte_alphabet.h"
#include "core/text/subword_model.h"

namespace crest::text {

ByteBpe::ByteBpe(const TokenTable& vocabulary, BpeSettings settings, std::span<const BpeMerge> merges)
    : m_vocabulary(vocabulary)
    , m_settings(std::move(settings))
    , m_merges(merges) {
    for (std::size_t b = 0; b < m_idOfByte.size(); ++b)
        m_idOfByte[b] = vocabulary.find(toByteAlphabet(std::string(1, static_cast<char>(b)))).value_or(-1);
}

void ByteBpe::addSymbols(std::string_view piece, std::vector<BpeSymbol>& symbols) const {
    bool afterUnknown = false;
    for (const char byte : piece) {
        std::int32_t id = m_idOfByte[static_cast<unsigned char>(byte)];
        const bool unknown = id < 0;
        if (unknown) {
            if (!m_settings.unknown || (afterUnknown && m_settings.fuseUnknown))
                continue;
            id = *m_settings.unknown;
        }
        afterUnknown = unknown;
        appendSymbol(id, symbols);
    }
}

void ByteBpe::encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (m_cache.find(piece, out))
        return;
    const std::size_t before = out.size();
    std::optional<std::int32_t> whole;
    if (m_settings.ignoreMerges)
        whole = m_vocabulary.find(toByteAlphabet(piece));
    if (whole) {
        out.push_back(*whole);
    } else {
        std::vector<BpeSymbol> symbols;
        symbols.reserve(piece.size());
        addSymbols(piece, symbols);
        m_merges.apply(symbols);
        for (const BpeSymbol& symbol : symbols)
            if (symbol.id >= 0)
                out.push_back(symbol.id);
    }
    m_cache.keep(piece, out, out.size() - before);
}

} // namespace crest::text
