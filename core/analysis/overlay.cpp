// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/overlay.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "core/analysis/overlay_rows.h"
#include "core/base/ascii.h"
#include "core/base/hash.h"
#include "core/base/units.h"
#include "core/io/files.h"
#include "core/series/known_series.h"
#include "core/series/series.h"

namespace crest::analysis {
namespace detail {

namespace {
constexpr std::size_t kMostProblems = 20;
} // namespace

void OverlayBuilder::leaveOut(const std::string& where, const std::string& why) {
    ++m_import.leftOut;
    if (m_import.problems.size() < kMostProblems)
        m_import.problems.push_back(where + ": " + why);
    if (m_import.leftOut >= static_cast<std::int64_t>(kMostOverlayPoints) && !std::exchange(m_full, true))
        m_import.problems.push_back(fmt::format("{}: {} rows cannot be used; the rest is not read", where, kMostOverlayPoints));
}

void OverlayBuilder::add(OverlayRow row, const std::string& where) {
    if (m_places.size() >= kMostOverlayPoints) {
        if (!std::exchange(m_full, true))
            leaveOut(where, fmt::format("more than {} points; the rest is left out", kMostOverlayPoints));
        return;
    }
    for (const std::string* name : {&row.label, &row.task, &row.metric, &row.unit})
        if (name->size() > kLongestOverlayName)
            return leaveOut(where, fmt::format("a name of more than {} bytes", kLongestOverlayName));
    const auto key = std::tuple(row.label, row.task, row.metric);
    auto at = m_curves.find(key);
    if (at == m_curves.end()) {
        if (m_curves.size() >= kMostOverlayCurves)
            return leaveOut(where, fmt::format("more than {} curves", kMostOverlayCurves));
        at = m_curves.emplace(key, m_import.overlay.curves.size()).first;
        m_import.overlay.curves.push_back({row.label, row.task, row.metric, row.unit, {}});
    }
    study::OverlayCurve& curve = m_import.overlay.curves[at->second];
    if (curve.unit != row.unit)
        return leaveOut(where, fmt::format("its unit \"{}\" is not that of the curve \"{}\" (\"{}\")", row.unit,
                                           row.label, curve.unit));
    if (!m_places.emplace(std::pair(at->second, row.point.tokens), true).second)
        return leaveOut(where, fmt::format("the curve \"{}\" of {} has a point at {} tokens already", row.label,
                                           row.task, formatTokens(row.point.tokens)));
    curve.points.push_back(row.point);
}

OverlayImport OverlayBuilder::finish() {
    for (study::OverlayCurve& curve : m_import.overlay.curves)
        std::ranges::sort(curve.points, {}, &study::OverlayPoint::tokens);
    return std::move(m_import);
}

std::optional<double> tokensOfName(const std::string& model, const std::string& name) {
    const series::ParsedName parsed = series::parseCheckpointName(name);
    if (parsed.step)
        if (const series::KnownSeries* known =
                series::findKnownSeries(std::filesystem::path(model) / name, name, std::string_view()))
            if (const auto tokens = series::tokensByRule(*known, parsed); tokens && *tokens > 0)
                return tokens;
    if (parsed.tokens && *parsed.tokens > 0)
        return parsed.tokens;
    return std::nullopt;
}

} // namespace detail

std::optional<double> tokensFromText(std::string_view text) {
    double scale = 1;
    if (!text.empty()) {
        constexpr std::string_view kSuffixes = "kKmMbBtT";
        constexpr double kScales[] = {1e3, 1e3, 1e6, 1e6, 1e9, 1e9, 1e12, 1e12};
        if (const std::size_t at = kSuffixes.find(text.back()); at != std::string_view::npos) {
            scale = kScales[at];
            text.remove_suffix(1);
            while (text.ends_with(' '))
                text.remove_suffix(1);
        }
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value * scale) || value <= 0)
        return std::nullopt;
    return value * scale;
}

std::string comparableTaskName(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const char lower = lowerCase(c);
        out += lower == '-' || lower == ' ' ? '_' : lower;
    }
    return out;
}

bool looksLikeJson(std::string_view content) {
    if (content.starts_with("\xEF\xBB\xBF"))
        content.remove_prefix(3);
    const std::size_t first = content.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && content[first] == '{';
}

namespace {

namespace fs = std::filesystem;

/// A folder stands for the result files below it; an iterator that meets a problem ends, what was found counts.
Result<std::vector<fs::path>> expanded(const std::vector<fs::path>& paths) {
    std::vector<fs::path> files;
    for (const fs::path& path : paths) {
        std::error_code error;
        if (!fs::is_directory(path, error)) {
            files.push_back(path);
            continue;
        }
        for (fs::recursive_directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
            const std::string name = at->path().filename().string();
            std::error_code ignored;
            if (name.starts_with("results") && name.ends_with(".json") && at->is_regular_file(ignored))
                files.push_back(at->path());
            if (files.size() > kMostOverlayFiles)
                return fail(ErrorKind::OutOfRange, fmt::format("There are more than {} files.", kMostOverlayFiles),
                            path.string());
        }
    }
    std::ranges::sort(files);
    if (files.empty())
        return fail(ErrorKind::NotFound, "There is no results*.json of lm-evaluation-harness below this folder.",
                    paths.empty() ? std::string() : paths.front().string());
    return files;
}

Result<std::vector<OverlayFile>> readAll(const std::vector<fs::path>& paths, const JobContext& job) {
    std::vector<OverlayFile> files;
    std::size_t bytes = 0;
    for (const fs::path& path : paths) {
        if (job.stopRequested())
            return stopped();
        CREST_TRY(content, io::readTextFile(path, kMostOverlayBytes));
        bytes += content.size();
        if (bytes > kMostOverlayBytes)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("Together the files have more than {}; import fewer at once.",
                                    formatBytes(static_cast<double>(kMostOverlayBytes))),
                        path.string());
        files.push_back({(path.parent_path().filename() / path.filename()).string(), std::move(content)});
    }
    return files;
}

std::string hashOf(const std::vector<OverlayFile>& files) {
    Sha256 hash;
    for (const OverlayFile& file : files)
        hash.update(file.content);
    return hash.finishHex();
}

} // namespace

Result<OverlayImport> readOverlay(const std::vector<fs::path>& paths, const JobContext& job) {
    CREST_TRY(all, expanded(paths));
    CREST_TRY(files, readAll(all, job));
    const auto json = std::ranges::count_if(files, [](const OverlayFile& file) { return looksLikeJson(file.content); });
    if (json != 0 && json != static_cast<std::ptrdiff_t>(files.size()))
        return fail(ErrorKind::Mismatch, "Import CSV and result files of lm-evaluation-harness one after the other.",
                    all.front().string());
    if (json == 0 && files.size() > 1)
        return fail(ErrorKind::Mismatch, "Import one CSV file at a time: each becomes an overlay of its own.",
                    all.front().string());
    if (json == 0)
        files.front().name = all.front().filename().string();
    CREST_TRY(import, json == 0 ? overlayFromCsv(files.front()) : overlayFromHarness(files));
    import.overlay.file = paths.size() == 1 ? paths.front().string() : all.front().parent_path().string();
    import.overlay.sha256 = hashOf(files);
    if (import.overlay.name.empty())
        import.overlay.name = paths.front().stem().string();
    return import;
}

} // namespace crest::analysis
