// SPDX-License-Identifier: Apache-2.0
#include "core/study/runs.h"

#include <algorithm>
#include <random>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCommands[] = {"run", "pause", "stop", "stop_now"};

constexpr int kDateDigits = 8, kStampDigits = kDateDigits + 9; ///< of an id: its date, and with its time to the ms

/// The first digits of an id or a time as one number.
std::int64_t stampOf(std::string_view text) {
    std::int64_t stamp = 0;
    int count = 0;
    for (const char c : text)
        if (c >= '0' && c <= '9' && count < kStampDigits) {
            stamp = 10 * stamp + (c - '0');
            ++count;
        }
    return stamp;
}

/// "20261122-175300125-noise-1a2b": by the clock, or where that was set back (or stands) by what is there, so that ids
/// sort by age.
std::string newRunId(const StudyFolder& folder, const Plan& plan) {
    std::int64_t stamp = stampOf(utcNow());
    for (const std::string& id : listRuns(folder))
        stamp = std::max(stamp, stampOf(id) + 1);
    const std::string digits = std::to_string(stamp);
    const std::string kind = plan.probe.kind.substr(plan.probe.kind.rfind('-') + 1);
    return digits.substr(0, kDateDigits) + "-" + digits.substr(kDateDigits) + "-" + kind + "-" +
           hex(std::random_device{}() & 0xffff, 4);
}

} // namespace

const char* runStateName(RunState state) {
    constexpr const char* kNames[] = {"queued",  "running", "paused", "stopping",
                                      "stopped", "done",    "failed", "interrupted"};
    return kNames[static_cast<int>(state)];
}

const char* runCommandName(RunCommand command) {
    return kCommands[static_cast<int>(command)];
}

Result<std::string> queueRun(const StudyFolder& folder, Plan plan) {
    if (!folder.writable())
        return fail(ErrorKind::Io,
                    "This study folder cannot be written, so nothing can be run in it; save the study elsewhere first.",
                    folder.path().string());
    plan.id = newRunId(folder, plan);
    // Made under another name and renamed when whole: runners never see half a run.
    const fs::path making = folder.runsFolder() / (".new-" + plan.id);
    const auto make = [&]() -> Result<void> {
        std::error_code error;
        fs::create_directories(making / "claims", error);
        if (error)
            return fail(io::systemError(error.value(), "create", making));
        CREST_CHECK(io::writeFileAtomic(making / "run.json", canonicalJson(toJson(plan)) + "\n"));
        fs::rename(making, folder.runFolder(plan.id), error);
        if (error)
            return fail(io::systemError(error.value(), "rename", making));
        return io::syncFolder(folder.runsFolder());
    };
    if (auto made = make(); !made) {
        std::error_code ignored;
        fs::remove_all(making, ignored);
        return fail(made.error());
    }
    return plan.id;
}

Result<Plan> readPlan(const StudyFolder& folder, const std::string& runId) {
    const fs::path file = folder.runFolder(runId) / "run.json";
    CREST_TRY(text, io::readTextFile(file));
    JsonLimits limits;
    limits.maxBytes = 1'000'000'000; // written by Crest: a million cells are some 200 MB
    CREST_TRY(json, parseJson(text, file.string(), limits));
    return planFromJson(json, file.string());
}

std::vector<std::string> listRuns(const StudyFolder& folder) {
    std::vector<std::string> ids;
    std::error_code error;
    for (fs::directory_iterator entry(folder.runsFolder(), error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        std::error_code ignored;
        if (!name.starts_with('.') && fs::exists(entry->path() / "run.json", ignored))
            ids.push_back(name);
    }
    std::ranges::sort(ids);
    return ids;
}

Result<bool> anyRunnerLives(const StudyFolder& folder) {
    bool lives = false;
    std::error_code error;
    fs::directory_iterator entry(folder.runnersFolder(), error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        if (entry->path().extension() != ".lock")
            continue;
        const auto held = io::FileLock::isHeld(entry->path());
        if (!held)
            return fail(held.error().kind,
                        held.error().message + " So nobody can tell whether its runner, another user's perhaps, is still "
                                               "at work in this study; once it has ended, the file can be removed.",
                        held.error().where);
        lives = lives || *held;
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(io::systemError(error.value(), "read", folder.runnersFolder()));
    return lives;
}

Result<void> controlRun(const StudyFolder& folder, const std::string& runId, RunCommand command) {
    const fs::path file = folder.runFolder(runId) / "control.json";
    return io::writeFileAtomic(file, canonicalJson({{"format", 1}, {"command", runCommandName(command)}}) + "\n");
}

RunCommand readControl(const StudyFolder& folder, const std::string& runId) {
    const fs::path file = folder.runFolder(runId) / "control.json";
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return RunCommand::Run;
    const auto text = io::readTextFile(file, 10'000);
    const auto json = text ? parseJson(*text, file.string()) : Result<Json>(Json());
    if (json && json->is_object() && json->contains("command"))
        for (int i = 0; i < 4; ++i)
            if ((*json)["command"] == kCommands[i])
                return static_cast<RunCommand>(i);
    // Something asked for control and cannot be understood: the careful answer keeps what is finished and computes no
    // more.
    return RunCommand::Pause;
}

} // namespace crest::study
