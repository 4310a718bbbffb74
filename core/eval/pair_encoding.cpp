// SPDX-License-Identifier: Apache-2.0
#include "core/eval/pair_encoding.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/text/unicode.h"

namespace crest::eval {

namespace {

bool isSpace(char32_t c) {
    return (c >= 0x1C && c <= 0x1F) || (text::charClassTable()[c] & text::kSpace) != 0;
}

} // namespace

std::size_t trailingSpace(std::string_view text) {
    std::size_t end = text.size();
    while (end > 0) {
        const std::size_t before = text::previousCodePoint(text, end);
        if (!isSpace(text::codePointAt(text, before).value))
            break;
        end = before;
    }
    return text.size() - end;
}

PairEncoder::PairEncoder(const text::Tokenizer& tokenizer, bool tokenizerSpecials, std::int64_t maxLength)
    : m_tokenizer(tokenizer)
    , m_specials(tokenizerSpecials)
    , m_maxLength(maxLength)
    , m_prefix(tokenizer.prefixId()) {}

std::vector<std::int32_t> PairEncoder::encode(std::string_view text) const {
    return m_specials ? m_tokenizer.encodeForScoring(text) : m_tokenizer.encode(text, text::Specials::None);
}

/// The tokens of `whole` from `contextTokens` on are scored.
Result<EncodedSequence> PairEncoder::joined(const std::vector<std::int32_t>& context, std::vector<std::int32_t> whole,
                                            std::size_t contextTokens) const {
    if (whole.size() <= contextTokens)
        return fail(ErrorKind::OutOfRange, "the continuation has no token of its own: nothing to score");
    // A merge across the border may give the context other tokens in the whole text: its own are what is read.
    std::copy(context.begin(), context.end(), whole.begin());
    const auto scored = static_cast<std::int64_t>(whole.size() - contextTokens);
    if (scored > m_maxLength)
        return fail(ErrorKind::OutOfRange, fmt::format("the continuation has {} tokens; the model's context is {}",
                                                       scored, m_maxLength));
    EncodedSequence sequence;
    const std::int64_t excess = static_cast<std::int64_t>(whole.size()) - (m_maxLength + 1);
    if (excess > 0)
        whole.erase(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(excess));
    sequence.cut = excess > 0;
    sequence.ids = std::move(whole);
    sequence.firstScored = static_cast<std::int32_t>(static_cast<std::int64_t>(sequence.ids.size()) - scored);
    return sequence;
}

Result<EncodedSequence> PairEncoder::afterPrefix(const std::string& continuation) const {
    std::vector<std::int32_t> ids = m_tokenizer.encode(continuation, text::Specials::None);
    if (!m_prefix)
        return fail(ErrorKind::NotFound, "a text without a context needs the tokenizer's BOS or EOS, and "
                                         "tokenizer_config.json names neither");
    if (ids.empty() || ids.front() != *m_prefix)
        ids.insert(ids.begin(), *m_prefix);
    return joined({}, std::move(ids), 1);
}

Result<EncodedSequence> PairEncoder::pair(const std::string& context, const std::string& continuation) {
    const std::size_t kept = context.size() - trailingSpace(context);
    if (kept == 0)
        return afterPrefix(context + continuation);
    if (context.compare(0, kept, m_lastContext) != 0 || m_lastTokens.empty()) {
        m_lastContext = context.substr(0, kept);
        m_lastTokens = encode(m_lastContext);
    }
    if (m_lastTokens.empty())
        return fail(ErrorKind::OutOfRange, "the context has no tokens");
    return joined(m_lastTokens, encode(context + continuation), m_lastTokens.size());
}

Result<std::vector<EncodedSequence>> PairEncoder::document(const std::string& text) const {
    const std::vector<std::int32_t> tokens = encode(text);
    std::vector<EncodedSequence> windows;
    if (tokens.empty())
        return windows;
    if (!m_prefix)
        return fail(ErrorKind::NotFound, "a whole document needs the tokenizer's BOS or EOS in front, and "
                                         "tokenizer_config.json names neither");
    const auto count = static_cast<std::int64_t>(tokens.size());
    const std::int64_t first = std::min(m_maxLength, count);
    EncodedSequence head;
    head.ids.push_back(*m_prefix);
    head.ids.insert(head.ids.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(first));
    windows.push_back(std::move(head));
    for (std::int64_t done = first; done < count;) {
        const std::int64_t scored = std::min(m_maxLength, count - done);
        done += scored;
        EncodedSequence window;
        window.ids.assign(tokens.begin() + static_cast<std::ptrdiff_t>(done - m_maxLength - 1),
                          tokens.begin() + static_cast<std::ptrdiff_t>(done));
        window.firstScored = static_cast<std::int32_t>(m_maxLength + 1 - scored);
        windows.push_back(std::move(window));
    }
    return windows;
}

} // namespace crest::eval
