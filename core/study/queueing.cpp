// SPDX-License-Identifier: Apache-2.0
#include "core/study/queueing.h"

#include <algorithm>
#include <chrono>

#include "core/io/files.h"
#include "core/study/runs.h"

namespace crest::study {
namespace {

constexpr auto kLockWait = std::chrono::seconds(10);

using IsStored = std::function<bool(const std::string&)>;

bool allStored(const Plan& plan, const IsStored& stored) {
    return std::ranges::all_of(plan.cells, [&](const Cell& cell) { return std::ranges::all_of(cell.keys, stored); });
}

/// An older Crest may have planned the same and named its results otherwise.
bool nameAlike(const Plan& a, const Plan& b) {
    return std::ranges::equal(a.cells, b.cells, {}, &Cell::keys, &Cell::keys);
}

std::string sameRun(const StudyFolder& folder, const Plan& plan, const IsStored& stored) {
    const std::vector<std::string> ids = listRuns(folder);
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
        const auto other = readPlan(folder, *id);
        if (!other || other->probe != plan.probe || other->tasks != plan.tasks ||
            other->checkpoints != plan.checkpoints || !nameAlike(*other, plan))
            continue;
        const auto status = RunFollower(folder, *id).poll();
        if (status && (status->state != RunState::Done || allStored(*other, stored)))
            return *id;
    }
    return {};
}

/// Under runs/.lock.
Result<std::string> queueLocked(const StudyFolder& folder, const Plan& plan, const IsStored& stored) {
    if (std::string id = sameRun(folder, plan, stored); !id.empty())
        return id;
    return queueRun(folder, plan);
}

} // namespace

Result<std::string> queueOnce(const StudyFolder& folder, const Plan& plan, ResultReader& reader) {
    if (!folder.writable())
        return queueRun(folder, plan); // says so
    CREST_TRY(lock, io::FileLock::waitFor(folder.runsFolder() / ".lock", kLockWait));
    CREST_CHECK(reader.poll());
    return queueLocked(folder, plan, [&](const std::string& key) { return reader.has(key); });
}

Result<std::string> queueOnce(const StudyFolder& folder, const Plan& plan, const IsStored& stored) {
    if (!folder.writable())
        return queueRun(folder, plan); // says so
    CREST_TRY(lock, io::FileLock::waitFor(folder.runsFolder() / ".lock", kLockWait));
    return queueLocked(folder, plan, stored);
}

} // namespace crest::study
