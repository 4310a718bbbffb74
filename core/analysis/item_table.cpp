// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/item_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/analysis/probe_measures.h"

namespace crest::analysis {
namespace {

constexpr float kNoValue = std::numeric_limits<float>::quiet_NaN();

bool hasItems(const study::ResultRow& row) {
    return !row.outcome.details.itemDocuments.empty();
}

/// The arrays of a row belong together: sizes as task_metrics.h has them.
bool isConsistent(const study::ResultRow& row) {
    const data::ItemDetails& details = row.outcome.details;
    std::int64_t requests = 0;
    for (const std::int32_t count : details.itemRequests) {
        if (count < 0)
            return false;
        requests += count;
    }
    return details.itemRequests.size() == details.itemDocuments.size() &&
           details.itemGold.size() == details.itemDocuments.size() &&
           (details.requestNats.empty() || static_cast<std::int64_t>(details.requestNats.size()) == requests);
}

bool sameItems(const study::ResultRow& a, const study::ResultRow& b) {
    return a.outcome.details.itemDocuments == b.outcome.details.itemDocuments &&
           a.outcome.details.itemRequests == b.outcome.details.itemRequests;
}

/// Checkpoints that a table shows: those with a place on the token axis, and those without a token count, which need none to
/// be read beside the others. Of copies with the same content, the first.
std::vector<char> tableCheckpoints(const study::Plan& plan) {
    std::vector<char> shown = chooseCheckpoints(plan).counted;
    std::set<std::string> contents;
    for (std::size_t i = 0; i < shown.size(); ++i)
        if (shown[i])
            contents.insert(plan.checkpoints[i].weights);
    for (std::size_t i = 0; i < shown.size(); ++i)
        if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; !one.tokens)
            shown[i] = contents.insert(one.weights).second;
    return shown;
}

/// Those without tokens, then those without a step, come last.
std::pair<std::int64_t, std::int64_t> orderOf(const ItemColumn& column) {
    constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
    return {column.checkpoint.tokens.value_or(kLast), column.checkpoint.step.value_or(kLast)};
}

/// Fills the columns in their order; says which row describes the items.
class Collector {
public:
    Collector(const study::Plan& plan, std::size_t task, const RowLookup& lookup, const ItemTableOptions& options)
        : m_plan(plan)
        , m_task(task)
        , m_lookup(lookup)
        , m_options(options) {}

    RowPointer collect(ItemTable& table) {
        const std::vector<char> shown = tableCheckpoints(m_plan);
        std::set<std::int64_t> seeds;
        for (std::size_t c = 0; c < shown.size(); ++c)
            if (shown[c] && m_plan.checkpoints[c].pretrainSeed)
                seeds.insert(*m_plan.checkpoints[c].pretrainSeed);
        table.pretrainSeeds.assign(seeds.begin(), seeds.end());
        if (!table.pretrainSeeds.empty())
            m_seed = m_options.pretrainSeed && seeds.contains(*m_options.pretrainSeed) ? *m_options.pretrainSeed
                                                                                       : table.pretrainSeeds.front();
        std::map<int, ItemColumn> columns; // by checkpoint of the plan
        for (const study::Cell& cell : m_plan.cells)
            if (shown[static_cast<std::size_t>(cell.checkpoint)] && isOfRun(cell.checkpoint))
                addCell(cell, columns[cell.checkpoint]);
        for (auto& [checkpoint, column] : columns) {
            const study::PlannedCheckpoint& planned = m_plan.checkpoints[static_cast<std::size_t>(checkpoint)];
            column.checkpoint = {planned.name, planned.tokens, planned.step};
            column.pretrainSeed = planned.pretrainSeed.value_or(-1);
            table.columns.push_back(std::move(column));
        }
        std::ranges::stable_sort(table.columns, {}, orderOf);
        return m_first;
    }

private:
    bool isOfRun(int checkpoint) const {
        const auto& seed = m_plan.checkpoints[static_cast<std::size_t>(checkpoint)].pretrainSeed;
        return !m_seed || seed == m_seed;
    }
    void addCell(const study::Cell& cell, ItemColumn& column) {
        if (!cell.isBase() && cell.strength != m_options.strength)
            return;
        RowPointer row = m_lookup(cell.keys[m_task]);
        if (!row || !hasItems(*row) || !isConsistent(*row))
            return;
        if (!m_first)
            m_first = row;
        else if (!sameItems(*row, *m_first))
            return;
        if (cell.isBase())
            column.base = std::move(row);
        else
            column.modified.push_back(std::move(row));
    }

    const study::Plan& m_plan;
    std::size_t m_task;
    const RowLookup& m_lookup;
    const ItemTableOptions& m_options;
    std::optional<std::int64_t> m_seed;
    RowPointer m_first;
};

/// The item's own value of a metric: what it adds to the ratio, over its weight.
float itemValue(const data::MetricValue& metric, std::size_t item) {
    if (item >= metric.itemValues.size())
        return kNoValue;
    const float weight = item < metric.itemWeights.size() ? metric.itemWeights[item] : 1.0F;
    return weight > 0 ? metric.itemValues[item] / weight : kNoValue;
}

struct Side {
    std::vector<float>& values;
    std::vector<std::int16_t>& answers;
};

/// The answer that most rows give; the first of equals.
std::int16_t commonAnswer(const ItemTable& table, std::size_t item, const std::vector<RowPointer>& rows) {
    if (rows.size() == 1)
        return answerOf(*rows.front(), table.firstRequest[item], table.requests[item]);
    std::vector<int> votes(static_cast<std::size_t>(std::max(1, table.requests[item])), 0);
    for (const RowPointer& row : rows)
        if (const std::int16_t answer = answerOf(*row, table.firstRequest[item], table.requests[item]); answer >= 0)
            ++votes[static_cast<std::size_t>(answer)];
    const auto most = std::ranges::max_element(votes);
    return *most > 0 ? static_cast<std::int16_t>(most - votes.begin()) : std::int16_t{-1};
}

/// One column of one side: the mean over its rows, and the answer given most often.
void fillColumn(const ItemTable& table, std::size_t column, const std::vector<RowPointer>& rows, Side side) {
    std::vector<const data::MetricValue*> metrics;
    for (const RowPointer& row : rows)
        if (const data::MetricValue* metric = metricOfRow(*row, table.measure.metric);
            metric && metric->metric == table.measure.metric)
            metrics.push_back(metric);
    for (std::size_t item = 0; item < table.items(); ++item) {
        float sum = 0;
        int count = 0;
        for (const data::MetricValue* metric : metrics)
            if (const float value = itemValue(*metric, item); std::isfinite(value)) {
                sum += value;
                ++count;
            }
        side.values[table.at(item, column)] = count > 0 ? sum / static_cast<float>(count) : kNoValue;
        side.answers[table.at(item, column)] = commonAnswer(table, item, rows);
    }
}

std::vector<ItemHistory> histories(const ItemTable& table, const std::vector<float>& values) {
    std::vector<ItemHistory> all;
    for (std::size_t item = 0; item < table.items(); ++item)
        all.push_back(historyOf(values.data() + table.at(item, 0), table.columns.size()));
    return all;
}

void countChanges(ItemTable& table) {
    table.lost.assign(table.items(), 0);
    table.gained.assign(table.items(), 0);
    for (std::size_t item = 0; item < table.items(); ++item)
        for (std::size_t column = 0; column < table.columns.size(); ++column) {
            const std::size_t at = table.at(item, column);
            if (!std::isfinite(table.base[at]) || !std::isfinite(table.modified[at]))
                continue;
            table.lost[item] += isRight(table.base[at]) && !isRight(table.modified[at]);
            table.gained[item] += !isRight(table.base[at]) && isRight(table.modified[at]);
        }
}

void describeItems(ItemTable& table, const study::ResultRow& row) {
    const data::ItemDetails& details = row.outcome.details;
    table.documents = details.itemDocuments;
    table.gold = details.itemGold;
    table.requests = details.itemRequests;
    std::int64_t first = 0;
    for (const std::int32_t count : details.itemRequests) {
        table.firstRequest.push_back(first);
        first += count;
    }
    for (const data::MetricValue& metric : row.outcome.metrics)
        table.metrics.push_back(metric.metric);
}

} // namespace

std::int16_t answerOf(const study::ResultRow& row, std::int64_t firstRequest, std::int32_t count) {
    const std::vector<float>& nats = row.outcome.details.requestNats;
    std::int16_t best = -1;
    if (count < 2 || firstRequest < 0 || firstRequest + count > static_cast<std::int64_t>(nats.size()))
        return best;
    float lowest = std::numeric_limits<float>::infinity();
    for (std::int32_t i = 0; i < count && i < std::numeric_limits<std::int16_t>::max(); ++i)
        if (const float value = nats[static_cast<std::size_t>(firstRequest + i)]; value < lowest) {
            lowest = value;
            best = static_cast<std::int16_t>(i);
        }
    return best;
}

ItemHistory historyOf(const float* values, std::size_t columns) {
    ItemHistory history;
    int before = -1; // 0 wrong, 1 right
    int stretch = -1; // where the present stretch of equal answers began
    for (std::size_t column = 0; column < columns; ++column) {
        if (!std::isfinite(values[column]))
            continue;
        const int now = isRight(values[column]) ? 1 : 0;
        ++history.measured;
        history.right += now;
        if (now != before) {
            history.flips += before >= 0;
            stretch = static_cast<int>(column);
        }
        before = now;
    }
    if (before == 1)
        history.learned = stretch;
    else if (before == 0 && history.right > 0)
        history.forgotten = stretch;
    return history;
}

Result<ItemTable> makeItemTable(const study::Plan& plan, const RowLookup& lookup, const ItemTableOptions& options) {
    const auto named = std::ranges::find(plan.tasks, options.task, &study::Task::name);
    if (named == plan.tasks.end())
        return fail(ErrorKind::NotFound, "The run has no task of this name.", options.task);
    ItemTable table;
    table.task = options.task;
    table.strength = options.strength;
    const RowPointer first =
        Collector(plan, static_cast<std::size_t>(named - plan.tasks.begin()), lookup, options).collect(table);
    if (!first)
        return fail(ErrorKind::NotFound, "No item of this task is stored yet.", options.task);
    describeItems(table, *first);
    if (const data::MetricValue* metric = metricOfRow(*first, options.metric))
        table.measure = measureOf(metric->metric, metric->unit);
    const std::size_t cells = table.items() * table.columns.size();
    table.base.assign(cells, kNoValue);
    table.baseAnswers.assign(cells, -1);
    const bool compared = options.strength > 0;
    table.modified.assign(compared ? cells : 0, kNoValue);
    table.modifiedAnswers.assign(compared ? cells : 0, -1);
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
        const ItemColumn& one = table.columns[column];
        if (one.base)
            fillColumn(table, column, {one.base}, {table.base, table.baseAnswers});
        if (compared && !one.modified.empty())
            fillColumn(table, column, one.modified, {table.modified, table.modifiedAnswers});
    }
    if (table.measure.isShare) {
        table.baseHistories = histories(table, table.base);
        if (compared) {
            table.modifiedHistories = histories(table, table.modified);
            countChanges(table);
        }
    }
    return table;
}

} // namespace crest::analysis
