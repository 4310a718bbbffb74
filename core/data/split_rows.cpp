// SPDX-License-Identifier: Apache-2.0
#include "core/data/split_rows.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/units.h"
#include "core/data/py_text.h"
#include "core/data/row_decoder.h"
#include "core/io/byte_source.h"

namespace crest::data {
namespace {

constexpr std::size_t kMostLabels = 10'000'000;
constexpr std::size_t kHashBlock = 1'000'000;

/// "<name>/test-*.parquet" for one part of a task.
std::string forPart(std::string pattern, const Json& part) {
    for (const auto& [key, value] : part.items())
        pattern = pyReplace(pattern, "<" + key + ">", value.get_ref<const std::string&>());
    return pattern;
}

Result<std::string> fileHash(const std::filesystem::path& file) {
    CREST_TRY(source, io::openByteSource(file));
    Sha256 hash;
    for (std::uint64_t at = 0; at < source->size(); at += kHashBlock) {
        CREST_TRY(block, source->text(at, std::min<std::uint64_t>(kHashBlock, source->size() - at)));
        hash.update(block);
    }
    return hash.finishHex();
}

} // namespace

void RowCounts::addBad(const std::string& where, std::int64_t number, const std::string& reason) {
    ++bad;
    if (badExamples.size() < kBadRowsShown)
        badExamples.push_back(fmt::format("{}, row {}: {}", where, number, reason));
}

void SplitRows::remember(const std::string& split, const std::filesystem::path& file) {
    const std::pair<std::string, std::filesystem::path> entry{split, file};
    if (std::ranges::find(m_used, entry) == m_used.end())
        m_used.push_back(entry);
}

Result<SplitRows::Found> SplitRows::locate(const std::string& split, const Json& part) {
    std::vector<std::string> wanted;
    for (const DataSource& source : m_task.data.at(split)) {
        const std::string pattern = forPart(source.pattern, part);
        CREST_TRY(files, m_folder.find(pattern));
        wanted.push_back(pattern);
        if (files.empty())
            continue;
        Found found{&source, std::move(files), {}};
        for (const DataFile& file : found.files)
            remember(split, file.path);
        if (source.labels.empty())
            return found;
        const auto labelled = readLabels(source, part, found);
        if (labelled)
            return found;
        if (labelled.error().kind != ErrorKind::NotFound)
            return fail(labelled.error());
        wanted.back() += " (is there, but not the file of its answers, " + forPart(source.labels, part) + ")";
    }
    return fail(
        ErrorKind::NotFound,
        fmt::format("The rows \"{}\" of {} are not there. Crest downloads nothing; it looks below the data folder for "
                    "one of: {}",
                    split, m_task.name, fmt::join(wanted, ", ")),
        m_folder.path().string());
}

Result<void> SplitRows::readLabels(const DataSource& source, const Json& part, Found& found) {
    const std::string pattern = forPart(source.labels, part);
    CREST_TRY(files, m_folder.find(pattern));
    if (files.size() != 1)
        return fail(ErrorKind::NotFound,
                    fmt::format("the answers to {} are in a file of their own, {}, which is not there",
                                found.files.front().name(), pattern),
                    m_folder.path().string());
    remember(source.labels, files.front().path);
    return readRows(
        files.front(), {RowFormat::Lines, {}},
        [&](std::int64_t, Result<Json> row) -> Result<bool> {
            CREST_TRY(line, std::move(row));
            if (found.labels.size() >= kMostLabels)
                return fail(ErrorKind::OutOfRange, "too many lines", files.front().name());
            found.labels.emplace_back(pyStrip(line["text"].get_ref<const std::string&>()));
            return true;
        },
        m_job);
}

Result<Json> SplitRows::prepared(Result<Json> row, const Found& found, std::int64_t index, const Json& part) const {
    CREST_TRY(object, std::move(row));
    if (!found.source->labels.empty()) {
        if (index >= static_cast<std::int64_t>(found.labels.size()))
            return fail(ErrorKind::NotFound, fmt::format("the file of answers has only {} lines", found.labels.size()));
        object[found.source->labelField] = found.labels[static_cast<std::size_t>(index)];
    }
    if (!part.empty())
        object["part"] = part;
    std::map<std::string, Json> made;
    for (const auto& [name, field] : m_task.fields) {
        auto value = field.value(object);
        if (!value)
            return fail(value.error().kind, fmt::format("field \"{}\": {}", name, value.error().message));
        made[name] = std::move(*value);
    }
    for (auto& [name, value] : made)
        object[name] = std::move(value);
    return object;
}

Result<void> SplitRows::each(const std::string& split, const Json& part, std::int64_t limit, RowCounts& counts,
                             const Visitor& visit, std::int64_t* all) {
    CREST_TRY(found, locate(split, part));
    std::int64_t index = 0;
    bool more = true;
    for (const DataFile& file : found.files) {
        const auto take = [&](std::int64_t number, Result<Json> row) -> Result<bool> {
            if (limit > 0 && index >= limit) {
                ++index;
                return more = all != nullptr;
            }
            if (counts.rows % kRowsPerReport == 0) {
                if (m_job.stopRequested())
                    return stopped();
                m_job.report(counts.rows, 0, "rows read");
            }
            ++counts.rows;
            auto object = prepared(std::move(row), found, index++, part);
            auto went = object ? visit(std::move(*object)) : Result<bool>(fail(object.error()));
            if (went)
                return more = *went;
            if (went.error().kind == ErrorKind::Stopped)
                return fail(went.error());
            counts.addBad(file.name(), number, went.error().message);
            if (areHopeless(counts.bad, counts.rows))
                return fail(checkShare(counts, 0, file.name()).error());
            return true;
        };
        CREST_CHECK(readRows(file, found.source->rows, take, m_job));
        if (!more)
            break;
    }
    if (all != nullptr)
        *all = index;
    return {};
}

Result<void> SplitRows::checkShare(const RowCounts& counts, double maxBadShare, const std::string& where) {
    if (counts.rows == 0)
        return fail(ErrorKind::Malformed, "there is no row in its files", where);
    const double share = static_cast<double>(counts.bad) / static_cast<double>(counts.rows);
    if (share <= maxBadShare)
        return {};
    return fail(ErrorKind::Malformed,
                fmt::format("{} of {} rows cannot be used ({}); at most {} % may be left out", counts.bad, counts.rows,
                            counts.badExamples.front(), formatNumber(100 * maxBadShare)),
                where);
}

Result<std::string> SplitRows::dataHash() const {
    std::map<std::filesystem::path, std::string> hashes;
    Sha256 all;
    all.update("crest data 1\n");
    for (const auto& [split, file] : m_used) {
        if (m_job.stopRequested())
            return stopped();
        if (!hashes.contains(file)) {
            CREST_TRY(hash, fileHash(file));
            hashes[file] = std::move(hash);
        }
        all.update(fmt::format("{} {}\n", split, hashes[file]));
    }
    return all.finishHex();
}

} // namespace crest::data
