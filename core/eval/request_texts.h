// SPDX-License-Identifier: Apache-2.0
// The texts of some requests on their way to tokens: each once where requests follow each other with one context, and
// kept on disk (token_cache.h), so that the checkpoints of a series, and the next run, tokenise nothing again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/task_items.h"
#include "core/data/token_cache.h"
#include "core/eval/pair_encoding.h"

namespace crest::eval {

class RequestTexts {
public:
    /// `tokenizerSpecials`: with the special tokens that the tokenizer adds by itself, but for texts that start with
    /// the prefix token already.
    RequestTexts(data::TaskKind kind, bool tokenizerSpecials)
        : m_kind(kind)
        , m_mode(tokenizerSpecials ? data::TokenMode::Scoring : data::TokenMode::Plain) {}

    void add(data::ItemRequest request);
    /// Of all texts.
    std::size_t bytes() const { return m_bytes; }

    /// Texts to ids; the texts are dropped. Stopped.
    Result<void> encode(const text::Tokenizer& tokenizer, const data::TokenCache& cache, const JobContext& job);

    /// The sequences of the request that was added as number `request`, to be asked for once: one, or the windows of a
    /// document. Errors of PairEncoder.
    Result<std::vector<EncodedSequence>> sequences(std::size_t request, const PairEncoder& encoder);

private:
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    /// Indices into the texts of a mode.
    struct Place {
        std::size_t context = kNone; ///< none: `whole` is among the plain ones, or a document
        std::size_t whole = 0;
        bool blank = false; ///< the context is white space: its tokens are those that the tokenizer adds, if any
    };
    /// Texts of one mode, then their ids.
    struct Texts {
        std::vector<std::string> texts;
        std::vector<std::vector<std::int32_t>> ids;
    };

    data::TaskKind m_kind;
    data::TokenMode m_mode;
    std::vector<Place> m_places;
    Texts m_scored; ///< in m_mode
    Texts m_plain;  ///< what stands after the prefix token
    std::size_t m_bytes = 0, m_lastContext = kNone;
};

} // namespace crest::eval
