// SPDX-License-Identifier: Apache-2.0
// What turns a pre-token into ids: byte-level BPE, BPE over characters (SentencePiece) and Unigram. Every model may be
// used from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/text/bpe_merges.h"
#include "core/text/piece_cache.h"
#include "core/text/prefix_trie.h"
#include "core/text/token_table.h"

namespace crest::text {

class SubwordModel {
public:
    virtual ~SubwordModel() = default;
    /// Appends the ids of a pre-token (valid UTF-8, not empty).
    virtual void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const = 0;
};

/// What BPE models have in common.
struct BpeSettings {
    std::optional<std::int32_t> unknown; ///< for what has no id; without it that vanishes
    bool fuseUnknown = false;            ///< neighbours without id become one unknown
    bool byteFallback = false;           ///< bytes "<0x0A>" before the unknown
    bool ignoreMerges = false;           ///< a pre-token that is a token by itself is not merged (Llama 3)
    std::string continuingPrefix;        ///< in front of every character but the first ("##")
    std::string wordSuffix;              ///< behind the last ("</w>")
};

/// BPE over bytes (Radford et al. 2019): GPT-2, NeoX, OLMo, Llama 3, Qwen. The pre-tokens are plain bytes, not yet
/// written in the byte alphabet.
class ByteBpe final : public SubwordModel {
public:
    /// `vocabulary` is in the byte alphabet and must outlive the model.
    ByteBpe(const TokenTable& vocabulary, BpeSettings settings, std::span<const BpeMerge> merges);
    void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const override;

private:
    void addSymbols(std::string_view piece, std::vector<BpeSymbol>& symbols) const;

    const TokenTable& m_vocabulary;
    BpeSettings m_settings;
    BpeMerges m_merges;
    std::array<std::int32_t, 256> m_idOfByte{}; ///< -1 where the vocabulary lacks the byte
    PieceCache m_cache;
};

/// BPE over characters with byte fallback (Kudo and Richardson 2018; Llama 2, TinyLlama, Amber, Mistral). Where no
/// token of the vocabulary holds two neighbouring characters beside each other, no merge can cross, so a text is merged
/// in words that are remembered even where nothing pre-tokenizes it.
class CharBpe final : public SubwordModel {
public:
    CharBpe(const TokenTable& vocabulary, BpeSettings settings, std::span<const BpeMerge> merges);
    void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const override;

private:
    struct Pending;
    std::optional<std::int32_t> idOfCharacter(char32_t value, std::string_view bytes) const;
    bool mayMerge(char32_t left, char32_t right) const;
    void addCharacter(std::string_view written, std::optional<std::int32_t> id, Pending& pending) const;
    void encodeChunk(std::string_view chunk, std::vector<std::int32_t>& out) const;
    void collectNeighbours(std::span<const BpeMerge> merges);

    const TokenTable& m_vocabulary;
    BpeSettings m_settings;
    BpeMerges m_merges;
    std::array<std::int32_t, 256> m_idOfByte{};     ///< of "<0x00>" ..., -1 where it is missing
    std::array<std::int32_t, 0x800> m_idOfShort{};  ///< of characters below U+0800
    std::vector<std::uint64_t> m_asciiNeighbours;   ///< 128 x 128 bits
    std::unordered_set<std::uint64_t> m_neighbours; ///< pairs of characters that some merged token holds
    PieceCache m_cache;
};

/// The most probable segmentation under a unigram language model (Kudo 2018, "Subword Regularization", section 3.2),
/// found by the Viterbi algorithm. A character that no token covers costs the lowest score less 10; neighbours of that
/// kind are one unknown, or their bytes where all of them are tokens and `byteFallback` is set.
class Unigram final : public SubwordModel {
public:
    struct Settings {
        std::int32_t unknown = 0; ///< an id of the vocabulary
        bool byteFallback = false;
        /// As SentencePiece itself computes: sums in float, each unknown character by itself.
        bool sentencePiece = false;
        std::vector<std::int32_t> hidden; ///< ids that no text becomes (control symbols), sorted
    };
    /// `scores` are natural logarithms of probabilities, by id.
    Unigram(const TokenTable& vocabulary, std::vector<double> scores, Settings settings);
    void encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const override;

private:
    struct Node;
    void addUnknown(std::string_view stretch, std::vector<std::int32_t>& out) const;
    double leastScore() const;
    void findBest(std::string_view piece, std::vector<Node>& best) const;

    const TokenTable& m_vocabulary;
    std::vector<double> m_scores;
    Settings m_settings;
    double m_unknownScore = 0;
    std::array<std::int32_t, 256> m_idOfByte{};
    PrefixTrie m_trie;
    PieceCache m_cache;
};

} // namespace crest::text
