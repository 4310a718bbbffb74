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
        return fail(ErrorKind::Unsupported, fmt::format("unknown type of line \"{}\"", type.substr(0, 40)), where);
    JournalLine line;
    JsonFields fields(json, where);
    fields.text("type", type);
    fields.integer("seq", line.sequence, 0);
    fields.object("result", line.row, rowFromJson);
    fields.object("nats", line.nats, arrayFromJson);
    fields.object("tokens", line.tokens, arrayFromJson);
    CREST_CHECK(fields.finish());
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
                             const ArrayRef& tokens) {
    return formatLine({{"type", "result"},
                       {"seq", sequence},
                       {"result", toJson(row)},
                       {"nats", toJson(nats)},
                       {"tokens", toJson(tokens)}});
}

} // namespace crest::study
