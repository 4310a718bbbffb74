// SPDX-License-Identifier: Apache-2.0
// What a session does with one batch: what of it is still wanted, computing it, storing it, closing it.
#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "core/base/units.h"
#include "core/run/result_row.h"
#include "core/run/run_session.h"

namespace crest::run {
namespace {

constexpr auto kAskAgainAfter = std::chrono::milliseconds(300); ///< for what runners of other runs compute

std::string phaseOf(const study::Plan& plan, int cell) {
    const study::Cell& it = plan.cells[cell];
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[it.checkpoint];
    const std::string what =
        it.isBase() ? "base" : study::strengthText(study::probeKind(plan.probe.kind), it.strength);
    return what + ", " +
           (checkpoint.tokens ? formatTokens(static_cast<double>(*checkpoint.tokens)) + " tokens" : checkpoint.name);
}

Result<void> stillUsable(const BatchRunner& batchRunner) {
    if (const auto why = batchRunner.unusable())
        return fail(*why);
    return {};
}

} // namespace

int RunSession::nextCheckpoint(int batch) {
    const std::scoped_lock lock(m_mutex);
    const auto isOpen = [&](int b) { return m_batches[b] == BatchState::Open; };
    const auto next = std::find_if(std::ranges::find(m_order, batch), m_order.end(), isOpen); // itself it is taken
    return m_plan.cells[m_plan.batches[next == m_order.end() ? batch : *next].front()].checkpoint;
}

/// What is not stored yet of a batch, and in nobody's work: claimed where others could take it.
Result<RunSession::Wanted> RunSession::wantedOf(int batch) {
    Wanted wanted;
    const auto choose = [&](const std::unordered_set<std::string>& inWork) -> Result<std::vector<std::string>> {
        const std::scoped_lock lock(m_runner.readerMutex);
        CREST_CHECK(m_runner.reader.poll());
        return chooseKeys(batch, inWork, wanted);
    };
    if (m_runner.options.shards > 1) { // one job has this batch, whatever its file system knows of locks
        CREST_CHECK(choose({}));
        return wanted;
    }
    CREST_CHECK(waitForRoom([&]() -> Result<void> {
        CREST_TRY(lease, m_runner.keys.claim(choose));
        wanted.lease = std::move(lease);
        return {};
    }));
    return wanted;
}

/// Under readerMutex. Cells found stored are said to be.
std::vector<std::string> RunSession::chooseKeys(int batch, const std::unordered_set<std::string>& inWork,
                                                Wanted& wanted) {
    wanted.request = {&m_plan, m_plan.cells[m_plan.batches[batch].front()].checkpoint, {}};
    wanted.elsewhere = false;
    std::vector<int> found;
    std::vector<std::string> keys;
    const std::scoped_lock lock(m_mutex);
    for (const int cell : m_plan.batches[batch]) {
        BatchRequest::Wanted missing{cell, {}};
        bool stored = true;
        for (int task = 0; task < static_cast<int>(m_plan.tasks.size()); ++task) {
            const std::string& key = m_plan.cells[cell].keys[task];
            if (m_runner.reader.has(key))
                m_stored[cell][task] = 1;
            if (m_stored[cell][task])
                continue;
            stored = false;
            if (inWork.contains(key))
                wanted.elsewhere = true;
            else if (!m_failed.contains(cell))
                missing.tasks.push_back(task);
        }
        if (stored)
            found.push_back(cell);
        for (const int task : missing.tasks)
            keys.push_back(m_plan.cells[cell].keys[task]);
        if (!missing.tasks.empty())
            wanted.request.wanted.push_back(std::move(missing));
    }
    noteCells(std::move(found), false);
    return keys;
}

/// Runs what is wanted. An error fails the batch; one that could not be stored goes to `storeError` and ends the run.
Result<void> RunSession::compute(BatchRunner& batchRunner, const BatchRequest& request,
                                 std::optional<Error>& storeError) {
    Result<void> done;
    std::int64_t reported = 0, unfinished = 0;
    std::map<int, std::size_t> missing; // tasks, by cell
    for (const BatchRequest::Wanted& cell : request.wanted)
        missing[cell.cell] = cell.tasks.size();
    const auto finishCell = [&] { m_unfinishedTokens -= std::exchange(unfinished, 0); };
    const JobContext job(m_stop.get_token(), [&](const Progress& progress) {
        if (progress.what == kFoundSteps) // the batch's one training
            leaveOut(request.wanted.front().cell, static_cast<double>(progress.done) / static_cast<double>(progress.total));
        if (progress.what != "tokens")
            return;
        const std::int64_t more = progress.done - std::exchange(reported, progress.done);
        unfinished += more;
        m_unfinishedTokens += more;
        m_tokens += more;
    });
    try {
        done = batchRunner.run(request, job, [&](Measurement measurement) -> Result<void> {
            const int cell = measurement.cell;
            auto taken = take(request, std::move(measurement));
            if (taken && --missing[cell] == 0)
                finishCell();
            if (!taken && taken.error().kind != ErrorKind::Internal)
                storeError = taken.error();
            return taken;
        });
    } catch (const std::exception& error) { // one batch, not the run
        done = fail(ErrorKind::Internal, std::string("The computation ended unexpectedly: ") + error.what());
    }
    finishCell(); // of what failed, too
    if (const auto flushed = m_sink->flush(); !flushed && !storeError)
        storeError = flushed.error();
    return done;
}

Result<void> RunSession::workOn(BatchRunner& batchRunner, int batch) {
    CREST_TRY(wanted, wantedOf(batch));
    Result<void> done;
    if (!wanted.request.wanted.empty()) {
        if (const int next = nextCheckpoint(batch); next != wanted.request.checkpoint)
            batchRunner.prefetch(m_plan, next);
        std::optional<Error> storeError;
        done = compute(batchRunner, wanted.request, storeError);
        if (storeError)
            return fail(*storeError);
    }
    closeBatch(batch, wanted, done, {});
    return stillUsable(batchRunner);
}

/// A batch at which runners died: one cell after the other, each said to be begun, so that a further death is held
/// against one cell. Cells that were the end of too many runners are failed instead, and the others go on.
Result<void> RunSession::workAlone(BatchRunner& batchRunner, int batch) {
    CREST_TRY(wanted, wantedOf(batch));
    const BatchRequest& request = wanted.request;
    std::map<int, std::string> fatal;
    Result<void> done;
    for (const BatchRequest::Wanted& cell : request.wanted) {
        const std::vector<Death> deaths = m_claims.deathsAt(batch, cell.cell);
        if (isEnough(deaths)) {
            fatal[cell.cell] = describe(deaths);
            continue;
        }
        // Not a cell but what all of them need: the weights, say.
        if (fatal.size() >= 3 && request.wanted.size() == m_plan.batches[batch].size()) {
            fatal[cell.cell] = fatal.begin()->second;
            continue;
        }
        waitWhilePaused();
        CREST_CHECK(waitForRoom([&] { return m_claims.beginCell(batch, cell.cell); }));
        BatchRequest one = request;
        one.wanted = {cell};
        std::optional<Error> storeError;
        done = compute(batchRunner, one, storeError);
        if (storeError)
            return fail(*storeError);
        if (!done)
            break;
    }
    closeBatch(batch, wanted, done, fatal);
    return stillUsable(batchRunner);
}

Result<void> RunSession::take(const BatchRequest& request, Measurement measurement) {
    const auto wanted = std::ranges::find(request.wanted, measurement.cell, &BatchRequest::Wanted::cell);
    if (wanted == request.wanted.end() || std::ranges::find(wanted->tasks, measurement.task) == wanted->tasks.end())
        return fail(ErrorKind::Internal, "The runner measured a cell that it was not asked for.");
    {
        const std::scoped_lock lock(m_mutex);
        m_status.phase = phaseOf(m_plan, measurement.cell);
        if (!measurement.note.empty())
            m_log.add({study::RunEvent::Type::Note, {}, measurement.note, ""});
    }
    const int cell = measurement.cell, task = measurement.task;
    CREST_CHECK(
        m_sink->put({cell, task, makeRow(m_plan, std::move(measurement), m_runner.options.device, m_runner.threads)}));
    waitWhilePaused();
    return {};
}

/// `fatal`: cells that are failed for a reason of their own.
void RunSession::closeBatch(int batch, const Wanted& wanted, const Result<void>& result,
                            const std::map<int, std::string>& fatal) {
    const std::scoped_lock lock(m_mutex);
    const bool isStopped = !result && result.error().kind == ErrorKind::Stopped;
    std::map<std::string, std::vector<int>> missing; // by reason
    for (const BatchRequest::Wanted& asked : wanted.request.wanted) {
        const int cell = asked.cell;
        if (isStopped || std::ranges::all_of(asked.tasks, [&](int task) { return m_stored[cell][task] != 0; }))
            continue;
        const auto own = fatal.find(cell);
        missing[own != fatal.end() ? own->second
                : result           ? "The runner gave no result for this cell."
                                   : result.error().text()]
            .push_back(cell);
    }
    for (const auto& [why, cells] : missing) {
        m_failed.insert(cells.begin(), cells.end());
        m_outcome.failedCells += static_cast<std::int64_t>(cells.size());
        m_log.add({study::RunEvent::Type::Failed, cells, why, ""});
    }
    if (isStopped || wanted.elsewhere) {
        m_claims.release(batch);
        m_batches[batch] = isStopped ? BatchState::Closed : BatchState::Elsewhere;
        m_askAgain[batch] = std::chrono::steady_clock::now() + kAskAgainAfter;
        return;
    }
    m_batches[batch] = BatchState::Closed;
    if (std::ranges::any_of(m_plan.batches[batch], [&](int cell) { return m_failed.contains(cell); }))
        m_claims.markFailed(batch);
    else
        m_claims.markDone(batch);
}

/// Writer thread: these results are on the disk.
void RunSession::onStored(const std::vector<PendingResult>& results) {
    std::vector<std::string> keys;
    std::vector<int> complete;
    {
        const std::scoped_lock lock(m_mutex);
        for (const PendingResult& result : results) {
            keys.push_back(result.row.key);
            m_stored[result.cell][result.task] = 1;
            if (std::ranges::count(m_stored[result.cell], 0) == 0)
                complete.push_back(result.cell);
        }
        noteCells(complete, true);
    }
    if (m_runner.options.onStored)
        m_runner.options.onStored(keys);
}

/// Under m_mutex. Each cell counts once.
void RunSession::noteCells(std::vector<int> cells, bool fresh) {
    std::erase_if(cells, [&](int cell) { return m_noted[cell] != 0; });
    if (cells.empty())
        return;
    for (const int cell : cells) {
        m_noted[cell] = 1;
        m_outcome.failedCells -= static_cast<std::int64_t>(m_failed.erase(cell)); // another run had better luck
    }
    (fresh ? m_outcome.freshCells : m_outcome.storedCells) += static_cast<std::int64_t>(cells.size());
    m_status.freshCells = m_outcome.freshCells;
    for (const int cell : cells)
        m_status.freshTokens += fresh ? m_tokensOf[cell] : 0;
    m_log.add({study::RunEvent::Type::Cells, cells, "", ""});
    m_job.report(m_outcome.freshCells + m_outcome.storedCells + m_plan.cachedCellCount(), m_plan.cellCount(), "cells");
}

} // namespace crest::run
