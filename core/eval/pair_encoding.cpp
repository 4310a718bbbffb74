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

PairTexts pairTexts(std::string_view context, std::string_view continuation) {
    PairTexts texts{context.substr(0, context.size() - trailingSpace(context)), std::string(context)};
    texts.whole += continuation;
    return texts;
}

/// The tokens of `whole` from `contextTokens` on are scored.
Result<EncodedSequence> PairEncoder::joined(std::span<const std::int32_t> context, std::vector<std::int32_t> whole,
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

Result<EncodedSequence> PairEncoder::afterPrefix(std::vector<std::int32_t> ids) const {
    if (!m_prefix)
        return fail(ErrorKind::NotFound, "a text without a context needs the tokenizer's BOS or EOS, and "
                                         "tokenizer_config.json names neither");
    if (ids.empty() || ids.front() != *m_prefix)
        ids.insert(ids.begin(), *m_prefix);
    return joined({}, std::move(ids), 1);
}

Result<EncodedSequence> PairEncoder::pair(std::span<const std::int32_t> context,
                                          std::vector<std::int32_t> whole) const {
    if (context.empty())
        return fail(ErrorKind::OutOfRange, "the context has no tokens");
    return joined(context, std::move(whole), context.size());
}

Result<std::vector<EncodedSequence>> PairEncoder::document(std::span<const std::int32_t> tokens) const {
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
