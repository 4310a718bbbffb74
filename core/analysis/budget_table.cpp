// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/budget_table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "core/analysis/statistics.h"
#include "core/base/units.h"

namespace crest::analysis::detail {

namespace {

std::string describe(const Observation& cell) {
    return fmt::format("{}, {} tokens, pretraining seed {}, strength {}, draw {}", cell.task, formatTokens(cell.tokens),
                       cell.pretrainSeed, formatNumber(cell.strength), cell.drawSeed);
}

Result<void> check(const Observation& cell) {
    if (!std::isfinite(cell.tokens) || cell.tokens < 0)
        return fail(ErrorKind::OutOfRange, "The number of pretraining tokens must be finite and not negative.",
                    describe(cell));
    if (!std::isfinite(cell.strength))
        return fail(ErrorKind::OutOfRange, "The strength must be a finite number.", describe(cell));
    if (cell.perSequenceNats.size() != cell.perSequenceTokens.size())
        return fail(ErrorKind::Mismatch,
                    fmt::format("There are losses of {} sequences and token counts of {}.", cell.perSequenceNats.size(),
                                cell.perSequenceTokens.size()),
                    describe(cell));
    return {};
}

using Cells = std::vector<const Observation*>;

/// Sums per-sequence losses; cells with a non-finite sequence are left out, as their value is.
class SequenceMean {
public:
    void add(const std::vector<float>& nats) {
        if (!std::ranges::all_of(nats, [](float value) { return std::isfinite(value); }))
            return;
        m_sum.resize(nats.size(), 0.0);
        for (std::size_t i = 0; i < nats.size(); ++i)
            m_sum[i] += static_cast<double>(nats[i]);
        ++m_count;
    }
    void add(const SequenceMean& other) {
        if (other.m_count == 0)
            return;
        m_sum.resize(other.m_sum.size(), 0.0);
        for (std::size_t i = 0; i < m_sum.size(); ++i)
            m_sum[i] += other.m_sum[i] / static_cast<double>(other.m_count);
        ++m_count;
    }
    std::vector<double> mean() const {
        std::vector<double> result = m_sum;
        for (double& value : result)
            value /= static_cast<double>(m_count);
        return result;
    }

private:
    std::vector<double> m_sum;
    std::int64_t m_count = 0;
};

Result<Budget> makeBudget(const Cells& cells, const BudgetTable& table) {
    Budget budget;
    budget.tokens = cells.front()->tokens;
    std::map<std::int64_t, Cells> runs;
    for (const Observation* cell : cells)
        runs[cell->pretrainSeed].push_back(cell);
    SequenceMean overRuns;
    for (const auto& [seed, ofRun] : runs) {
        std::vector<double> row(table.drawSeeds.size(), kNaN);
        std::vector<char> seen(row.size(), 0);
        SequenceMean overDraws;
        for (const Observation* cell : ofRun) {
            const auto column = static_cast<std::size_t>(std::ranges::lower_bound(table.drawSeeds, cell->drawSeed) -
                                                         table.drawSeeds.begin());
            if (seen[column])
                return fail(ErrorKind::Mismatch,
                            "The same cell is given twice; runs at one budget need different pretraining seeds.",
                            describe(*cell));
            seen[column] = 1;
            if (!std::isfinite(cell->value)) {
                ++budget.nonFinite;
                continue;
            }
            row[column] = cell->value;
            if (!table.sequenceTokens.empty())
                overDraws.add(cell->perSequenceNats);
        }
        budget.pretrainSeeds.push_back(seed);
        budget.values.push_back(std::move(row));
        overRuns.add(overDraws);
    }
    budget.sequenceNats = overRuns.mean();
    if (budget.sequenceNats.empty())
        budget.summary = crossedMean(budget.values, {}, {});
    else
        budget.summary = crossedMean(budget.values, budget.sequenceNats, table.sequenceTokens);
    return budget;
}

/// The sequences of a task are the same in all its cells; they are used only where every finite cell kept them.
Result<std::vector<int>> commonSequences(const Cells& cells) {
    const Observation* first = nullptr;
    bool complete = true;
    for (const Observation* cell : cells) {
        if (cell->perSequenceNats.empty()) {
            complete = complete && !std::isfinite(cell->value);
            continue;
        }
        if (!first)
            first = cell;
        else if (cell->perSequenceTokens != first->perSequenceTokens)
            return fail(ErrorKind::Mismatch, "Its sequences are not those of " + describe(*first) + ".",
                        describe(*cell));
    }
    if (!first || !complete)
        return std::vector<int>{};
    return std::vector<int>(first->perSequenceTokens.begin(), first->perSequenceTokens.end());
}

Result<BudgetTable> makeTable(const Cells& cells) {
    BudgetTable table;
    table.task = cells.front()->task;
    table.strength = cells.front()->strength;
    CREST_TRY(sequences, commonSequences(cells));
    table.sequenceTokens = std::move(sequences);
    std::map<double, Cells> budgets;
    for (const Observation* cell : cells) {
        table.drawSeeds.push_back(cell->drawSeed);
        budgets[cell->tokens].push_back(cell);
    }
    std::ranges::sort(table.drawSeeds);
    // std::ranges::unique gives a subrange, which clang 14 (the fuzzers') cannot compile with GCC 12's library.
    table.drawSeeds.erase(std::unique(table.drawSeeds.begin(), table.drawSeeds.end()), table.drawSeeds.end());
    for (const auto& [tokens, ofBudget] : budgets) {
        CREST_TRY(budget, makeBudget(ofBudget, table));
        table.nonFinite += budget.nonFinite;
        table.budgets.push_back(std::move(budget));
    }
    return table;
}
} // namespace

Result<std::vector<BudgetTable>> tabulate(std::span<const Observation> observations) {
    std::vector<std::string> tasks;
    std::map<std::string, std::map<double, Cells>> groups;
    for (const Observation& cell : observations) {
        CREST_CHECK(check(cell));
        if (!groups.contains(cell.task))
            tasks.push_back(cell.task);
        groups[cell.task][cell.strength].push_back(&cell);
    }
    std::vector<BudgetTable> tables;
    for (const std::string& task : tasks)
        for (const auto& [strength, cells] : groups[task]) {
            CREST_TRY(table, makeTable(cells));
            tables.push_back(std::move(table));
        }
    return tables;
}

} // namespace crest::analysis::detail
