// SPDX-License-Identifier: Apache-2.0
#include "core/study/published.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <type_traits>

#include <fmt/format.h>

#include "core/base/version.h"
#include "core/study/study_json.h"

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

Table tableOf(const std::vector<ResultRow>& rows) {
    Table table;
    const ResultRow none{};
    const auto addTo = [&](const ResultRow& row, bool real) {
        eachText(row, [&](const char* name, const std::string& text) {
            auto& c = table.column<Texts>(name);
            if (real)
                c.push_back(text);
        });
        eachOptional(row, [&](const char* name, const auto& value) {
            auto& c = table.column<Ints>(name);
            if (real)
                c.push_back(value.value_or(kUnknown));
        });
        eachReal(row, [&](const char* name, double value) {
            auto& c = table.column<Reals>(name);
            if (real)
                c.push_back(value);
        });
        eachInt(row, [&](const char* name, std::int64_t value) {
            auto& c = table.column<Ints>(name);
            if (real)
                c.push_back(value);
        });
        auto& threads = table.column<Ints>("threads");
        auto& numerics = table.column<Ints>("numerics");
        if (real)
            threads.push_back(row.threads), numerics.push_back(row.numerics);
    };
    addTo(none, false); // the columns of an empty table
    std::int64_t first = 0;
    auto& firsts = table.column<Ints>("sequences_first");
    firsts.reserve(rows.size());
    for (const ResultRow& row : rows) {
        addTo(row, true);
        table.column<Ints>("sequences_first").push_back(first);
        first += static_cast<std::int64_t>(row.sequenceNats.size());
    }
    return table;
}

Result<std::vector<ResultRow>> rowsOf(const std::vector<io::Hdf5Column>& columns, const std::vector<float>& nats,
                                      const std::vector<std::int32_t>& tokens, const std::string& where) {
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
    const auto fill = [&](auto each, const auto& none, auto assign) {
        std::vector<const std::remove_cvref_t<decltype(none)>*> lists; // in the order in which `each` names them
        ResultRow any;
        each(any, [&](const char* name, auto&) { lists.push_back(&find(name, none)); });
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
    const auto have = static_cast<std::int64_t>(std::min(nats.size(), tokens.size()));
    for (std::size_t i = 0; i < count; ++i) {
        rows[i].threads = static_cast<int>(threads[i]);
        rows[i].numerics = static_cast<int>(numerics[i]);
        if (firsts[i] < 0 || rows[i].n < 0 || rows[i].n > have || firsts[i] > have - rows[i].n) {
            problem = fmt::format("row {} of /results refers to sequences that are not there", i);
            break;
        }
        rows[i].sequenceNats.assign(nats.begin() + firsts[i], nats.begin() + firsts[i] + rows[i].n);
        rows[i].sequenceTokens.assign(tokens.begin() + firsts[i], tokens.begin() + firsts[i] + rows[i].n);
    }
    if (!problem.empty())
        return fail(ErrorKind::Malformed, problem, where);
    return rows;
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
    CREST_CHECK(file.table("/results", tableOf(results.rows).columns));
    CREST_CHECK(file.attribute("/results", "missing", "-1 in tokens, step and pretrain_seed means unknown"));
    CREST_CHECK(writeSequences(file, results.rows));
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
    CREST_TRY(nats, file.floats("/sequences/nats"));
    CREST_TRY(tokens, file.ints("/sequences/tokens"));
    CREST_TRY(rows, rowsOf(columns, nats, tokens, path.string()));
    results.rows = std::move(rows);
    CREST_TRY(reach, file.table("/journals"));
    const auto* names = reach.size() == 3 ? std::get_if<Texts>(&reach[0].values) : nullptr;
    const auto* bytes = reach.size() == 3 ? std::get_if<Ints>(&reach[1].values) : nullptr;
    const auto* lines = reach.size() == 3 ? std::get_if<Ints>(&reach[2].values) : nullptr;
    if (!names || !bytes || !lines)
        return fail(ErrorKind::Malformed, "/journals is not as it should be", path.string());
    for (std::size_t i = 0; i < names->size(); ++i)
        results.reach[(*names)[i]] = {(*bytes)[i], (*lines)[i]};
    return results;
}

} // namespace crest::study
