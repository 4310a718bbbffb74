// SPDX-License-Identifier: Apache-2.0
// Every scored item of a task at every checkpoint: what was answered, whether it is right, when it was learned and
// forgotten. Made of stored rows; pure, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/measure.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::analysis {

using RowPointer = std::shared_ptr<const study::ResultRow>;
/// The stored row of a key, null where there is none.
using RowLookup = std::function<RowPointer(const std::string& key)>;

/// One checkpoint of the table.
struct ItemColumn {
    CheckpointPlace checkpoint;
    std::int64_t pretrainSeed = -1; ///< -1: not recorded
    RowPointer base;                ///< null where it is not stored
    std::vector<RowPointer> modified; ///< one for each draw at the chosen strength
};

/// Right and wrong along the checkpoints, in their order.
struct ItemHistory {
    int learned = -1;   ///< the first column from which the item stays right up to the last one; -1: not so
    int forgotten = -1; ///< where the last column is wrong and an earlier one was right: the first one of the last wrong
                        ///< stretch; else -1
    int flips = 0;      ///< changes between right and wrong from one measured checkpoint to the next
    int right = 0, measured = 0; ///< columns
    bool operator==(const ItemHistory&) const = default;
};

struct ItemTable {
    std::string task;
    Measure measure;                  ///< without a name where the task has no metric (texts that are kept as they are)
    std::vector<std::string> metrics; ///< that the rows have
    double strength = 0;              ///< what `modified` is of; 0: nothing
    std::vector<ItemColumn> columns;  ///< by tokens (then step, then as planned), of one pretraining run
    std::vector<std::int64_t> pretrainSeeds; ///< that the plan has, ascending; empty where none is recorded
    std::vector<std::int32_t> documents, gold, requests; ///< by item: row of the data, right choice (-1: none), requests
    std::vector<std::int64_t> firstRequest;              ///< by item: where its requests begin in a row's arrays
    /// [item * columns + column]: the metric of the item (a share: 1 right, 0 wrong; over draws their mean), NaN where
    /// it is not measured. `modified` is empty without a strength.
    std::vector<float> base, modified;
    /// The choice with the highest log-likelihood (over draws the one most often), -1 where there is none.
    std::vector<std::int16_t> baseAnswers, modifiedAnswers;
    std::vector<ItemHistory> baseHistories, modifiedHistories;
    /// By item, where there is a strength: at how many checkpoints the modification makes a right answer wrong, and a
    /// wrong one right.
    std::vector<std::int32_t> lost, gained;

    std::size_t items() const { return documents.size(); }
    std::size_t at(std::size_t item, std::size_t column) const { return item * columns.size() + column; }
};

struct ItemTableOptions {
    std::string task;
    std::string metric;                      ///< "": the task's first
    double strength = 0;                     ///< to compare the base with; 0: none
    std::optional<std::int64_t> pretrainSeed; ///< which pretraining run; the first where there are several
    bool operator==(const ItemTableOptions&) const = default;
};

/// Rows whose items are not those of the first row are left out. NotFound where the plan has no such task or nothing of
/// it is stored.
Result<ItemTable> makeItemTable(const study::Plan& plan, const RowLookup& lookup, const ItemTableOptions& options);

/// Right where at least half of the draws are.
inline bool isRight(float value) { return value >= 0.5F; }
/// `values`: one for each column, NaN where not measured.
ItemHistory historyOf(const float* values, std::size_t columns);

/// The index of the lowest of `count` nats (the highest log-likelihood; the first of equals), -1 where there is none.
std::int16_t answerOf(const study::ResultRow& row, std::int64_t firstRequest, std::int32_t count);

} // namespace crest::analysis
