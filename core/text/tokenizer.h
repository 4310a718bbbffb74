// SPDX-License-Identifier: Apache-2.0
// Token ids of texts, exactly as `tokenizers.Tokenizer.from_file(tokenizer.json)` gives them: byte-level BPE (GPT-2,
// GPT-NeoX, OLMo, Llama 3, Qwen2, SmolLM and what `BpeTrainer` writes), SentencePiece BPE with byte fallback (Llama 2,
// TinyLlama, Amber, Mistral) and Unigram. What Crest does not know (WordPiece, an unknown regular expression, dropout,
// a normalizer with a compiled character map) is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::text {

namespace detail {
struct TokenizerParts;
}

/// Whether the post-processor's template (a leading BOS, a trailing EOS) is put around the text.
enum class Specials {
    None,    ///< add_special_tokens=False: the ids of the text alone
    Template ///< add_special_tokens=True
};

/// A tokenizer as read from a file. Cheap to copy (the content is shared and immutable); every member may be called
/// from any thread.
class Tokenizer {
public:
    /// Reads `tokenizer.json`, or the `tokenizer.json` in a folder, or the older vocab.json and merges.txt of GPT-2 and
    /// OPT there; takes BOS and EOS from a `tokenizer_config.json` beside it. NotFound without a file, Malformed where
    /// it breaks the format, Unsupported (naming the part) where it holds one that Crest does not know.
    static Result<Tokenizer> load(const std::filesystem::path& tokenizerJson);
    /// The same from text; `where` names it in errors. `configText` is the content of tokenizer_config.json, "" where
    /// there is none.
    static Result<Tokenizer> fromJson(std::string_view text, std::string where, std::string_view configText = {});

    /// Ids of a text. Added tokens inside the text ("<|endoftext|>") become their ids, as in the reference. Bytes that
    /// are not UTF-8 are read as Python's errors="replace" does: one U+FFFD for each maximal invalid part. Time is
    /// linear in the text up to a logarithm.
    std::vector<std::int32_t> encode(std::string_view utf8, Specials specials = Specials::None) const;
    /// Text of ids through the decoder of the file, special tokens included; bytes that form no UTF-8 become U+FFFD.
    /// Unknown ids are left out, as in the reference.
    std::string decode(std::span<const std::int32_t> ids, bool skipSpecialTokens = false) const;

    /// Number of different ids, added tokens included.
    std::size_t vocabSize() const;
    /// The largest id that `encode` can give, plus one: what an embedding must have at least.
    std::size_t idLimit() const;
    /// The id of a token as it is written in the file (byte-level alphabet: a leading space is "\u0120").
    std::optional<std::int32_t> tokenToId(std::string_view token) const;
    /// The token as it is written in the file, nothing where the id is unused.
    std::optional<std::string> idToToken(std::int32_t id) const;

    /// From tokenizer_config.json; where that says nothing, "<|endoftext|>" or "</s>" if the tokenizer has such an
    /// added token.
    std::optional<std::int32_t> bosId() const;
    std::optional<std::int32_t> eosId() const;
    /// True where `Specials::Template` puts a token in front of the text (OPT, Llama 3).
    bool templateAddsBos() const;

    /// What the file asks for and Crest does not do (truncation, padding), a sentence each.
    const std::vector<std::string>& notes() const;

    /// SHA-256 (hex) of all that influences ids: vocabulary, merges, added tokens, normalizer, pre-tokenizer, template.
    /// Two files that differ only in layout have the same hash.
    const std::string& contentHash() const;

private:
    explicit Tokenizer(std::shared_ptr<const detail::TokenizerParts> parts)
        : m_parts(std::move(parts)) {}
    std::shared_ptr<const detail::TokenizerParts> m_parts;
};

} // namespace crest::text
