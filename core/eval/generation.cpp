// SPDX-License-Identifier: Apache-2.0
// Prompts take turns on the slots of one cache: where one has its answer, the next moves in. Since rows do not see each
// other (core/model/resident_decoder.h), no answer depends on what runs beside it.
#include "core/eval/generation.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "core/eval/continuation.h"
#include "core/model/resident_decoder.h"

namespace crest::eval {

using model::KvCache;
using model::KvCacheSizes;
using model::ResidentDecoder;

namespace {

constexpr std::int64_t kRowsTogether = 48; ///< beyond, products cost more time than reading the weights

/// Bytes that this machine could give without swapping; nothing where the system does not say.
std::optional<std::int64_t> freeMemory() {
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    for (std::int64_t kilobytes = 0; file >> key >> kilobytes;) {
        if (key == "MemAvailable:")
            return kilobytes * 1024;
        std::getline(file, unit);
    }
    return std::nullopt;
}

Result<void> checkOptions(const GenerationOptions& o, const series::DecoderSpec& spec) {
    const auto refuse = [](std::string message) { return fail(ErrorKind::OutOfRange, std::move(message)); };
    if (o.maxNewTokens < 1)
        return refuse(fmt::format("{} new tokens: at least 1 is needed", o.maxNewTokens));
    if (o.beams < 1 || o.beams * static_cast<std::int64_t>(std::max<std::size_t>(2, 1 + o.endTokens.size())) >
                           spec.vocabSize)
        return refuse(fmt::format("{} beams: there must be at least 1, and a vocabulary of more than twice as many",
                                  o.beams));
    if (!std::isfinite(o.temperature) || o.temperature < 0)
        return refuse(fmt::format("a temperature of {}: it must be 0 (greedy) or more", o.temperature));
    if (o.beams > 1 && o.temperature > 0)
        return refuse("beams are not drawn: leave out the temperature, or the beams");
    if (!std::isfinite(o.repetitionPenalty) || o.repetitionPenalty <= 0)
        return refuse(fmt::format("a repetition penalty of {}: it must be above 0", o.repetitionPenalty));
    if (!std::isfinite(o.lengthPenalty))
        return refuse("the length penalty must be a number");
    if (o.topK < 0)
        return refuse(fmt::format("top-k of {}: it must be 0 (all) or more", o.topK));
    if (!(o.topP >= 0 && o.topP <= 1))
        return refuse(fmt::format("top-p of {}: it must be 0 to 1", o.topP));
    if (o.together < 0)
        return refuse(fmt::format("{} prompts together: there must be at least 1", o.together));
    return {};
}

Result<void> checkPrompts(std::span<const std::vector<std::int32_t>> prompts, const GenerationOptions& options,
                          const series::DecoderSpec& spec) {
    for (std::size_t p = 0; p < prompts.size(); ++p) {
        const auto tokens = static_cast<std::int64_t>(prompts[p].size());
        if (tokens == 0)
            return fail(ErrorKind::OutOfRange, fmt::format("prompt {} has no tokens", p + 1));
        if (tokens + options.maxNewTokens > spec.contextLength)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("prompt {} has {} tokens: with {} new ones they exceed the model's context of {}",
                                    p + 1, tokens, options.maxNewTokens, spec.contextLength));
        for (const std::int32_t id : prompts[p])
            if (id < 0 || id >= spec.vocabSize)
                return fail(ErrorKind::Mismatch,
                            fmt::format("prompt {} holds the token id {}; the model has {} tokens: is the tokenizer "
                                        "that of another model?",
                                        p + 1, id, spec.vocabSize));
    }
    return {};
}

/// How many prompts side by side, and that all of it fits.
Result<KvCacheSizes> planCache(const model::Decoder& decoder, std::span<const std::vector<std::int32_t>> prompts,
                               const GenerationOptions& options) {
    const series::DecoderSpec& spec = decoder.spec();
    const auto longest = std::max_element(prompts.begin(), prompts.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    KvCacheSizes sizes;
    sizes.rowsPerSlot = options.beams;
    sizes.promptTokens = static_cast<std::int64_t>(longest->size());
    sizes.newTokens = std::max<std::int64_t>(1, options.maxNewTokens - 1); // the last one is never fed
    const auto waiting = static_cast<std::int64_t>(prompts.size());
    const std::int64_t wanted = options.together > 0 ? options.together
                                                     : std::max<std::int64_t>(1, kRowsTogether / options.beams);
    sizes.slots = std::min(wanted, waiting);
    const auto free = decoder.options().device.is_cpu() ? freeMemory() : std::nullopt;
    if (!free)
        return sizes;
    const std::int64_t weights = ResidentDecoder::bytes(spec, decoder.options().compute);
    KvCacheSizes one = sizes;
    one.slots = 1;
    const std::int64_t slot = KvCache::bytes(spec, one) + options.beams * spec.vocabSize * 4;
    if (weights + slot > *free)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("prompt {} with {} new tokens and {} beams needs {:.1f} GB for weights and {:.1f} GB for "
                                "keys and values; {:.1f} GB are free. Take fewer tokens or beams, or bfloat16.",
                                longest - prompts.begin() + 1, options.maxNewTokens, options.beams,
                                static_cast<double>(weights) / 1e9, static_cast<double>(slot) / 1e9,
                                static_cast<double>(*free) / 1e9));
    if (options.together == 0)
        sizes.slots = std::clamp<std::int64_t>((*free - weights) / 2 / slot, 1, sizes.slots);
    return sizes;
}

/// The prompts of one call at work.
class Run {
public:
    Run(ResidentDecoder& decoder, model::Decoder& buffers, const KvCacheSizes& sizes,
        std::span<const std::vector<std::int32_t>> prompts, const GenerationOptions& options, const JobContext& job)
        : m_decoder(decoder)
        , m_buffers(buffers)
        , m_cache(decoder.spec(), sizes, buffers.options().device)
        , m_prompts(prompts)
        , m_options(options)
        , m_job(job)
        , m_slots(static_cast<std::size_t>(sizes.slots))
        , m_answers(prompts.size()) {}

    Result<std::vector<Generated>> run() {
        while (m_done < m_prompts.size()) {
            for (std::size_t s = 0; s < m_slots.size(); ++s)
                while (!m_slots[s].way && m_started < m_prompts.size())
                    CREST_CHECK(start(s, m_started++));
            CREST_CHECK(step());
        }
        return std::move(m_answers);
    }

private:
    struct Slot {
        std::size_t prompt = 0;
        std::vector<std::int32_t> cached; ///< the prompt whose keys and values the slot holds
        std::unique_ptr<Continuation> way; ///< null: free
        /// For each row, which row holds its tokens after the prompt (StepRow::history).
        std::vector<std::vector<std::int32_t>> histories;
    };

    at::Tensor logitsBuffer(std::int64_t rows) { return m_buffers.buffer("logits", rows, m_decoder.spec().vocabSize); }
    Result<void> start(std::size_t slot, std::size_t prompt);
    std::size_t reuse(std::size_t slot, std::span<const std::int32_t> ids);
    Result<void> step();
    void follow(std::size_t slot);

    ResidentDecoder& m_decoder;
    model::Decoder& m_buffers;
    KvCache m_cache;
    std::span<const std::vector<std::int32_t>> m_prompts;
    const GenerationOptions& m_options;
    const JobContext& m_job;
    std::vector<Slot> m_slots;
    std::vector<Generated> m_answers;
    std::size_t m_started = 0, m_done = 0;
};

/// Whole chunks at the front of a prompt that some slot holds already (few-shot examples) are taken from there: a
/// chunk's keys and values depend on its own and the earlier tokens alone. How many tokens.
std::size_t Run::reuse(std::size_t slot, std::span<const std::int32_t> ids) {
    std::size_t best = 0, from = slot;
    for (std::size_t s = 0; s < m_slots.size(); ++s) {
        const auto& held = m_slots[s].cached;
        const std::size_t most = std::min(held.size(), ids.size() - 1); // the last token's logits are wanted
        const auto differs = std::mismatch(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(most), held.begin());
        const auto common = static_cast<std::size_t>(differs.first - ids.begin());
        const std::size_t whole = common / ResidentDecoder::kPromptChunk * ResidentDecoder::kPromptChunk;
        if (whole > best || (whole == best && s == slot))
            best = whole, from = s;
    }
    if (best > 0 && from != slot)
        m_cache.copyPrompt(static_cast<std::int64_t>(from), static_cast<std::int64_t>(slot),
                           static_cast<std::int64_t>(best));
    return best;
}

Result<void> Run::start(std::size_t slot, std::size_t prompt) {
    Slot& s = m_slots[slot];
    const std::span<const std::int32_t> ids(m_prompts[prompt]);
    std::size_t first = reuse(slot, ids);
    s.cached.clear();
    at::Tensor logits;
    while (first < ids.size()) {
        if (m_job.stopRequested())
            return stopped();
        const std::size_t count = std::min<std::size_t>(ResidentDecoder::kPromptChunk, ids.size() - first);
        if (first + count == ids.size())
            logits = logitsBuffer(1);
        m_decoder.prompt(m_cache, static_cast<std::int64_t>(slot), static_cast<std::int64_t>(first),
                         ids.subspan(first, count), logits);
        first += count;
    }
    s.cached.assign(ids.begin(), ids.end());
    s.prompt = prompt;
    s.way = makeContinuation(ids, prompt, m_decoder.spec().vocabSize, m_options);
    s.histories.assign(1, {});
    at::Tensor onCpu = logits.cpu();
    CREST_CHECK(s.way->advance(onCpu.mutable_data_ptr<float>()));
    follow(slot);
    return {};
}

/// After advance(): the rows take on their parents' histories, or the slot is free.
void Run::follow(std::size_t slot) {
    Slot& s = m_slots[slot];
    const auto& next = s.way->next();
    if (next.empty()) {
        m_answers[s.prompt] = s.way->answer();
        if (m_options.finished)
            m_options.finished(s.prompt, m_answers[s.prompt]);
        s.way.reset();
        m_job.report(static_cast<std::int64_t>(++m_done), static_cast<std::int64_t>(m_prompts.size()), "prompts");
        return;
    }
    std::vector<std::vector<std::int32_t>> histories;
    for (std::size_t beam = 0; beam < next.size(); ++beam) {
        histories.push_back(s.histories[static_cast<std::size_t>(next[beam].parent)]);
        histories.back().push_back(
            static_cast<std::int32_t>(slot * static_cast<std::size_t>(m_options.beams) + beam));
    }
    s.histories = std::move(histories);
}

/// One token more for every row.
Result<void> Run::step() {
    if (m_job.stopRequested())
        return stopped();
    std::vector<model::StepRow> rows;
    for (std::size_t slot = 0; slot < m_slots.size(); ++slot) {
        const Slot& s = m_slots[slot];
        if (!s.way)
            continue;
        for (std::size_t beam = 0; beam < s.way->next().size(); ++beam)
            rows.push_back({s.way->next()[beam].id, static_cast<std::int64_t>(slot), s.histories[beam].back(),
                            static_cast<std::int64_t>(s.cached.size()), s.histories[beam]});
    }
    if (rows.empty())
        return {};
    at::Tensor logits = logitsBuffer(static_cast<std::int64_t>(rows.size()));
    m_decoder.step(m_cache, rows, logits);
    at::Tensor onCpu = logits.cpu();
    auto* row = onCpu.mutable_data_ptr<float>();
    for (std::size_t slot = 0; slot < m_slots.size(); ++slot) {
        Slot& s = m_slots[slot];
        if (!s.way)
            continue;
        const auto count = static_cast<std::int64_t>(s.way->next().size());
        CREST_CHECK(s.way->advance(row));
        row += count * m_decoder.spec().vocabSize;
        follow(slot);
    }
    return {};
}

} // namespace

Result<std::vector<Generated>> generate(model::Decoder& decoder, model::WeightSource& source,
                                        std::span<const std::vector<std::int32_t>> prompts,
                                        const GenerationOptions& options, const JobContext& job) {
    CREST_CHECK(checkOptions(options, decoder.spec()));
    CREST_CHECK(checkPrompts(prompts, options, decoder.spec()));
    if (prompts.empty())
        return std::vector<Generated>{};
    CREST_TRY(sizes, planCache(decoder, prompts, options));
    const c10::InferenceMode inference;
    CREST_TRY(resident, ResidentDecoder::make(decoder, source, 0, job));
    return Run(resident, decoder, sizes, prompts, options, job).run();
}

} // namespace crest::eval
