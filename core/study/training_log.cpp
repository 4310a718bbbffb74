// SPDX-License-Identifier: Apache-2.0
#include "core/study/training_log.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/study/planner.h"

namespace crest::study {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr std::uint64_t kMostBytes = 10'000'000; ///< a hundred times what a log takes
constexpr std::string_view kDiverged = "# diverged";

std::string formatHead(const std::string& about, std::int64_t steps) {
    const Json head = {{"about", about}, {"crest_training", kFormat}, {"steps", steps}};
    return "# " + head.dump(-1, ' ', false, Json::error_handler_t::replace) + "\nstep\ttokens\tloss\trate\tgradient_norm\n";
}

std::string formatStep(const TrainingStep& step) {
    return fmt::format("{}\t{}\t{}\t{}\t{}\n", step.step, step.tokens, step.loss, step.rate, step.gradientNorm);
}

/// Takes the field up to the next tab (of the last one: to the end) off `line`.
template<class Number> bool takeField(std::string_view& line, bool last, Number& out) {
    const std::size_t end = last ? line.size() : line.find('\t');
    if (end == std::string_view::npos || end == 0)
        return false;
    const auto [at, error] = std::from_chars(line.data(), line.data() + end, out);
    if (error != std::errc{} || at != line.data() + end)
        return false;
    line.remove_prefix(last ? end : end + 1);
    return true;
}

std::optional<TrainingStep> parseStep(std::string_view line) {
    TrainingStep step;
    if (takeField(line, false, step.step) && takeField(line, false, step.tokens) && takeField(line, false, step.loss) &&
        takeField(line, false, step.rate) && takeField(line, true, step.gradientNorm) && step.step >= 1 && step.tokens >= 0)
        return step;
    return std::nullopt;
}

Result<void> takeHead(std::string_view text, const fs::path& file, TrainingLog& log) {
    const auto head = parseJson(text, file.string());
    if (!head || !head->is_object())
        return {}; // torn
    const auto format = requireInt(*head, "crest_training", file.string(), 1, INT64_MAX);
    if (format && *format > kFormat)
        return fail(ErrorKind::Unsupported, "this training was logged by a newer Crest; update Crest to see its curve",
                    file.string());
    log.about = requireString(*head, "about", file.string()).value_or("");
    log.steps = requireInt(*head, "steps", file.string(), 1, INT64_MAX).value_or(0);
    return {};
}

Result<void> takeLine(std::string_view line, const fs::path& file, TrainingLog& log) {
    if (line.starts_with("# {"))
        return log.lines.empty() ? takeHead(line.substr(2), file, log) : Result<void>{};
    if (line == kDiverged) {
        log.diverged = !log.lines.empty();
        return {};
    }
    const std::optional<TrainingStep> step = parseStep(line);
    if (step && (log.lines.empty() || step->step > log.lines.back().step)) {
        log.lines.push_back(*step);
        log.diverged = false;
    }
    return {};
}

} // namespace

std::int64_t loggedEvery(std::int64_t steps) {
    return std::max<std::int64_t>(1, (steps + kTrainingLogLines - 1) / kTrainingLogLines);
}

TrainingPlace trainingPlace(const fs::path& folder, const PlannedCheckpoint& checkpoint, const Probe& probe, double strength,
                            std::int64_t seed, int numerics) {
    return {folder / (trainingKey(checkpoint, probe, strength, seed, numerics).substr(0, 16) + ".tsv"),
            fmt::format("{}/{}, learning rate {}, seed {}", checkpoint.series, checkpoint.name, tuningRate(probe, strength), seed)};
}

Result<TrainingLog> readTrainingLog(const fs::path& file) {
    CREST_TRY(text, io::readTextFile(file, kMostBytes));
    TrainingLog log;
    std::string_view rest = text;
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1))
        CREST_CHECK(takeLine(rest.substr(0, end), file, log));
    return log;
}

TrainingLogWriter::TrainingLogWriter(const TrainingPlace& place, std::int64_t steps, std::int64_t done, Say say,
                                     FileCalls calls)
    : m_steps(steps)
    , m_every(loggedEvery(steps))
    , m_say(std::move(say)) {
    if (place.file.empty())
        return;
    std::string text = formatHead(place.about, steps);
    if (const auto before = done > 0 ? readTrainingLog(place.file) : Result<TrainingLog>())
        for (const TrainingStep& step : before->lines)
            if (step.step <= done)
                text += formatStep(step);
    const fs::path fresh = place.file.string() + ".new";
    std::error_code error;
    fs::create_directories(fresh.parent_path(), error); // where it fails, the next call says why
    fs::remove(fresh, error);
    auto file = AppendFile::create(fresh, std::move(calls));
    if (!file) {
        m_say(file.error());
        return;
    }
    m_file = std::move(*file);
    append(text);
    if (m_file)
        fs::rename(fresh, place.file, error);
    else
        fs::remove(fresh, error);
    if (m_file && error) {
        m_file.reset();
        m_say(io::systemError(error.value(), "rename", fresh));
    }
}

void TrainingLogWriter::add(const TrainingStep& step, bool diverged) {
    const bool wanted = step.step == 1 || step.step == m_steps || step.step % m_every == 0 || diverged;
    if (m_file && wanted)
        append(formatStep(step) + (diverged ? std::string(kDiverged) + "\n" : ""));
}

void TrainingLogWriter::append(const std::string& text) {
    if (const auto written = m_file->append(text); !written) {
        m_file.reset();
        m_say(written.error());
    }
}

} // namespace crest::study
