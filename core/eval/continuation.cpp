// SPDX-License-Identifier: Apache-2.0
#include "core/eval/continuation.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/eval/token_choice.h"

namespace crest::eval {

namespace {

std::vector<std::int32_t> distinct(std::span<const std::int32_t> ids) {
    std::vector<std::int32_t> all(ids.begin(), ids.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

/// What both kinds know: the prompt, when to end, and the log-sum-exp of a row.
class Common : public Continuation {
public:
    Common(std::span<const std::int32_t> prompt, std::size_t index, std::int64_t vocabSize,
           const GenerationOptions& options)
        : m_options(options)
        , m_index(index)
        , m_vocab(static_cast<std::size_t>(vocabSize)) {
        if (options.repetitionPenalty != 1)
            m_promptIds = distinct(prompt);
    }

protected:
    bool ends(std::span<const std::int32_t> ids) const {
        const auto& ends = m_options.endTokens;
        return std::find(ends.begin(), ends.end(), ids.back()) != ends.end() ||
               static_cast<std::int64_t>(ids.size()) >= m_options.maxNewTokens ||
               (m_options.stop && m_options.stop(m_index, ids));
    }
    /// Ids that the penalty is for, each once.
    std::vector<std::int32_t> seen(std::span<const std::int32_t> ids) const {
        std::vector<std::int32_t> all = m_promptIds;
        all.insert(all.end(), ids.begin(), ids.end());
        return distinct(all);
    }
    Result<float> normaliser(std::span<const float> logits, std::int32_t largest) const {
        const float sum = logSumExp(logits, largest);
        if (!std::isfinite(sum))
            return fail(ErrorKind::NonFinite,
                        fmt::format("the logits after prompt {} are not finite; the weights are broken", m_index + 1));
        return sum;
    }

    const GenerationOptions& m_options;
    std::size_t m_index, m_vocab;
    std::vector<std::int32_t> m_promptIds; ///< distinct; only where there is a penalty
};

/// Greedy, or drawn.
class SingleContinuation final : public Common {
public:
    SingleContinuation(std::span<const std::int32_t> prompt, std::size_t index, std::int64_t vocabSize,
                       const GenerationOptions& options)
        : Common(prompt, index, vocabSize, options)
        , m_sampler(options.temperature, options.topK, options.topP) {}

    Result<void> advance(float* row) override {
        const std::span<float> logits(row, m_vocab);
        std::int32_t id = firstLargest(logits);
        CREST_TRY(sum, normaliser(logits, id));
        if (m_options.repetitionPenalty != 1 || m_options.temperature > 0) {
            m_scores.assign(logits.begin(), logits.end());
            if (m_options.repetitionPenalty != 1)
                penalise(m_scores, seen(m_answer.ids), m_options.repetitionPenalty);
            id = m_options.temperature > 0 ? drawn() : firstLargest(m_scores);
        }
        m_answer.score += static_cast<double>(logits[static_cast<std::size_t>(id)] - sum);
        m_answer.ids.push_back(id);
        m_next.clear();
        if (!ends(m_answer.ids))
            m_next.push_back({id, 0});
        return {};
    }
    Generated answer() const override { return m_answer; }

private:
    std::int32_t drawn() {
        return drawToken(m_sampler.keep(m_scores), uniformDraw(m_options.seed, m_options.firstPrompt + m_index,
                                                               static_cast<std::uint32_t>(m_answer.ids.size())));
    }

    Sampler m_sampler;
    std::vector<float> m_scores;
    Generated m_answer;
};

/// Beam search as transformers 5.23 does it (generation/utils.py, _beam_search, early_stopping False): of the best
/// candidates of all beams those that end are kept among the finished if they are among the first `beams`, the others
/// run on; the search is over when no running beam can beat the worst of a full set of finished ones.
class BeamContinuation final : public Common {
public:
    BeamContinuation(std::span<const std::int32_t> prompt, std::size_t index, std::int64_t vocabSize,
                     const GenerationOptions& options)
        : Common(prompt, index, vocabSize, options)
        , m_running(1) {}

    Result<void> advance(float* logits) override;
    Generated answer() const override {
        return m_finished.empty() ? Generated{} : Generated{m_finished[0].ids, static_cast<double>(m_finished[0].score)};
    }

private:
    struct Beam {
        std::vector<std::int32_t> ids;
        float score = 0; ///< summed log-probabilities; of finished ones divided by the length penalty
    };
    struct Candidate {
        float score = 0;
        int beam = 0;
        std::int32_t id = 0;
    };
    /// Higher scores first, then earlier beams and ids.
    static bool before(const Candidate& a, const Candidate& b) {
        if (a.score != b.score)
            return a.score > b.score;
        return a.beam != b.beam ? a.beam < b.beam : a.id < b.id;
    }
    Result<void> collect(int beam, std::span<float> logits);
    void finish(std::vector<std::int32_t> ids, float score);
    bool canImprove() const;
    double divisor(std::size_t length) const {
        return std::pow(static_cast<double>(length), m_options.lengthPenalty);
    }

    std::vector<Beam> m_running, m_finished;
    std::vector<Candidate> m_best; ///< a heap, the worst on top
    std::size_t m_wanted = 0;
};

Result<void> BeamContinuation::collect(int beam, std::span<float> logits) {
    const std::int32_t largest = firstLargest(logits);
    CREST_TRY(sum, normaliser(logits, largest));
    if (m_options.repetitionPenalty != 1) {
        for (float& logit : logits)
            logit -= sum;
        sum = 0;
        penalise(logits, seen(m_running[static_cast<std::size_t>(beam)].ids), m_options.repetitionPenalty);
    }
    const float score = m_running[static_cast<std::size_t>(beam)].score;
    constexpr std::size_t kStretch = 64;
    for (std::size_t begin = 0; begin < logits.size(); begin += kStretch) {
        const std::size_t end = std::min(begin + kStretch, logits.size());
        if (m_best.size() == m_wanted) { // most stretches have nothing that is good enough
            const float least = m_best.front().score - score + sum;
            const float surely = least - 1e-4f * (1 + std::abs(least));
            int any = 0;
            for (std::size_t id = begin; id < end; ++id)
                any |= logits[id] > surely ? 1 : 0;
            if (!any)
                continue;
        }
        for (std::size_t id = begin; id < end; ++id) {
            const Candidate candidate{(logits[id] - sum) + score, beam, static_cast<std::int32_t>(id)};
            if (m_best.size() == m_wanted) {
                if (!before(candidate, m_best.front()))
                    continue;
                std::pop_heap(m_best.begin(), m_best.end(), before);
                m_best.pop_back();
            }
            m_best.push_back(candidate);
            std::push_heap(m_best.begin(), m_best.end(), before);
        }
    }
    return {};
}

void BeamContinuation::finish(std::vector<std::int32_t> ids, float score) {
    const float final = score / static_cast<float>(divisor(ids.size()));
    const auto beams = static_cast<std::size_t>(m_options.beams);
    if (m_finished.size() == beams && !(final > m_finished.back().score))
        return;
    const auto at = std::find_if(m_finished.begin(), m_finished.end(), [&](const Beam& b) { return final > b.score; });
    m_finished.insert(at, Beam{std::move(ids), final});
    if (m_finished.size() > beams)
        m_finished.pop_back();
}

bool BeamContinuation::canImprove() const {
    if (m_finished.size() < static_cast<std::size_t>(m_options.beams))
        return true;
    const Beam& best = m_running[0];
    return best.score / static_cast<float>(divisor(best.ids.size())) > m_finished.back().score;
}

Result<void> BeamContinuation::advance(float* logits) {
    const auto beams = static_cast<std::size_t>(m_options.beams);
    m_wanted = std::max<std::size_t>(2, 1 + m_options.endTokens.size()) * beams;
    m_best.clear();
    for (std::size_t beam = 0; beam < m_running.size(); ++beam)
        CREST_CHECK(collect(static_cast<int>(beam), {logits + beam * m_vocab, m_vocab}));
    std::sort_heap(m_best.begin(), m_best.end(), before);
    std::vector<Beam> running;
    m_next.clear();
    for (std::size_t i = 0; i < m_best.size(); ++i) {
        const Candidate& candidate = m_best[i];
        std::vector<std::int32_t> ids = m_running[static_cast<std::size_t>(candidate.beam)].ids;
        ids.push_back(candidate.id);
        if (ends(ids)) {
            if (i < beams)
                finish(std::move(ids), candidate.score);
        } else if (running.size() < beams) {
            m_next.push_back({candidate.id, candidate.beam});
            running.push_back({std::move(ids), candidate.score});
        }
    }
    m_running = std::move(running);
    if (m_running.empty() || !canImprove())
        m_next.clear();
    return {};
}

} // namespace

std::unique_ptr<Continuation> makeContinuation(std::span<const std::int32_t> prompt, std::size_t index,
                                               std::int64_t vocabSize, const GenerationOptions& options) {
    if (options.beams > 1)
        return std::make_unique<BeamContinuation>(prompt, index, vocabSize, options);
    return std::make_unique<SingleContinuation>(prompt, index, vocabSize, options);
}

} // namespace crest::eval
