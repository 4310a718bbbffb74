// SPDX-License-Identifier: Apache-2.0
#include "core/study/journal_line.h"

#include <bit>
#include <charconv>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/study/json_fields.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace {

static_assert(std::endian::native == std::endian::little, "the arrays of a study are little-endian");

constexpr std::int64_t kMaxArray = 100'000'000;

Json toJson(const ArrayRef& array) {
    return {{"offset", array.offset}, {"count", array.count}, {"crc", hex(array.crc, 8)}};
}

bool parseHex32(std::string_view text, std::uint32_t& value) {
    for (const char c : text)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return text.size() == 8 && error == std::errc() && end == text.data() + text.size();
}

Result<ArrayRef> arrayFromJson(const Json& json, const std::string& where) {
    ArrayRef array;
    std::string crc;
    JsonFields fields(json, where);
    fields.integer("offset", array.offset, 0);
    fields.integer("count", array.count, 0, kMaxArray);
    fields.text("crc", crc);
    CREST_CHECK(fields.finish());
    if (!parseHex32(crc, array.crc))
        return fail(ErrorKind::Malformed, "\"crc\" must be 8 hex digits", where);
    return array;
}

/// One list of an outcome's arrays serves writing and reading.
template<class Refs, class Each> void eachArray(Refs& refs, Each each) {
    each("nats", refs.nats), each("request_tokens", refs.tokens), each("greedy", refs.greedy);
    each("requests", refs.requests), each("documents", refs.documents), each("gold", refs.gold);
    each("text_lengths", refs.textLengths), each("texts", refs.texts);
}

Json toJson(const ResultRow& row, const OutcomeRefs& refs) {
    Json metrics = Json::array();
    for (std::size_t m = 0; m < row.outcome.metrics.size(); ++m) {
        const data::MetricValue& metric = row.outcome.metrics[m];
        metrics.push_back({{"metric", metric.metric},
                           {"unit", metric.unit},
                           {"value", numberToJson(metric.value)},
                           {"stderr", numberToJson(metric.stderr_)},
                           {"values", toJson(refs.metrics[m].values)},
                           {"weights", toJson(refs.metrics[m].weights)}});
    }
    Json json = {{"metrics", metrics}};
    eachArray(refs, [&](const char* name, const ArrayRef& array) { json[name] = toJson(array); });
    return json;
}

struct ParsedMetric {
    data::MetricValue value;
    OutcomeRefs::Metric refs;
};

Result<ParsedMetric> metricFromJson(const Json& json, const std::string& where) {
    ParsedMetric metric;
    JsonFields fields(json, where);
    fields.text("metric", metric.value.metric);
    fields.text("unit", metric.value.unit);
    fields.number("value", metric.value.value);
    fields.number("stderr", metric.value.stderr_);
    fields.object("values", metric.refs.values, arrayFromJson);
    fields.object("weights", metric.refs.weights, arrayFromJson);
    CREST_CHECK(fields.finish());
    return metric;
}

Result<void> readOutcome(const Json& json, const std::string& where, JournalLine& line) {
    OutcomeRefs refs;
    std::vector<ParsedMetric> metrics;
    JsonFields fields(json, where);
    fields.objects("metrics", metrics, metricFromJson);
    eachArray(refs, [&](const char* name, ArrayRef& array) { fields.object(name, array, arrayFromJson); });
    CREST_CHECK(fields.finish());
    for (ParsedMetric& metric : metrics) {
        refs.metrics.push_back(metric.refs);
        line.row.outcome.metrics.push_back(std::move(metric.value));
    }
    line.row.outcome.scoredTokens = line.row.scoredTokens;
    line.row.outcome.cause = line.row.cause;
    line.outcome = std::move(refs);
    return {};
}

void addChange(Json& line, const ResultRow& row, const ChangeRefs& refs) {
    if (row.change)
        line["change"] = {{"distance", numberToJson(row.change->distance)},
                          {"start", numberToJson(row.change->start)},
                          {"tensors", toJson(refs.tensors)},
                          {"distances", toJson(refs.distances)},
                          {"starts", toJson(refs.starts)}};
}

Result<void> readChange(const Json& json, const std::string& where, JournalLine& line) {
    WeightChange change;
    ChangeRefs refs;
    JsonFields fields(json, where);
    fields.number("distance", change.distance);
    fields.number("start", change.start);
    fields.object("tensors", refs.tensors, arrayFromJson);
    fields.object("distances", refs.distances, arrayFromJson);
    fields.object("starts", refs.starts, arrayFromJson);
    CREST_CHECK(fields.finish());
    if (refs.distances.count != refs.starts.count)
        return fail(ErrorKind::Malformed, "the norms of this result's tensors differ in number", where);
    line.row.change = std::move(change);
    line.change = refs;
    return {};
}

Result<JournalLine> parseHeader(const Json& json, const std::string& where) {
    CREST_TRY(format, requireInt(json, "format", where, 1, INT64_MAX));
    if (format > kJournalFormat)
        return fail(ErrorKind::Unsupported,
                    fmt::format("this journal has format {}, this Crest reads up to {}: use a newer Crest", format,
                                kJournalFormat),
                    where);
    JournalLine line;
    line.type = JournalLine::Type::Header;
    CREST_TRY(runner, requireString(json, "runner", where));
    line.runner = std::move(runner);
    return line;
}

} // namespace

std::string formatLine(const Json& payload) {
    const std::string text = canonicalJson(payload);
    return hex(crc32c(text), 8) + " " + text + "\n";
}

Result<Json> parseLine(std::string_view line, const std::string& where) {
    std::uint32_t expected = 0;
    if (line.size() < 10 || line[8] != ' ' || !parseHex32(line.substr(0, 8), expected))
        return fail(ErrorKind::Malformed, "the line does not begin with a checksum", where);
    const std::string_view text = line.substr(9);
    if (crc32c(text) != expected)
        return fail(ErrorKind::Malformed, "the line's checksum does not match its content", where);
    return parseJson(text, where, {kMaxLineBytes, 8});
}

Result<JournalLine> parseJournalLine(std::string_view text, const std::string& where) {
    CREST_TRY(json, parseLine(text, where));
    CREST_TRY(type, requireString(json, "type", where));
    if (type == "journal")
        return parseHeader(json, where);
    if (type != "result")
        return fail(ErrorKind::Malformed, fmt::format("unknown type of line \"{}\"", type.substr(0, 40)), where);
    JournalLine line;
    JsonFields fields(json, where);
    fields.text("type", type);
    fields.integer("seq", line.sequence, 0);
    fields.object("result", line.row, rowFromJson);
    Result<void> change;
    if (fields.has("change"))
        fields.any("change", [&](const Json& value) { change = readChange(value, where + ": change", line); });
    if (fields.has("outcome")) {
        Result<void> outcome;
        fields.any("outcome", [&](const Json& value) { outcome = readOutcome(value, where + ": outcome", line); });
        CREST_CHECK(fields.finish());
        CREST_CHECK(outcome);
        CREST_CHECK(change);
        return line;
    }
    fields.object("nats", line.nats, arrayFromJson);
    fields.object("tokens", line.tokens, arrayFromJson);
    CREST_CHECK(fields.finish());
    CREST_CHECK(change);
    if (line.nats.count != line.tokens.count)
        return fail(ErrorKind::Malformed, "the result's two arrays differ in length", where);
    return line;
}

std::string formatHeaderLine(const std::string& runner) {
    return formatLine({{"type", "journal"},
                       {"seq", 0},
                       {"format", kJournalFormat},
                       {"runner", runner},
                       {"created_at", utcNow()},
                       {"producer", std::string("crest ") + version()}});
}

std::string formatResultLine(std::int64_t sequence, const ResultRow& row, const ArrayRef& nats,
                             const ArrayRef& tokens, const ChangeRefs& change) {
    Json line = {{"type", "result"},
                 {"seq", sequence},
                 {"result", toJson(row)},
                 {"nats", toJson(nats)},
                 {"tokens", toJson(tokens)}};
    addChange(line, row, change);
    return formatLine(line);
}

std::string formatResultLine(std::int64_t sequence, const ResultRow& row, const OutcomeRefs& outcome,
                             const ChangeRefs& change) {
    Json line = {{"type", "result"}, {"seq", sequence}, {"result", toJson(row)}, {"outcome", toJson(row, outcome)}};
    addChange(line, row, change);
    return formatLine(line);
}

} // namespace crest::study
