// SPDX-License-Identifier: Apache-2.0
// Segments to examples, a batch at a time, cut to length and counted. Inside of tuning_data.h and tuning_preview.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/data/token_cache.h"
#include "core/data/tuning_data.h"
#include "core/data/tuning_tokens.h"

namespace crest::data {

/// The forms that the settings hold.
struct TuningForms {
    TuningTemplate form;
    std::optional<ChatStyle> style;
    const ChatStyle* stylePointer() const { return style ? &*style : nullptr; }
    /// OutOfRange where the settings are not resolved.
    static Result<TuningForms> of(const TuningDataSettings& settings);
};

/// Not shared between threads.
class ExampleBatcher {
public:
    /// Gets every example, whole, in the order in which it came.
    using Sink = std::function<Result<void>(std::int64_t row, TuningExample example)>;
    ExampleBatcher(const TuningEncoder& encoder, TokenCache cache, const JobContext& job, Sink sink)
        : m_encoder(encoder)
        , m_cache(std::move(cache))
        , m_job(job)
        , m_sink(std::move(sink)) {}

    Result<void> add(std::int64_t row, const std::vector<TuningSegment>& segments);
    /// Call at the end.
    Result<void> flush();

private:
    const TuningEncoder& m_encoder;
    TokenCache m_cache;
    const JobContext& m_job;
    Sink m_sink;
    std::vector<std::int64_t> m_rows;
    std::vector<MarkedText> m_marked;
    std::vector<std::string> m_texts;
    std::size_t m_bytes = 0;
};

std::int64_t learnedOf(const TuningExample& example);
/// Cuts what is too long, and counts. Why the example goes, a part of a sentence; "" where it stays.
std::string fitToLength(TuningExample& example, const TuningDataSettings& settings, TuningTokenCounts& counts);

/// How many examples are left, of how many rows that are held out, and how long the shortest of all was.
struct ExamplesLeft {
    std::int64_t train = 0, heldOut = 0, heldOutRows = 0, shortest = 0;
};
/// Malformed, why nothing is left of one part of the data.
Result<void> checkExamplesLeft(const ExamplesLeft& left, const TuningDataSettings& settings);

} // namespace crest::data
