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
    std::string file;                           ///< where the data are several
    std::int64_t row = 0;                       ///< in its file, as problems name it
    std::int64_t tokens = 0, learnedTokens = 0; ///< as they are trained on
    std::string leftOut;                        ///< why it is not trained on, a part of a sentence; "" where it is
    std::vector<PreviewSegment> segments;       ///< none of a row that cannot be read
};

struct PreviewOptions {
    std::int64_t examples = 20;  ///< rows of the front that are shown, whatever becomes of them
    std::int64_t maxRows = 2000; ///< that are read, for the counts; 0: all
    std::int64_t leftOut = 10;   ///< rows further back that are shown where they are left out
};

struct TuningPreview {
    std::vector<PreviewExample> examples; ///< in the order of the data: the front, then what is left out further back
    std::size_t front = 0;                ///< so many of them are the front
    TuningRowCounts counts;
    TuningTokenCounts tokenCounts;
    LengthHistogram lengths;
    bool whole = false; ///< all rows were read, so that the next three are known
    std::int64_t trainExamples = 0, heldOutExamples = 0;
    std::string problem; ///< why the data would be refused though their rows can be used: none is left to train on or hold out
};

/// The front of the data, in its order. Errors as readTuningData, but rows that cannot be used are only counted, unless
/// that is all of them, and so are examples that are left out.
Result<TuningPreview> previewTuningRows(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                        const PreviewOptions& options = {}, const JobContext& job = {});

} // namespace crest::data
