// SPDX-License-Identifier: Apache-2.0
// The rows of fine-tuning data as segments, one after the other, whatever file they lie in. Inside of tuning_data.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/rows.h"
#include "core/data/tuning_template.h"

namespace crest::data {

/// What was read, before any tokenizer.
struct TuningRowCounts {
    std::int64_t rows = 0;
    std::int64_t badRows = 0;             ///< broken, or without what the form needs
    std::vector<std::string> badExamples; ///< the first ten, with file, row and reason
    std::int64_t blankRows = 0;           ///< nothing in them is learned: no answer, or a blank one
    std::int64_t outOfTurnRows = 0;       ///< used as they stand; an answer in them follows no question
    bool operator==(const TuningRowCounts&) const = default;
};

/// The files of a path: itself; of a folder or an archive those of its training part (train*), else all of its data
/// files, of the first kind that is there: parquet, jsonl, json, csv, tsv, txt, the last five also with .gz. NotFound
/// says what was looked for.
Result<std::vector<DataFile>> tuningFiles(const std::filesystem::path& path);

/// A row as it stands in its file.
struct TuningRowRead {
    std::string file;        ///< its name, without folders
    std::int64_t number = 0; ///< as problems name it
    std::string leftOut;     ///< why; "" where it is used
    std::vector<TuningSegment> segments; ///< of one that can be read and has nothing to learn
};

struct TuningRowOptions {
    bool learnAll = false; ///< prompts, too
    double maxBadShare = 0.01;
    std::int64_t limit = 0; ///< the first so many rows, the bad ones among them; 0: all
    std::function<void(const TuningRowRead&)> look = {}; ///< told of every row, of one that is used before its visit
};

/// Gets each row that can be used, numbered from 0, with its segments: at least one is learned and the last is. An
/// error ends the reading; what it returns is not looked at otherwise.
using TuningRowVisitor = std::function<Result<void>(std::int64_t index, std::vector<TuningSegment> segments)>;

/// Malformed where a file is not in its format or too many rows cannot be used.
Result<TuningRowCounts> readTuningRows(const std::vector<DataFile>& files, const TuningTemplate& form,
                                       const ChatStyle* style, const TuningRowOptions& options,
                                       const TuningRowVisitor& visit, const JobContext& job);
/// The first row that is none of the broken ones (of the first hundred). Malformed where there is none.
Result<Json> firstTuningRow(const std::vector<DataFile>& files, const JobContext& job);

} // namespace crest::data
