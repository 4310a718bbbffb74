// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_rows.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/data/byte_stream.h"
#include "core/data/data_folder.h"
#include "core/data/py_text.h"
#include "core/data/row_decoder.h"

namespace crest::data {
namespace {

constexpr std::int64_t kRowsTried = 100;
/// The text before each border is tokenised by itself, so that many turns in a long text cost their product.
constexpr std::size_t kMostBorderBytes = 200'000'000;

/// In plain text an example is a paragraph, as a document is elsewhere.
RowOptions optionsFor(const DataFile& file) {
    std::string name = pyLower(file.member.empty() ? file.path.string() : file.member);
    if (name.ends_with(".gz"))
        name.resize(name.size() - 3);
    for (const char* end : {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"})
        if (name.ends_with(end))
            return {};
    return {RowFormat::Paragraphs, {}};
}

/// What is learned of a row: a tail that is not learned teaches nothing and goes.
std::vector<TuningSegment> lessonOf(std::vector<TuningSegment> segments, bool learnAll) {
    if (learnAll)
        for (TuningSegment& segment : segments)
            segment.learned = true;
    while (!segments.empty() && !segments.back().learned)
        segments.pop_back();
    const auto teaches = [](const TuningSegment& segment) { return segment.learned && !segment.isEnd; };
    if (std::ranges::none_of(segments, teaches))
        segments.clear();
    return segments;
}

bool costsTooMuch(const std::vector<TuningSegment>& segments) {
    std::size_t bytes = 0;
    for (const TuningSegment& segment : segments)
        bytes += segment.text.size();
    return segments.size() > 2 && bytes > kMostBorderBytes / segments.size();
}

class Reader {
public:
    Reader(const TuningTemplate& form, const ChatStyle* style, const TuningRowOptions& options,
           const TuningRowVisitor& visit, const JobContext& job)
        : m_form(form)
        , m_style(style)
        , m_options(options)
        , m_visit(visit)
        , m_job(job) {}

    Result<void> read(const DataFile& file) {
        return readRows(
            file, optionsFor(file),
            [&](std::int64_t number, Result<Json> row) { return take(file, number, std::move(row)); }, m_job);
    }
    bool enough() const { return m_options.limit > 0 && m_counts.rows >= m_options.limit; }

    Result<TuningRowCounts> finish(const std::string& where) {
        if (m_counts.rows == 0)
            return fail(ErrorKind::Malformed, "there is no row in it", where);
        const double share = static_cast<double>(m_counts.badRows) / static_cast<double>(m_counts.rows);
        const bool hopeless = areHopeless(m_counts.badRows, m_counts.rows); // and not read to its end
        if (share > m_options.maxBadShare || hopeless || m_counts.badRows == m_counts.rows)
            return fail(ErrorKind::Malformed,
                        fmt::format("{} of {} rows cannot be used as \"{}\" ({}); at most {} % may be left out{}",
                                    m_counts.badRows, m_counts.rows, m_form.name(), m_counts.badExamples.front(),
                                    formatNumber(100 * m_options.maxBadShare), m_badHint),
                        where);
        if (m_index == 0)
            return fail(ErrorKind::Malformed,
                        fmt::format("in none of the {} rows is anything to be learned: there is no answer in them, or "
                                    "it is blank",
                                    m_counts.rows),
                        where);
        return std::move(m_counts);
    }

private:
    const TuningTemplate& m_form;
    const ChatStyle* m_style;
    const TuningRowOptions& m_options;
    const TuningRowVisitor& m_visit;
    const JobContext& m_job;
    TuningRowCounts m_counts;
    std::int64_t m_index = 0;
    std::string m_badHint; ///< a sentence: what the first row that cannot be used is not

    std::string hint(const Json& row) const {
        if (std::ranges::any_of(m_form.needs(), [&](const std::string& need) { return !row.contains(need); }))
            return fmt::format(". That row has the fields {}; \"{}\" needs {}", fieldsOf(row), m_form.name(),
                               fmt::join(m_form.needs(), ", "));
        const auto when = m_form.definition().find("when");
        if (when == m_form.definition().end() || m_form.fits(row))
            return "";
        return fmt::format(". Rows of \"{}\" are those with {}", m_form.name(), when->get<std::string>());
    }

    void tell(const DataFile& file, std::int64_t number, const std::string& leftOut = {},
              const std::vector<TuningSegment>& segments = {}) const {
        if (m_options.look)
            m_options.look({file.path.filename().string(), number, leftOut, segments});
    }

    void addBad(const DataFile& file, std::int64_t number, const std::string& reason) {
        tell(file, number, reason);
        ++m_counts.badRows;
        if (m_counts.badExamples.size() < kBadRowsShown)
            m_counts.badExamples.push_back(
                fmt::format("{}, row {}: {}", file.path.filename().string(), number, reason));
    }

    Result<bool> take(const DataFile& file, std::int64_t number, Result<Json> row) {
        if (enough())
            return false;
        if (m_counts.rows % kRowsPerReport == 0) {
            if (m_job.stopRequested())
                return stopped();
            m_job.report(m_counts.rows, 0, "rows read");
        }
        ++m_counts.rows;
        bool outOfTurn = false;
        auto segments = row ? m_form.segments(*row, m_style, &outOfTurn) : Result<std::vector<TuningSegment>>(fail(row.error()));
        if (!segments) {
            if (row && m_counts.badRows == 0)
                m_badHint = hint(*row);
            addBad(file, number, segments.error().message);
            return !areHopeless(m_counts.badRows, m_counts.rows);
        }
        const auto whole = m_options.look ? *segments : std::vector<TuningSegment>();
        auto lesson = lessonOf(std::move(*segments), m_options.learnAll);
        if (lesson.empty()) {
            tell(file, number, "there is no answer in it, or a blank one", whole);
            ++m_counts.blankRows;
            return true;
        }
        if (costsTooMuch(lesson)) {
            addBad(file, number, "a dialogue of so many turns is too long; cut it into several");
            return true;
        }
        m_counts.outOfTurnRows += outOfTurn;
        tell(file, number);
        CREST_CHECK(m_visit(m_index++, std::move(lesson)));
        return true;
    }
};

} // namespace

Result<std::vector<DataFile>> tuningFiles(const std::filesystem::path& path) {
    std::error_code problem;
    const bool isFolder = std::filesystem::is_directory(path, problem);
    if (!isFolder && !std::filesystem::exists(path, problem))
        return fail(ErrorKind::NotFound, "there is no such file or folder", path.string());
    const bool isArchive = !isFolder && isArchiveName(path.filename().string());
    if (!isFolder && !isArchive)
        return std::vector<DataFile>{{path, ""}};
    CREST_TRY(folder, DataFolder::open(path));
    const std::string inside = isArchive ? path.filename().string() + "!" : "";
    for (const char* part : {"train*", "train/*", "*"})
        for (const char* ending : {".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".tsv",
                                   ".tsv.gz", ".txt", ".txt.gz"}) {
            CREST_TRY(files, folder.find(fmt::format("{}{}{}", inside, part, ending)));
            if (!files.empty())
                return files;
        }
    return fail(ErrorKind::NotFound,
                "there is no data file in it: none whose name ends with .parquet, .jsonl, .json, .csv, .tsv or .txt, or with .gz behind one of "
                "the last five",
                path.string());
}

Result<TuningRowCounts> readTuningRows(const std::vector<DataFile>& files, const TuningTemplate& form,
                                       const ChatStyle* style, const TuningRowOptions& options,
                                       const TuningRowVisitor& visit, const JobContext& job) {
    Reader reader(form, style, options, visit, job);
    for (const DataFile& file : files) {
        CREST_CHECK(reader.read(file));
        if (reader.enough())
            break;
    }
    return reader.finish(files.empty() ? "" : files.front().name());
}

Result<Json> firstTuningRow(const std::vector<DataFile>& files, const JobContext& job) {
    std::optional<Json> found;
    std::optional<Error> problem;
    std::int64_t tried = 0;
    for (const DataFile& file : files) {
        CREST_CHECK(readRows(
            file, optionsFor(file),
            [&](std::int64_t number, Result<Json> row) -> Result<bool> {
                if (row)
                    found = std::move(*row);
                else if (!problem)
                    problem =
                        Error{row.error().kind, fmt::format("row {}: {}", number, row.error().message), file.name()};
                return !found && ++tried < kRowsTried;
            },
            job));
        if (found)
            return std::move(*found);
    }
    if (problem)
        return fail(*problem);
    return fail(ErrorKind::Malformed, "there is no row in it", files.empty() ? "" : files.front().name());
}

} // namespace crest::data
