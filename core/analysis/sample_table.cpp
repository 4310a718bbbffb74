// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/sample_table.h"

#include <algorithm>
#include <string_view>

namespace crest::analysis {
namespace {

constexpr std::size_t kMostWords = 2000;

/// The row whose texts stand in a column.
const study::ResultRow* shownRow(const ItemColumn& column, double strength) {
    const RowPointer row = strength > 0 ? (column.modified.empty() ? nullptr : column.modified.front()) : column.base;
    return row && !row->outcome.details.texts.empty() ? row.get() : nullptr;
}

/// Words, each with the blanks before it.
std::vector<std::string_view> wordsOf(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const std::size_t word = std::min(text.find_first_not_of(kBlanks), text.size());
        const std::size_t end = std::min(text.find_first_of(kBlanks, word), text.size());
        words.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return words;
}

void append(std::vector<DiffPart>& parts, std::string_view word, bool same) {
    if (parts.empty() || parts.back().same != same)
        parts.push_back({"", same});
    parts.back().text += word;
}

} // namespace

Result<SampleTable> makeSampleTable(const study::Plan& plan, const RowLookup& lookup, const ItemTableOptions& options) {
    CREST_TRY(items, makeItemTable(plan, lookup, options));
    SampleTable table;
    table.task = items.task;
    table.strength = options.strength;
    table.pretrainSeeds = items.pretrainSeeds;
    table.documents = items.documents;
    for (ItemColumn& column : items.columns)
        if (shownRow(column, options.strength))
            table.columns.push_back(std::move(column));
    if (table.columns.empty())
        return fail(ErrorKind::NotFound, "No checkpoint has written a text for this task yet.", options.task);
    for (std::size_t prompt = 0; prompt < table.documents.size(); ++prompt)
        for (const ItemColumn& column : table.columns) {
            const std::vector<std::string>& texts = shownRow(column, options.strength)->outcome.details.texts;
            table.texts.push_back(prompt < texts.size() ? texts[prompt] : std::string());
        }
    return table;
}

std::vector<DiffPart> diffWords(const std::string& before, const std::string& text) {
    std::vector<std::string_view> a = wordsOf(before), b = wordsOf(text);
    const std::size_t n = std::min(a.size(), kMostWords), m = std::min(b.size(), kMostWords);
    // length[i][j]: of the longest common subsequence of the words from i and from j on.
    std::vector<std::uint16_t> length((n + 1) * (m + 1), 0);
    const auto at = [&](std::size_t i, std::size_t j) -> std::uint16_t& { return length[i * (m + 1) + j]; };
    for (std::size_t i = n; i-- > 0;)
        for (std::size_t j = m; j-- > 0;)
            at(i, j) = a[i] == b[j] ? static_cast<std::uint16_t>(at(i + 1, j + 1) + 1) : std::max(at(i + 1, j), at(i, j + 1));
    std::vector<DiffPart> parts;
    std::size_t i = 0, j = 0;
    while (j < m) {
        if (i < n && a[i] == b[j]) {
            append(parts, b[j++], true);
            ++i;
        } else if (i < n && at(i + 1, j) >= at(i, j + 1)) {
            ++i;
        } else {
            append(parts, b[j++], false);
        }
    }
    for (; j < b.size(); ++j)
        append(parts, b[j], false);
    return parts;
}

} // namespace crest::analysis
