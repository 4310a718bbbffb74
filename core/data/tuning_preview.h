// SPDX-License-Identifier: Apache-2.0
// What a model would see of fine-tuning data, for a window to show before anything runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/tuning_data.h"
#include "core/text/tokenizer.h"

namespace crest::data {

/// Tokens of one kind, one after the other, as text.
struct PreviewSegment {
    std::string text;
    bool learned = false;
    bool isEndToken = false;
    bool truncated = false; ///< beyond the longest example: the model does not see it
    bool operator==(const PreviewSegment&) const = default;
};

struct PreviewExample {
    std::int64_t row = 0;                       ///< from 0, among those that can be used
    std::int64_t tokens = 0, learnedTokens = 0; ///< as they are trained on
    bool leftOut = false;                       ///< too long, or nothing learned is left of it
    std::vector<PreviewSegment> segments;
};

struct PreviewOptions {
    std::int64_t examples = 20;  ///< that are shown
    std::int64_t maxRows = 2000; ///< that are read, for the counts; 0: all
};

struct TuningPreview {
    std::vector<PreviewExample> examples;
    TuningRowCounts counts;
    TuningTokenCounts tokenCounts;
    LengthHistogram lengths;
    bool whole = false; ///< all rows were read
};

/// The front of the data, not split. Errors as readTuningData, but rows that cannot be used are only counted, unless
/// that is all of them, and so are examples that are left out.
Result<TuningPreview> previewTuningRows(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                        const PreviewOptions& options = {}, const JobContext& job = {});

} // namespace crest::data
