// SPDX-License-Identifier: Apache-2.0
// What every checkpoint wrote after the same prompts. Made of stored rows; pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/item_table.h"

namespace crest::analysis {

struct SampleTable {
    std::string task;
    double strength = 0;
    std::vector<ItemColumn> columns; ///< as of an ItemTable; those with text only
    std::vector<std::int64_t> pretrainSeeds;
    std::vector<std::int32_t> documents; ///< by prompt: row of the data
    std::vector<std::string> texts;      ///< [prompt * columns + column]

    const std::string& text(std::size_t prompt, std::size_t column) const {
        return texts[prompt * columns.size() + column];
    }
};

/// The continuations of a task of a run; with a strength those of its first draw. NotFound where nothing was written.
Result<SampleTable> makeSampleTable(const study::Plan& plan, const RowLookup& lookup, const ItemTableOptions& options);

/// A stretch of a text that its neighbour has as well, or not.
struct DiffPart {
    std::string text;
    bool same = true;
    bool operator==(const DiffPart&) const = default;
};
/// `text` in words, marked where `before` does not have them in the same order (longest common subsequence; the parts
/// put together give `text`). Of texts with more than 2,000 words the rest counts as different.
std::vector<DiffPart> diffWords(const std::string& before, const std::string& text);

} // namespace crest::analysis
