// SPDX-License-Identifier: Apache-2.0
// Token ids of texts, exactly as `tokenizers.Tokenizer.from_file(tokenizer.json)` gives them: byte-level BPE (GPT-2,
// GPT-NeoX, OLMo, Llama 3, Qwen2, SmolLM and what `BpeTrainer` writes), SentencePiece BPE with byte fallback (Llama 2,
// TinyLlama, Amber, Mistral) and Unigram; a tokenizer.model gives the ids of SentencePiece itself. What Crest does not
// know (WordPiece, an unknown regular expression, dropout) is refused by name.
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
    /// Reads a tokenizer file, or what a folder has: `tokenizer.json`, else `vocab.json` with `merges.txt` (GPT-2,
    /// OPT), else `tokenizer.model` (SentencePiece, read by its own library in a helper process with limits). Special
    /// tokens come from `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside it, with the
    /// precedence of transformers. NotFound without a file, Malformed where it breaks the format, Unsupported (naming
    /// the part) where it holds one that Crest does not know.
    static Result<Tokenizer> load(const std::filesystem::path& fileOrFolder);
    /// The same from text; `where` names it in errors. `configText` is the content of tokenizer_config.json, "" where
    /// there is none.
    static Result<Tokenizer> fromJson(std::string_view text, std::string where, std::string_view configText = {});

    /// From what the helper crest-read-model says of a tokenizer.model (core/text/sentencepiece_file.h).
    static Result<Tokenizer> fromDescription(std::string_view described, std::string where,
                                             std::string_view configText = {});

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

    /// From tokenizer_config.json; where that says nothing, "<|endoftext|>", else "<s>" and "</s>", if the tokenizer has
    /// such an added token. No BOS where only EOS is named, as in transformers for a class of no family.
    std::optional<std::int32_t> bosId() const;
    std::optional<std::int32_t> eosId() const;
    /// True where `Specials::Template` puts a token in front of the text (OPT, Llama 3).
    bool templateAddsBos() const;

    /// True for added tokens marked special: what `decode` leaves out with skipSpecialTokens.
    bool isSpecial(std::int32_t id) const;

    /// What lm-evaluation-harness 0.4.13 puts in front of a continuation without context: BOS, else EOS.
    std::optional<std::int32_t> prefixId() const;
    /// That token as `decode` writes it; "" where there is none.
    std::string prefixText() const;
    /// Ids as lm-evaluation-harness takes them since 0.4.9.2: with the template, unless the text begins with
    /// `prefixText()` already.
    std::vector<std::int32_t> encodeForScoring(std::string_view utf8) const;
    /// model_max_length of tokenizer_config.json; nothing where it is absent or stands for "no limit" (1e30).
    std::optional<std::int64_t> maxLength() const;

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
