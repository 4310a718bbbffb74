// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/study/kept_weights.h"
#include "core/study/line_tail.h"
#include "core/study/planner.h"
#include "core/study/run_log.h"
#include "core/study/runs.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr double kSilentSeconds = 30; ///< a living runner that says nothing for so long is reported
constexpr double kLeastSeconds = 0.5; ///< of a run that tells how fast others will be
constexpr const char* kEventsSuffix = ".events.jsonl";

double unixSeconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace

struct RunFollower::State {
    struct Writer {
        LinePosition at;
        WriterStatus status;
        bool hasStatus = false, ended = false, alive = false;
        std::string endText, startedAt, endedAt; ///< times as the events have them; they sort as texts
    };

    StudyFolder folder;
    std::string id;
    bool planRead = false;
    std::int64_t total = 0, cached = 0;
    std::vector<char> done;            ///< by cell
    std::map<int, std::string> failed; ///< by cell
    std::vector<std::string> notes;
    std::map<std::string, Writer> writers;
    std::string device;
    std::vector<double> tokensOf; ///< by cell, what it takes; empty before a runner was seen at work

    Result<void> readPlanOnce();
    void findWriters();
    void readEvents(const std::string& name, Writer& writer);
    void apply(const RunEvent& event, Writer& writer);
    void addNote(const std::string& text);
    void readStatus(const std::string& name, Writer& writer);
    RunState stateOf(const RunStatus& status) const;
    std::string lastWord() const;
    Result<void> planTokensOnce();
    double tokensLeft() const;
    void addRates(RunStatus& status) const;
};

Result<void> RunFollower::State::readPlanOnce() {
    if (planRead)
        return {};
    CREST_TRY(plan, readPlan(folder, id));
    total = plan.cellCount();
    device = plan.device;
    done.assign(plan.cells.size(), 0);
    for (std::size_t i = 0; i < plan.cells.size(); ++i)
        if (plan.cells[i].isCached())
            done[i] = 1, ++cached;
    planRead = true;
    return {};
}

void RunFollower::State::findWriters() {
    std::error_code error;
    for (fs::directory_iterator entry(folder.runFolder(id), error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(kEventsSuffix))
            writers.try_emplace(name.substr(0, name.size() - std::string_view(kEventsSuffix).size()));
    }
}

void RunFollower::State::readEvents(const std::string& name, Writer& writer) {
    const fs::path file = folder.runFolder(id) / (name + kEventsSuffix);
    const ReadDescriptor events(file);
    if (events.get() < 0)
        return;
    readNewLines(events, writer.at, [&](std::string_view line) {
        // A bad line says nothing: the cells it named are seen as stored when the run is taken up again.
        if (const auto event = parseEvent(line, file.string()))
            apply(*event, writer);
    });
}

void RunFollower::State::apply(const RunEvent& event, Writer& writer) {
    for (const int cell : event.cells) {
        if (cell >= static_cast<int>(done.size()))
            continue;
        if (event.type == RunEvent::Type::Cells) {
            done[cell] = 1;
            failed.erase(cell);
        } else if (event.type == RunEvent::Type::Failed && !done[cell]) {
            failed[cell] = event.text;
        }
    }
    if (event.type == RunEvent::Type::Note)
        addNote(event.text);
    if (event.type == RunEvent::Type::Started) {
        writer.ended = false;
        writer.startedAt = event.at;
    }
    if (event.type == RunEvent::Type::Ended) {
        writer.ended = true;
        writer.endText = event.text;
        writer.endedAt = event.at;
    }
}

void RunFollower::State::addNote(const std::string& text) {
    if (notes.size() > kMostNotes || std::ranges::find(notes, text) != notes.end())
        return;
    notes.push_back(notes.size() < kMostNotes ? text : "There are more notes, in the files *.events.jsonl of the run's folder.");
}

/// What the writer that ended last said of its end; nothing where another began after that and is gone without a word.
std::string RunFollower::State::lastWord() const {
    const Writer* last = nullptr;
    for (const auto& [name, writer] : writers)
        if (writer.ended && (!last || writer.endedAt >= last->endedAt))
            last = &writer;
    const bool outdated = last && std::ranges::any_of(writers, [&](const auto& other) {
                              return !other.second.ended && other.second.startedAt > last->endedAt;
                          });
    return last && !outdated ? last->endText : std::string();
}

void RunFollower::State::readStatus(const std::string& name, Writer& writer) {
    const fs::path file = folder.runFolder(id) / (name + ".status");
    const ReadDescriptor status(file);
    std::string content(kStatusBytes, '\0');
    if (status.get() < 0 || status.readAt(content.data(), content.size(), 0) != static_cast<std::int64_t>(kStatusBytes))
        return;
    if (auto parsed = parseStatus(content, file.string())) { // torn between two writes: the last one stays
        writer.status = std::move(*parsed);
        writer.hasStatus = true;
    }
}

RunState RunFollower::State::stateOf(const RunStatus& status) const {
    const RunCommand command = readControl(folder, id);
    const bool stopping = command == RunCommand::Stop || command == RunCommand::StopNow;
    bool living = false, allPaused = true;
    for (const auto& [name, writer] : writers)
        if (writer.alive) {
            living = true;
            allPaused = allPaused && writer.status.state == WriterState::Paused;
        }
    if (status.doneCells == total)
        return RunState::Done;
    if (living)
        return stopping ? RunState::Stopping : allPaused ? RunState::Paused : RunState::Running;
    if (status.doneCells + static_cast<std::int64_t>(failed.size()) == total)
        return RunState::Failed;
    if (stopping)
        return RunState::Stopped;
    if (command == RunCommand::Pause)
        return RunState::Paused;
    return writers.empty() ? RunState::Queued : RunState::Interrupted;
}

/// Not for runs that nobody is at: trainings are told apart by hashes, which takes its time.
Result<void> RunFollower::State::planTokensOnce() {
    if (!tokensOf.empty())
        return {};
    CREST_TRY(plan, readPlan(folder, id));
    for (std::size_t i = 0; i < plan.cells.size(); ++i)
        if (done[i])
            plan.cells[i].cached.assign(plan.tasks.size(), 1); // so that a training which it shared is the next one's
    const KeptWeights kept(folder.keptFolder());
    tokensOf = forwardTokensByCell(plan, [&](const std::string& training) { return kept.has(training); });
    return {};
}

/// Of cells that are neither stored nor failed.
double RunFollower::State::tokensLeft() const {
    double tokens = 0;
    for (std::size_t i = 0; i < tokensOf.size(); ++i)
        if (!done[i] && !failed.contains(static_cast<int>(i)))
            tokens += tokensOf[i];
    return tokens;
}

void RunFollower::State::addRates(RunStatus& status) const {
    double rate = 0, begun = 0, livingSeconds = 0, goneSeconds = 0, goneTokens = 0; // tokens as planned
    for (const auto& [name, writer] : writers) {
        const double tokens = writer.status.freshTokens + writer.status.begunTokens;
        if (!writer.alive) {
            goneSeconds += writer.status.activeSeconds;
            goneTokens += tokens;
            continue;
        }
        livingSeconds = std::max(livingSeconds, writer.status.activeSeconds);
        status.tokensPerSecond += writer.status.state == WriterState::Running ? writer.status.tokensPerSecond : 0;
        begun += writer.status.begunTokens;
        if (writer.status.activeSeconds > 0)
            rate += tokens / writer.status.activeSeconds;
        if (status.phase.empty())
            status.phase = writer.status.phase;
        if (status.message.empty())
            status.message = writer.status.message;
        if (const double silent = unixSeconds() - writer.status.beat; writer.hasStatus && silent > kSilentSeconds)
            status.message = fmt::format("The runner has not answered for {:.0f} s.", silent);
    }
    status.secondsElapsed = livingSeconds + goneSeconds;
    if (rate == 0 && goneSeconds > 0) // just taken up again: what the last runner reached
        rate = goneTokens / goneSeconds;
    if (const double left = tokensLeft(); left > 0 && rate > 0)
        status.secondsLeft = std::max(0.0, left - begun) / rate;
}

double measuredRate(const StudyFolder& folder, const std::string& work) {
    std::vector<std::string> ids = listRuns(folder);
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
        double rate = 0;
        std::error_code error;
        for (fs::directory_iterator entry(folder.runFolder(*id), error), end; !error && entry != end;
             entry.increment(error)) {
            if (entry->path().extension() != ".status")
                continue;
            const ReadDescriptor file(entry->path());
            std::string content(kStatusBytes, '\0');
            if (file.readAt(content.data(), content.size(), 0) == static_cast<std::int64_t>(kStatusBytes))
                if (const auto status = parseStatus(content, entry->path().string());
                    status && status->work == work && status->activeSeconds > kLeastSeconds)
                    rate = std::max(rate, (status->freshTokens + status->begunTokens) / status->activeSeconds);
        }
        if (rate > 0)
            return rate;
    }
    return 0;
}

RunFollower::RunFollower(const StudyFolder& folder, std::string runId)
    : m_state(new State{folder, std::move(runId), false, 0, 0, {}, {}, {}, {}, {}, {}}) {}
RunFollower::~RunFollower() = default;
RunFollower::RunFollower(RunFollower&&) noexcept = default;
RunFollower& RunFollower::operator=(RunFollower&&) noexcept = default;

const std::vector<char>& RunFollower::doneCells() const {
    return m_state->done;
}

Result<RunStatus> RunFollower::poll() {
    State& state = *m_state;
    CREST_CHECK(state.readPlanOnce());
    state.findWriters();
    RunStatus status;
    for (auto& [name, writer] : state.writers) {
        // The lock before the files: a runner that ends in between is seen with its last words.
        const bool held = io::FileLock::isHeld(state.folder.runnersFolder() / (name + ".lock")).value_or(true);
        state.readEvents(name, writer);
        state.readStatus(name, writer);
        writer.alive = held && !writer.ended;
        status.writers.push_back(name);
    }
    status.message = state.lastWord();
    status.notes = state.notes;
    status.id = state.id;
    status.device = state.device;
    status.totalCells = state.total;
    status.cachedCells = state.cached;
    status.doneCells = std::ranges::count(state.done, 1);
    for (const auto& [cell, message] : state.failed)
        status.failed.push_back({cell, message});
    status.state = state.stateOf(status);
    if (status.state == RunState::Running || status.state == RunState::Paused || status.state == RunState::Stopping ||
        status.state == RunState::Done)
        status.message.clear();
    if (std::ranges::any_of(state.writers, [](const auto& writer) { return writer.second.alive; }))
        CREST_CHECK(state.planTokensOnce());
    state.addRates(status);
    return status;
}

} // namespace crest::study
