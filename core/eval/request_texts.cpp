// SPDX-License-Identifier: Apache-2.0
#include "core/eval/request_texts.h"

#include <utility>

namespace crest::eval {

using data::TaskKind;

void RequestTexts::add(data::ItemRequest request) {
    if (m_kind == TaskKind::Rolling) {
        m_bytes += request.continuation.size();
        m_places.push_back({kNone, m_scored.texts.size()});
        m_scored.texts.push_back(std::move(request.continuation));
        return;
    }
    PairTexts pair = pairTexts(request.context, request.continuation);
    m_bytes += pair.whole.size();
    if (request.context.empty()) {
        m_places.push_back({kNone, m_plain.texts.size()});
        m_plain.texts.push_back(std::move(pair.whole));
        return;
    }
    // Choices of one question share their context.
    if (m_lastContext == kNone || m_scored.texts[m_lastContext] != pair.context) {
        m_lastContext = m_scored.texts.size();
        m_scored.texts.emplace_back(pair.context);
        m_bytes += pair.context.size();
    }
    m_places.push_back({m_lastContext, m_scored.texts.size(), pair.context.empty()});
    m_scored.texts.push_back(std::move(pair.whole));
}

Result<void> RequestTexts::encode(const text::Tokenizer& tokenizer, const data::TokenCache& cache,
                                  const JobContext& job) {
    for (const auto& [part, mode] : {std::pair(&m_scored, m_mode), std::pair(&m_plain, data::TokenMode::Plain)}) {
        if (part->texts.empty())
            continue;
        CREST_TRY(lists, data::TokenLists::of(part->texts, tokenizer, mode, cache, job));
        part->texts = {};
        part->ids = lists.all();
    }
    return {};
}

Result<std::vector<EncodedSequence>> RequestTexts::sequences(std::size_t request, const PairEncoder& encoder) {
    const Place& place = m_places[request];
    if (m_kind == TaskKind::Rolling)
        return encoder.document(std::exchange(m_scored.ids[place.whole], {}));
    Texts& texts = place.context == kNone ? m_plain : m_scored;
    std::vector<std::int32_t> whole = std::exchange(texts.ids[place.whole], {});
    const bool noContext = place.context == kNone || (place.blank && m_scored.ids[place.context].empty());
    CREST_TRY(sequence, noContext ? encoder.afterPrefix(std::move(whole))
                                  : encoder.pair(m_scored.ids[place.context], std::move(whole)));
    std::vector<EncodedSequence> one;
    one.push_back(std::move(sequence));
    return one;
}

} // namespace crest::eval
