// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_tokens.h"

#include <algorithm>

namespace crest::data {
namespace {

using Ids = std::vector<std::int32_t>;

/// Bytes that two texts begin with in common, in whole characters.
std::size_t commonText(std::string_view a, std::string_view b) {
    std::size_t same = 0;
    while (same < a.size() && same < b.size() && a[same] == b[same])
        ++same;
    while (same > 0 && same < a.size() && (static_cast<unsigned char>(a[same]) & 0xC0U) == 0x80U)
        --same;
    return same;
}

/// The first token of the whole that reaches beyond a border, and the first that begins at or after it: the same
/// but where a token lies across.
struct Border {
    std::size_t reachesBeyond = 0, beginsAfter = 0;
};

/// Tokens that differ from those of the text before the border alone are looked for in the decoded text, since a
/// normalizer may have changed what was read.
Border borderAmong(const text::Tokenizer& tokenizer, const Ids& whole, const Ids& before) {
    const auto differs = std::ranges::mismatch(whole, before).in1;
    auto token = static_cast<std::size_t>(differs - whole.begin());
    if (token == before.size())
        return {token, token};
    const std::string text = tokenizer.decode(whole);
    const std::size_t border = commonText(text, tokenizer.decode(before));
    const auto textUpTo = [&](std::size_t count) { return tokenizer.decode(std::span(whole).first(count)); };
    // A token of some bytes of a character: the decoder shows them as something else.
    const auto reachesBeyond = [&](std::size_t which) {
        const std::string upTo = textUpTo(which + 1);
        const std::size_t end = commonText(text, upTo);
        return end > border || (end == border && upTo.size() > end);
    };
    std::size_t none = whole.size();
    while (token < none) {
        const std::size_t middle = token + (none - token) / 2;
        if (reachesBeyond(middle))
            none = middle;
        else
            token = middle + 1;
    }
    const bool across = token < whole.size() && commonText(text, textUpTo(token)) < border;
    return {token, token + (across ? 1 : 0)};
}

} // namespace

std::vector<std::string> decodedPieces(const text::Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                                       std::span<const std::size_t> cuts) {
    const std::string text = tokenizer.decode(ids);
    std::vector<std::string> pieces;
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
        const std::size_t to = std::max(from, commonText(text, tokenizer.decode(ids.first(cut))));
        pieces.push_back(text.substr(from, to - from));
        from = to;
    }
    pieces.push_back(text.substr(from));
    return pieces;
}

Result<TuningEncoder> TuningEncoder::of(const text::Tokenizer& tokenizer, TuningBegin begin) {
    TuningEncoder made(tokenizer);
    if (!tokenizer.eosId())
        return fail(ErrorKind::Unsupported,
                    "the tokenizer has no end token, so examples would have no end; name it as eos_token in "
                    "tokenizer_config.json");
    made.m_end = *tokenizer.eosId();
    made.m_endText = tokenizer.decode(std::span(&made.m_end, 1));
    made.m_endIsRead = tokenizer.encode(made.m_endText) == Ids{made.m_end};
    if (begin == TuningBegin::BeginToken)
        made.m_prefix = {tokenizer.prefixId().value_or(made.m_end)};
    if (begin == TuningBegin::Tokenizer && tokenizer.templateAddsBos()) {
        const Ids full = tokenizer.encode("a", text::Specials::Template);
        const Ids body = tokenizer.encode("a");
        made.m_prefix.assign(full.begin(), std::search(full.begin(), full.end(), body.begin(), body.end()));
    }
    made.m_prefixText = tokenizer.decode(made.m_prefix);
    return made;
}

Result<MarkedText> TuningEncoder::marked(const std::vector<TuningSegment>& segments) const {
    MarkedText out;
    bool learned = false;
    for (const TuningSegment& segment : segments) {
        const std::string& text = segment.isEnd ? m_endText : segment.text;
        if (segment.isEnd && !m_endIsRead)
            return fail(
                ErrorKind::Unsupported,
                "this way of writing dialogues puts end tokens between turns, and the tokenizer does not read its "
                "end token inside a text");
        if (text.empty())
            continue;
        if (out.text.empty())
            out.firstLearned = segment.learned;
        else if (segment.learned != learned)
            out.borders.push_back(out.text.size());
        learned = segment.learned;
        out.text += text;
    }
    return out;
}

void TuningEncoder::textsOf(const MarkedText& marked, std::vector<std::string>& texts) {
    texts.push_back(marked.text);
    for (const std::size_t border : marked.borders)
        texts.push_back(marked.text.substr(0, border));
}

TuningExample TuningEncoder::example(const MarkedText& marked, std::span<const Ids> lists) const {
    const Ids& whole = lists.front();
    std::vector<std::uint8_t> flags(whole.size(), marked.firstLearned ? 1 : 0);
    bool learned = marked.firstLearned;
    for (std::size_t i = 0; i < marked.borders.size(); ++i) {
        learned = !learned;
        const Border border = borderAmong(m_tokenizer, whole, lists[i + 1]);
        const std::size_t from = learned ? border.reachesBeyond : border.beginsAfter;
        std::fill(flags.begin() + static_cast<std::ptrdiff_t>(from), flags.end(), learned ? 1 : 0);
    }
    TuningExample out;
    const bool isThere = !m_prefix.empty() && !m_prefixText.empty() && marked.text.starts_with(m_prefixText);
    if (!isThere)
        out.ids = m_prefix;
    out.learned.assign(out.ids.size(), 0);
    out.ids.insert(out.ids.end(), whole.begin(), whole.end());
    out.learned.insert(out.learned.end(), flags.begin(), flags.end());
    if (out.ids.empty() || whole.empty() || whole.back() != m_end) {
        out.ids.push_back(m_end);
        out.learned.push_back(learned ? 1 : 0);
    }
    out.learned.front() = 0;
    return out;
}

} // namespace crest::data
