// SPDX-License-Identifier: Apache-2.0
#include "core/study/published.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "core/base/version.h"
#include "core/study/published_distances.h"
#include "core/study/published_items.h"
#include "core/study/study_json.h"
#include "core/study/task_outcome.h"

namespace crest::study {
namespace {

constexpr std::int64_t kUnknown = -1; ///< of tokens, step and pretrain_seed in the table

using Ints = std::vector<std::int64_t>;
using Reals = std::vector<double>;
using Texts = std::vector<std::string>;

// One list of the table's columns serves writing and reading: `column` is called with a name and a way to reach the
// field of a row.
template<class Row, class Column> void eachText(Row& r, Column column) {
    column("key", r.key), column("run", r.run), column("series", r.series), column("checkpoint", r.checkpoint),
        column("weights", r.weights);
    column("modification", r.modification), column("noise_scale", r.noiseScale), column("task", r.task),
        column("task_hash", r.taskHash);
    column("metric", r.metric), column("unit", r.unit), column("compute", r.compute), column("device", r.device);
    column("cached_at", r.cachedAt), column("cause", r.cause);
}
template<class Row, class Column> void eachReal(Row& r, Column column) {
    column("strength", r.strength), column("value", r.value), column("stderr", r.stderr_);
}
template<class Row, class Column> void eachOptional(Row& r, Column column) {
    column("tokens", r.tokens), column("step", r.step), column("pretrain_seed", r.pretrainSeed);
}
template<class Row, class Column> void eachInt(Row& r, Column column) {
    column("seed", r.seed), column("n", r.n), column("scored_tokens", r.scoredTokens);
}

/// Columns by name, in order of first use.
class Table {
public:
    template<class List> List& column(const char* name) {
        for (io::Hdf5Column& known : columns)
            if (known.name == name)
                return std::get<List>(known.values);
        columns.push_back({name, List()});
        return std::get<List>(columns.back().values);
    }
    std::vector<io::Hdf5Column> columns;
};

class TableWriter {
public:
    TableWriter() { add({}, nullptr, false); } // the columns of an empty table

    /// A result's rows: one, or one for each metric.
    void add(const ResultRow& row, ItemsWriter& items, DistancesWriter& distances) {
        m_change = row.change ? distances.add(*row.change) : std::pair<std::int64_t, std::int64_t>(-1, 0);
        if (!row.hasOutcome()) {
            addPlaced(row, nullptr, m_sequences, {}, -1);
            m_sequences += static_cast<std::int64_t>(row.sequenceNats.size());
            return;
        }
        const ItemsWriter::Place place = items.add(row);
        for (std::size_t m = 0; m < row.outcome.metrics.size(); ++m)
            addPlaced(row, &row.outcome.metrics[m], -1, place.metrics[m], place.details);
        if (row.outcome.metrics.empty())
            addPlaced(row, nullptr, -1, {}, place.details);
    }
    const std::vector<io::Hdf5Column>& columns() const { return m_table.columns; }

private:
    Table m_table;
    std::int64_t m_sequences = 0;
    std::pair<std::int64_t, std::int64_t> m_change{-1, 0}; ///< of the result that is added

    template<class List, class Value> void put(const char* name, Value&& value, bool real) {
        List& column = m_table.column<List>(name);
        if (real)
            column.push_back(std::forward<Value>(value));
    }

    void addPlaced(const ResultRow& row, const data::MetricValue* metric, std::int64_t sequences,
                   const ItemsWriter::MetricPlace& place, std::int64_t details) {
        add(row, metric, true);
        put<Ints>("sequences_first", sequences, true);
        put<Ints>("items_first", place.values, true);
        put<Ints>("weights_first", place.weights, true);
        put<Ints>("details", details, true);
    }

    void add(const ResultRow& row, const data::MetricValue* metric, bool real) {
        const std::string_view metricName = "metric", unit = "unit", value = "value", stdError = "stderr";
        eachText(row, [&](const char* name, const std::string& text) {
            put<Texts>(name,
                       metric && name == metricName ? metric->metric
                       : metric && name == unit     ? metric->unit
                                                    : text,
                       real);
        });
        eachOptional(row,
                     [&](const char* name, const auto& number) { put<Ints>(name, number.value_or(kUnknown), real); });
        eachReal(row, [&](const char* name, double number) {
            put<Reals>(name,
                       metric && name == value      ? metric->value
                       : metric && name == stdError ? metric->stderr_
                                                    : number,
                       real);
        });
        eachInt(row, [&](const char* name, std::int64_t number) { put<Ints>(name, number, real); });
        put<Ints>("threads", row.threads, real);
        put<Ints>("numerics", row.numerics, real);
        constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
        put<Reals>("distance", row.change ? row.change->distance : kNone, real);
        put<Reals>("distance_start", row.change ? row.change->start : kNone, real);
        put<Ints>("distance_first", m_change.first, real);
        put<Ints>("distance_tensors", m_change.second, real);
        if (!real)
            for (const char* name : {"sequences_first", "items_first", "weights_first", "details"})
                put<Ints>(name, 0, false);
    }
};

/// What the file has beside its table.
struct StoredArrays {
    std::vector<float> nats;
    std::vector<std::int32_t> tokens;
    std::optional<ItemsReader> items; ///< not before format 2
    DistancesReader distances;
};

struct Places {
    std::int64_t sequences = -1, items = -1, weights = -1, details = -1;
};

/// Gives `row` its arrays; false where the file does not have them.
bool readSequences(const StoredArrays& arrays, const Places& at, ResultRow& row) {
    const auto have = static_cast<std::int64_t>(std::min(arrays.nats.size(), arrays.tokens.size()));
    if (at.sequences < 0 || row.n < 0 || row.n > have || at.sequences > have - row.n)
        return false;
    row.sequenceNats.assign(arrays.nats.begin() + at.sequences, arrays.nats.begin() + at.sequences + row.n);
    row.sequenceTokens.assign(arrays.tokens.begin() + at.sequences, arrays.tokens.begin() + at.sequences + row.n);
    return true;
}

/// A row of one metric: a result of its own, or one more metric of `last`.
bool readItems(const StoredArrays& arrays, const Places& at, ResultRow& row, ResultRow* last) {
    if (!arrays.items)
        return false;
    data::MetricValue metric{row.metric, row.unit, row.value, row.stderr_, {}, {}};
    if (at.items != -1 && !arrays.items->readMetric(at.items, at.weights, row.n, metric))
        return false;
    data::TaskOutcome& outcome = last ? last->outcome : row.outcome;
    if (at.items != -1)
        outcome.metrics.push_back(std::move(metric));
    if (!last) {
        outcome.scoredTokens = row.scoredTokens;
        outcome.cause = row.cause;
        if (!arrays.items->readDetails(at.details, outcome.details))
            return false;
    }
    return checkOutcome(outcome).has_value();
}

/// Columns of the change of weights, which older files do not have.
class ChangeColumns {
public:
    ChangeColumns(const std::vector<io::Hdf5Column>& columns, const DistancesReader& distances)
        : m_distances(distances) {
        for (const io::Hdf5Column& column : columns) {
            const auto take = [&]<class List>(const char* name, const List*& to) {
                if (column.name == name)
                    to = std::get_if<List>(&column.values);
            };
            take("distance", m_distance);
            take("distance_start", m_start);
            take("distance_first", m_first);
            take("distance_tensors", m_count);
        }
    }
    /// False where the row refers to tensors that are not there.
    bool read(std::size_t i, ResultRow& row) const {
        if (!m_distance || !m_start || !m_first || !m_count || (*m_first)[i] < 0)
            return true;
        WeightChange& change = row.change.emplace();
        change.distance = (*m_distance)[i];
        change.start = (*m_start)[i];
        return m_distances.fill((*m_first)[i], (*m_count)[i], change);
    }

private:
    const DistancesReader& m_distances;
    const Reals *m_distance = nullptr, *m_start = nullptr;
    const Ints *m_first = nullptr, *m_count = nullptr;
};

Result<std::vector<ResultRow>> rowsOf(const std::vector<io::Hdf5Column>& columns, const StoredArrays& arrays,
                                      const std::string& where) {
    std::string problem;
    std::map<std::string, const io::Hdf5Column*> byName;
    for (const io::Hdf5Column& column : columns)
        byName[column.name] = &column;
    const auto find = [&]<class List>(const char* name, const List& empty) -> const List& {
        const auto at = byName.find(name);
        if (at != byName.end())
            if (const List* list = std::get_if<List>(&at->second->values))
                return *list;
        problem = fmt::format("the column {} of /results is missing or of another type", name);
        return empty;
    };
    const std::size_t count = columns.empty() ? 0 : columns.front().rows();
    const Texts noTexts(count);
    const Ints noInts(count);
    const Reals noReals(count);
    std::vector<ResultRow> rows(count);
    const Ints &firsts = find("sequences_first", noInts), &threads = find("threads", noInts),
               &numerics = find("numerics", noInts);
    const Ints none(count, -1);
    const auto since2 = [&](const char* name) -> const Ints& { return arrays.items ? find(name, none) : none; };
    const Ints &items = since2("items_first"), &weights = since2("weights_first"), &details = since2("details");
    const auto fill = [&](auto each, const auto& missing, auto assign) {
        std::vector<const std::remove_cvref_t<decltype(missing)>*> lists; // in the order in which `each` names them
        ResultRow any;
        each(any, [&](const char* name, auto&) { lists.push_back(&find(name, missing)); });
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t next = 0;
            each(rows[i], [&](const char*, auto& field) { assign(field, (*lists[next++])[i]); });
        }
    };
    fill([](auto& row, auto column) { eachText(row, column); }, noTexts,
         [](std::string& field, const std::string& text) { field = text; });
    fill([](auto& row, auto column) { eachReal(row, column); }, noReals,
         [](double& field, double value) { field = value; });
    fill([](auto& row, auto column) { eachInt(row, column); }, noInts,
         [](std::int64_t& field, std::int64_t value) { field = value; });
    fill([](auto& row, auto column) { eachOptional(row, column); }, noInts,
         [](std::optional<std::int64_t>& field, std::int64_t value) {
             if (value != kUnknown)
                 field = value;
         });
    const ChangeColumns changes(columns, arrays.distances);
    std::vector<ResultRow> results;
    for (std::size_t i = 0; i < count && problem.empty(); ++i) {
        ResultRow& row = rows[i];
        row.threads = static_cast<int>(threads[i]);
        row.numerics = static_cast<int>(numerics[i]);
        const Places at{firsts[i], items[i], weights[i], details[i]};
        ResultRow* last = i > 0 && at.details != -1 && at.details == details[i - 1] ? &results.back() : nullptr;
        if (!changes.read(i, row) ||
            !(at.details == -1 ? readSequences(arrays, at, row) : readItems(arrays, at, row, last)))
            problem = fmt::format("row {} of /results refers to sequences, items or tensors that are not there", i);
        else if (!last)
            results.push_back(std::move(row));
    }
    if (!problem.empty())
        return fail(ErrorKind::Malformed, problem, where);
    return results;
}

bool before(const ResultRow& a, const ResultRow& b) {
    constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
    const auto where = [&](const ResultRow& r) {
        return std::pair(r.tokens.value_or(kLast), r.pretrainSeed.value_or(kLast));
    };
    const auto what = [](const ResultRow& r) {
        return std::tie(r.checkpoint, r.task, r.modification, r.strength, r.seed, r.key);
    };
    if (a.series != b.series)
        return a.series < b.series;
    return where(a) != where(b) ? where(a) < where(b) : what(a) < what(b);
}

Result<void> writeReach(io::Hdf5Writer& file, const std::map<std::string, LinePosition>& reach) {
    Texts names;
    Ints bytes, lines;
    for (const auto& [name, position] : reach) {
        names.push_back(name);
        bytes.push_back(position.bytes);
        lines.push_back(position.lines);
    }
    return file.table("/journals", {{"journal", names}, {"bytes", bytes}, {"lines", lines}});
}

Result<void> writeSequences(io::Hdf5Writer& file, const std::vector<ResultRow>& rows) {
    std::vector<float> nats;
    std::vector<std::int32_t> tokens;
    for (const ResultRow& row : rows) {
        nats.insert(nats.end(), row.sequenceNats.begin(), row.sequenceNats.end());
        tokens.insert(tokens.end(), row.sequenceTokens.begin(), row.sequenceTokens.end());
    }
    CREST_CHECK(file.array("/sequences/nats", std::span<const float>(nats), {nats.size()}));
    CREST_CHECK(file.array("/sequences/tokens", std::span<const std::int32_t>(tokens), {tokens.size()}));
    CREST_CHECK(file.attribute("/sequences/nats", "units", "nats"));
    return file.attribute(
        "/sequences", "description",
        "Summed loss and scored tokens of each sequence; row i of /results owns n of them from sequences_first");
}

} // namespace

Result<void> writePublished(const std::filesystem::path& path, PublishedResults results,
                            const std::map<std::string, std::string>& runs) {
    for (ResultRow& row : results.rows) { // a table has one count for both arrays
        if (row.hasOutcome())
            continue;
        row.n = static_cast<std::int64_t>(row.sequenceNats.size());
        row.sequenceTokens.resize(row.sequenceNats.size());
    }
    std::ranges::sort(results.rows, before);
    CREST_TRY(file, io::Hdf5Writer::create(path));
    CREST_CHECK(file.attribute("/", "format", "crest-results"));
    CREST_CHECK(file.attribute("/", "format_version", std::int64_t{kResultsFormat}));
    CREST_CHECK(file.attribute("/", "producer", std::string("crest ") + version()));
    CREST_CHECK(file.attribute("/", "created", utcNow()));
    CREST_CHECK(file.attribute("/", "Conventions", "CF-1.8"));
    CREST_CHECK(file.attribute("/", "complete", std::int64_t{1}));
    TableWriter table;
    ItemsWriter items;
    DistancesWriter distances;
    for (const ResultRow& row : results.rows)
        table.add(row, items, distances);
    CREST_CHECK(file.table("/results", table.columns()));
    CREST_CHECK(file.attribute("/results", "missing",
                               "-1 in tokens, step and pretrain_seed means unknown, in sequences_first, items_first, "
                               "weights_first and details that there are none"));
    CREST_CHECK(writeSequences(file, results.rows));
    CREST_CHECK(items.write(file));
    CREST_CHECK(distances.write(file));
    CREST_CHECK(writeReach(file, results.reach));
    CREST_CHECK(writeCubes(file, results.rows));
    CREST_CHECK(file.group("/runs"));
    for (const auto& [id, plan] : runs) {
        CREST_CHECK(file.group("/runs/" + id));
        CREST_CHECK(file.attribute("/runs/" + id, "plan", plan));
    }
    return file.close();
}

Result<PublishedResults> readPublished(const std::filesystem::path& path) {
    CREST_TRY(file, io::Hdf5Reader::open(path));
    CREST_TRY(format, file.intAttribute("/", "format_version"));
    if (format > kResultsFormat)
        return fail(ErrorKind::Unsupported,
                    fmt::format("it has format {}, this Crest reads up to {}", format, kResultsFormat), path.string());
    PublishedResults results;
    CREST_TRY(columns, file.table("/results"));
    StoredArrays arrays;
    CREST_TRY(nats, file.floats("/sequences/nats"));
    arrays.nats = std::move(nats);
    CREST_TRY(tokens, file.ints("/sequences/tokens"));
    arrays.tokens = std::move(tokens);
    if (format >= 2) {
        CREST_TRY(items, ItemsReader::read(file));
        arrays.items = std::move(items);
    }
    CREST_TRY(distances, DistancesReader::read(file));
    arrays.distances = std::move(distances);
    CREST_TRY(rows, rowsOf(columns, arrays, path.string()));
    results.rows = std::move(rows);
    CREST_TRY(reach, file.table("/journals"));
    const auto* names = reach.size() == 3 ? std::get_if<Texts>(&reach[0].values) : nullptr;
    const auto* bytes = reach.size() == 3 ? std::get_if<Ints>(&reach[1].values) : nullptr;
    const auto* lines = reach.size() == 3 ? std::get_if<Ints>(&reach[2].values) : nullptr;
    if (!names || !bytes || !lines)
        return fail(ErrorKind::Malformed, "/journals is not as it should be", path.string());
    for (std::size_t i = 0; i < names->size(); ++i) {
        if ((*bytes)[i] < 0 || (*lines)[i] < 0)
            return fail(ErrorKind::Malformed, "/journals is not as it should be", path.string());
        results.reach[(*names)[i]] = {(*bytes)[i], (*lines)[i]};
    }
    return results;
}

} // namespace crest::study
