// SPDX-License-Identifier: Apache-2.0
// What turns a pre-token into ids. Byte-level BPE is the one there is; Unigram or SentencePiece BPE would be others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace crest::text {

class SubwordModel {
public:
    virtual ~SubwordModel() = default;
    /// Appends the ids of a pre-token (its bytes, not empty). Any thread.
    virtual void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const = 0;
};

/// Two neighbouring ids become one.
struct BpeMerge {
    std::int32_t left = 0;
    std::int32_t right = 0;
    std::int32_t result = 0;
};

/// What a byte-level BPE is made of.
struct BpeFacts {
    std::array<std::int32_t, 256> idOfByte{}; ///< -1 where the vocabulary lacks the byte
    std::vector<BpeMerge> merges;             ///< lowest rank first; of two with the same pair the later counts
    /// Whole pre-tokens that are ids by themselves (Llama 3's ignore_merges); empty where that is off.
    std::unordered_map<std::string, std::int32_t> wholeWords;
    std::optional<std::int32_t> unknown; ///< for bytes without id; without it they vanish
    bool fuseUnknown = false;
};

/// Merges the pair of lowest rank first, the leftmost among equals: n log n for a pre-token of n bytes. Short
/// pre-tokens are remembered.
class ByteBpe final : public SubwordModel {
public:
    explicit ByteBpe(BpeFacts facts);
    ~ByteBpe() override;
    void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const override;

private:
    struct Cache;
    struct Rank {
        std::uint64_t pair = 0;
        std::uint32_t rank = 0;
        std::int32_t result = -1; ///< -1: the slot is free
    };
    struct Symbol;

    const Rank* find(std::int32_t left, std::int32_t right) const;
    void buildTable();
    std::vector<Symbol> symbolsOf(std::string_view piece) const;
    void mergeAll(std::vector<Symbol>& symbols) const;

    BpeFacts m_facts;
    std::vector<Rank> m_table; ///< open addressing, size a power of two, at most half full
    std::unique_ptr<Cache> m_cache;
};

} // namespace crest::text
