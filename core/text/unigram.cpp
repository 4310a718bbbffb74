// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/text/subword_model.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

constexpr double kUnknownPenalty = 10; // of the reference and of SentencePiece

} // namespace

/// The best way to reach a position of the text.
struct Unigram::Node {
    double score = 0;
    std::uint32_t from = kNoSymbol; ///< where its last token begins; kNoSymbol: not reached
    std::int32_t id = 0;
};

double Unigram::leastScore() const {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t id = 0; id < m_scores.size(); ++id)
        if (!std::ranges::binary_search(m_settings.hidden, static_cast<std::int32_t>(id)))
            least = std::min(least, m_scores[id]);
    return std::isfinite(least) ? least : 0;
}

Unigram::Unigram(const TokenTable& vocabulary, std::vector<double> scores, Settings settings)
    : m_vocabulary(vocabulary)
    , m_scores(std::move(scores))
    , m_settings(std::move(settings)) {
    for (std::size_t id = 0; id < m_scores.size(); ++id) {
        const std::string_view token = *vocabulary.tokenOf(static_cast<std::int32_t>(id));
        const bool hidden = std::ranges::binary_search(m_settings.hidden, static_cast<std::int32_t>(id));
        if (!token.empty() && !hidden)
            m_trie.insert(token, static_cast<std::int32_t>(id));
    }
    m_unknownScore = leastScore() - kUnknownPenalty;
    for (std::size_t b = 0; b < m_idOfByte.size(); ++b)
        m_idOfByte[b] = vocabulary.find(fmt::format("<0x{:02X}>", b)).value_or(-1);
}

void Unigram::addUnknown(std::string_view stretch, std::vector<std::int32_t>& out) const {
    // What was fused may spell a token; SentencePiece has only single characters here.
    if (const auto whole = m_settings.sentencePiece ? std::nullopt : m_vocabulary.find(stretch)) {
        out.push_back(*whole);
        return;
    }
    const auto hasByte = [&](char b) { return m_idOfByte[static_cast<unsigned char>(b)] >= 0; };
    if (!m_settings.byteFallback || !std::ranges::all_of(stretch, hasByte)) {
        out.push_back(m_settings.unknown);
        return;
    }
    for (const char b : stretch)
        out.push_back(m_idOfByte[static_cast<unsigned char>(b)]);
}

/// Viterbi, forwards. SentencePiece adds in double, compares with the rounded sum and keeps it as a float; an unknown
/// character it adds as a float.
void Unigram::findBest(std::string_view piece, std::vector<Node>& best) const {
    const bool rounds = m_settings.sentencePiece;
    const auto rounded = [rounds](double score) {
        return rounds ? static_cast<double>(static_cast<float>(score)) : score;
    };
    const auto offer = [&](std::size_t from, std::size_t length, std::int32_t id, double score) {
        Node& node = best[from + length];
        if (node.from == kNoSymbol || score > node.score)
            node = {rounded(score), static_cast<std::uint32_t>(from), id};
    };
    for (std::size_t at = 0; at < piece.size();) {
        const double here = best[at].score;
        const std::size_t length = codePointAt(piece, at).length;
        bool single = false;
        m_trie.visit(piece, at, [&](std::size_t bytes, std::int32_t id) {
            offer(at, bytes, id, m_scores[static_cast<std::size_t>(id)] + here);
            single = single || bytes == length;
        });
        if (!single)
            offer(at, length, m_settings.unknown, rounded(m_unknownScore + here));
        at += length;
    }
}

void Unigram::encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (m_cache.find(piece, out))
        return;
    std::vector<Node> best(piece.size() + 1);
    findBest(piece, best);
    // Backwards: (begin, end) of each token, unknown neighbours as one.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> stretches;
    bool afterUnknown = false;
    for (auto end = static_cast<std::uint32_t>(piece.size()); end > 0; end = best[end].from) {
        const bool unknown = best[end].id == m_settings.unknown;
        if (unknown && afterUnknown)
            stretches.back().first = best[end].from;
        else
            stretches.emplace_back(best[end].from, end);
        afterUnknown = unknown;
    }
    const std::size_t before = out.size();
    for (auto stretch = stretches.rbegin(); stretch != stretches.rend(); ++stretch) {
        const auto [begin, end] = *stretch;
        if (best[end].id == m_settings.unknown || best[end].from != begin)
            addUnknown(piece.substr(begin, end - begin), out);
        else
            out.push_back(best[end].id);
    }
    m_cache.keep(piece, out, out.size() - before);
}

} // namespace crest::text
