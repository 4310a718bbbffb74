// SPDX-License-Identifier: Apache-2.0
// Overlays from CSV.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "core/analysis/overlay_rows.h"
#include "core/analysis/statistics.h"
#include "core/base/ascii.h"

namespace crest::analysis {
namespace {

enum CsvColumn {
    TaskColumn,
    ValueColumn,
    TokensColumn,
    CheckpointColumn,
    CurveColumn,
    MetricColumn,
    UnitColumn,
    LowColumn,
    HighColumn,
    StdErrorColumn,
    CountColumn,
    ColumnsInAll
};

struct ColumnName {
    std::string_view name;
    CsvColumn column;
};
constexpr ColumnName kNames[] = {
    {"task", TaskColumn},           {"eval dataset", TaskColumn}, {"eval_dataset", TaskColumn}, {"dataset", TaskColumn},
    {"value", ValueColumn},         {"performance", ValueColumn}, {"score", ValueColumn},       {"tokens", TokensColumn},
    {"checkpoint", CheckpointColumn}, {"model_id", CheckpointColumn}, {"model", CheckpointColumn}, {"curve", CurveColumn},
    {"metric", MetricColumn},       {"unit", UnitColumn},         {"low", LowColumn},           {"high", HighColumn},
    {"stderr", StdErrorColumn},     {"std", StdErrorColumn},      {"n", CountColumn}};

constexpr std::size_t kLongestField = 10'000, kMostColumns = 1'000;

std::string trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos)
        return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

/// Reads records one by one; a quoted field may hold separators and line ends.
class CsvReader {
public:
    CsvReader(std::string_view text, char separator)
        : m_rest(text)
        , m_separator(separator) {}

    /// False at the end. `problem` is set where the record cannot be cut into fields; the next one is tried all the
    /// same.
    bool next(std::vector<std::string>& fields, std::string& problem) {
        fields.clear();
        problem.clear();
        while (m_rest.starts_with('\n') || m_rest.starts_with("\r\n")) { // an empty line
            m_rest.remove_prefix(m_rest.front() == '\n' ? 1 : 2);
            ++m_next;
        }
        if (m_rest.empty())
            return false;
        m_line = m_next;
        while (field(fields, problem)) {
        }
        return true;
    }
    std::int64_t line() const { return m_line; }

private:
    /// True where a further field of the record follows.
    bool field(std::vector<std::string>& fields, std::string& problem) {
        std::string out; // no more of it than a field may have
        const auto keep = [&](char c) {
            if (out.size() <= kLongestField)
                out += c;
        };
        bool quoted = false, more = false, ended = false, blank = true;
        std::size_t i = 0;
        for (; i < m_rest.size() && !ended; ++i) {
            const char c = m_rest[i];
            if (quoted) {
                if (c == '"' && i + 1 < m_rest.size() && m_rest[i + 1] == '"')
                    keep(m_rest[++i]);
                else if (c == '"')
                    quoted = false;
                else
                    keep(c);
                m_next += c == '\n';
            } else if (c == '"' && blank) {
                quoted = true;
                blank = false;
                out.clear();
            } else if (c == m_separator || c == '\n') {
                more = c == m_separator;
                m_next += c == '\n';
                ended = true;
            } else {
                keep(c);
                blank = blank && (c == ' ' || c == '\t');
            }
        }
        if (quoted)
            problem = "a quote is opened and not closed";
        if (out.size() > kLongestField)
            problem = fmt::format("a field is longer than {} bytes", kLongestField);
        if (fields.size() < kMostColumns)
            fields.push_back(problem.empty() ? trimmed(out) : std::string());
        else if (problem.empty())
            problem = fmt::format("more than {} columns", kMostColumns);
        m_rest.remove_prefix(i);
        return more;
    }

    std::string_view m_rest;
    char m_separator;
    std::int64_t m_line = 1, m_next = 1;
};

/// Which of the three stands most often in the line of titles.
char separatorOf(std::string_view titles) {
    char best = ',';
    std::ptrdiff_t most = 0;
    for (const char candidate : {',', ';', '\t'})
        if (const auto count = std::ranges::count(titles, candidate); count > most) {
            most = count;
            best = candidate;
        }
    return best;
}

/// Where each column stands; -1 where it does not.
using Places = std::array<int, ColumnsInAll>;

Result<Places> readTitles(const std::vector<std::string>& titles, const std::string& where) {
    Places places;
    places.fill(-1);
    for (std::size_t i = 0; i < titles.size(); ++i)
        for (const ColumnName& known : kNames)
            if (lowerCase(titles[i]) == known.name) {
                if (places[known.column] >= 0)
                    return fail(ErrorKind::Malformed,
                                fmt::format("two columns say the same: \"{}\" and \"{}\"",
                                            titles[static_cast<std::size_t>(places[known.column])], titles[i]),
                                where);
                places[known.column] = static_cast<int>(i);
            }
    for (const auto& [column, name] : {std::pair{TaskColumn, "task"}, std::pair{ValueColumn, "value"}})
        if (places[column] < 0)
            return fail(ErrorKind::Malformed,
                        fmt::format("there is no column \"{}\"; the first line must name the columns task, value, and "
                                    "tokens or checkpoint",
                                    name),
                        where);
    if (places[TokensColumn] < 0 && places[CheckpointColumn] < 0)
        return fail(ErrorKind::Malformed,
                    "there is neither a column \"tokens\" nor a column \"checkpoint\": where on the axis the points lie "
                    "is not known",
                    where);
    return places;
}

/// One record as a row of an overlay, or a sentence.
class RowReader {
public:
    RowReader(const Places& places, std::string fallbackCurve)
        : m_places(places)
        , m_fallback(std::move(fallbackCurve)) {}

    Result<detail::OverlayRow> read(const std::vector<std::string>& fields) {
        m_fields = &fields;
        m_problem.clear();
        detail::OverlayRow row;
        row.task = text(TaskColumn);
        row.metric = text(MetricColumn);
        row.unit = text(UnitColumn);
        row.label = text(CurveColumn).empty() ? m_fallback : text(CurveColumn);
        if (row.task.empty())
            return bad("the task is missing");
        row.point.tokens = tokens();
        const std::optional<double> value = number(ValueColumn), error = number(StdErrorColumn);
        row.point.low = number(LowColumn);
        row.point.high = number(HighColumn);
        const std::optional<double> n = number(CountColumn);
        if (!m_problem.empty())
            return bad(m_problem);
        if (!value)
            return bad("the value is missing");
        row.point.value = *value;
        if (error && !row.point.low && !row.point.high) {
            if (*error < 0)
                return bad("the standard error is below 0");
            row.point.low = *value - kNormal975 * *error;
            row.point.high = *value + kNormal975 * *error;
        }
        if (row.point.low.has_value() != row.point.high.has_value())
            return bad("of low and high one is missing");
        if (row.point.low && (*row.point.low > *row.point.high))
            return bad("low lies above high");
        if (n && (*n < 0 || *n > 1e12 || *n != std::floor(*n)))
            return bad("n must be a whole number");
        row.point.n = n ? static_cast<std::int64_t>(*n) : 0;
        toShares(row);
        return row;
    }

private:
    static tl::unexpected<Error> bad(const std::string& why) { return fail(ErrorKind::Malformed, why); }
    const std::string& text(CsvColumn column) const {
        static const std::string kNone;
        const int at = m_places[column];
        return at < 0 || static_cast<std::size_t>(at) >= m_fields->size() ? kNone
                                                                          : (*m_fields)[static_cast<std::size_t>(at)];
    }
    std::optional<double> number(CsvColumn column) {
        const std::string& written = text(column);
        if (written.empty())
            return std::nullopt;
        std::string_view digits = written;
        if (digits.starts_with('+'))
            digits.remove_prefix(1);
        double value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) {
            m_problem = fmt::format("\"{}\" is no finite number{}", written.substr(0, 60),
                                    written.find(',') != std::string::npos ? "; write it with a decimal point" : "");
            return std::nullopt;
        }
        return value;
    }
    double tokens() {
        if (const std::string& written = text(TokensColumn); !written.empty()) {
            if (const auto read = tokensFromText(written))
                return *read;
            m_problem = fmt::format("\"{}\" is no number of tokens (4194304000, 4.2B, 1.5T)", written.substr(0, 60));
        } else if (const std::string& name = text(CheckpointColumn); !name.empty()) {
            const std::filesystem::path path(name);
            if (const auto read = detail::tokensOfName(path.parent_path().string(), path.filename().string()))
                return *read;
            m_problem = fmt::format("the checkpoint's name \"{}\" does not tell its tokens", name.substr(0, 60));
        } else {
            m_problem = "the tokens are missing";
        }
        return 0;
    }
    static void toShares(detail::OverlayRow& row) {
        if (row.unit != "%" && row.unit != "percent")
            return;
        row.unit = "accuracy";
        row.point.value /= 100;
        for (auto* edge : {&row.point.low, &row.point.high})
            if (*edge)
                **edge /= 100;
    }

    const Places& m_places;
    std::string m_fallback, m_problem;
    const std::vector<std::string>* m_fields = nullptr;
};

/// "# source: ..." into the overlay.
void readComment(std::string_view line, study::Overlay& overlay) {
    line.remove_prefix(1);
    const std::string text = trimmed(line);
    for (const auto& [key, target] : {std::pair{"name:", &overlay.name}, std::pair{"source:", &overlay.source}})
        if (text.starts_with(key))
            *target = trimmed(text.substr(std::string_view(key).size())).substr(0, 1000);
}

} // namespace

Result<OverlayImport> overlayFromCsv(const OverlayFile& file) {
    std::string_view rest = file.content;
    if (rest.starts_with("\xEF\xBB\xBF"))
        rest.remove_prefix(3);
    if (rest.size() > detail::kLongestOverlayFile)
        return fail(ErrorKind::OutOfRange, "The file is too large for points of a figure: at most 16 MB are read.", file.name);
    if (rest.find('\0') != std::string_view::npos)
        return fail(ErrorKind::Malformed, "This is no text: it holds bytes of value 0.", file.name);
    study::Overlay about;
    std::int64_t head = 0; // lines before the titles
    while (!rest.empty() && (rest.front() == '#' || rest.front() == '\n' || rest.front() == '\r')) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        if (rest.front() == '#')
            readComment(rest.substr(0, end), about);
        rest.remove_prefix(std::min(rest.size(), end + 1));
        ++head;
    }
    CsvReader reader(rest, separatorOf(rest.substr(0, rest.find('\n'))));
    std::vector<std::string> fields;
    std::string problem;
    if (!reader.next(fields, problem) || !problem.empty())
        return fail(ErrorKind::Malformed, problem.empty() ? "The file is empty." : problem, file.name);
    CREST_TRY(places, readTitles(fields, file.name));
    const std::string stem = std::filesystem::path(file.name).stem().string();
    RowReader rows(places, about.name.empty() ? stem : about.name);
    detail::OverlayBuilder builder;
    while (!builder.full() && reader.next(fields, problem)) {
        if (problem.empty() && (fields.size() == 1 && fields.front().empty()))
            continue;
        if (!fields.empty() && fields.front().starts_with('#'))
            continue;
        const std::string where = fmt::format("{}, line {}", file.name, head + reader.line());
        auto row = problem.empty() ? rows.read(fields) : Result<detail::OverlayRow>(fail(ErrorKind::Malformed, problem));
        if (row)
            builder.add(std::move(*row), where);
        else
            builder.leaveOut(where, row.error().message);
    }
    OverlayImport import = builder.finish();
    if (import.overlay.curves.empty())
        return fail(ErrorKind::Malformed,
                    "No row can be used" + (import.problems.empty() ? "." : ": " + import.problems.front()), file.name);
    import.overlay.name = about.name.empty() ? stem : about.name;
    import.overlay.source = about.source;
    return import;
}

} // namespace crest::analysis
