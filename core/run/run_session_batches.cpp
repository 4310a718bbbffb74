// SPDX-License-Identifier: Apache-2.0
// What a session does with one batch: what of it is still wanted, computing it, storing it, closing it.
#include <algorithm>
#include <exception>

#include "core/base/units.h"
#include "core/run/result_row.h"
#include "core/run/run_session.h"

namespace crest::run {
namespace {

std::string phaseOf(const study::Plan& plan, int cell) {
    const study::Cell& it = plan.cells[cell];
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[it.checkpoint];
    const std::string what = it.isBase() ? "base" : "gamma " + formatNumber(it.strength);
    return what + ", " +
           (checkpoint.tokens ? formatTokens(static_cast<double>(*checkpoint.tokens)) + " tokens" : checkpoint.name);
}

} // namespace

int RunSession::nextCheckpoint(int batch) {
    const std::scoped_lock lock(m_mutex);
    const int current = m_plan.cells[m_plan.batches[batch].front()].checkpoint;
    for (std::size_t b = static_cast<std::size_t>(batch) + 1; b < m_batches.size(); ++b)
        if (m_batches[b] == BatchState::Open)
            return m_plan.cells[m_plan.batches[b].front()].checkpoint;
    return current;
}

/// What is not stored yet of a batch, by this or any other runner. Cells found stored are said to be.
Result<BatchRequest> RunSession::wantedOf(int batch) {
    BatchRequest request;
    request.plan = &m_plan;
    request.checkpoint = m_plan.cells[m_plan.batches[batch].front()].checkpoint;
    std::vector<int> found;
    const std::scoped_lock lock(m_runner.readerMutex);
    CREST_CHECK(m_runner.reader.poll());
    const std::scoped_lock own(m_mutex);
    for (const int cell : m_plan.batches[batch]) {
        BatchRequest::Wanted wanted{cell, {}};
        for (int task = 0; task < static_cast<int>(m_plan.tasks.size()); ++task) {
            if (m_runner.reader.has(m_plan.cells[cell].keys[task]))
                m_stored[cell][task] = 1;
            if (!m_stored[cell][task])
                wanted.tasks.push_back(task);
        }
        if (wanted.tasks.empty())
            found.push_back(cell);
        else
            request.wanted.push_back(std::move(wanted));
    }
    noteCells(found, false);
    return request;
}

/// Runs what is wanted. An error fails the batch; one that could not be stored goes to `storeError` and ends the run.
Result<void> RunSession::compute(BatchRunner& batchRunner, const BatchRequest& request,
                                 std::optional<Error>& storeError) {
    Result<void> done;
    std::int64_t reported = 0;
    const JobContext job(m_stop.get_token(), [&](const Progress& progress) {
        if (progress.what == "tokens") {
            m_tokens += progress.done - reported;
            reported = progress.done;
        }
    });
    try {
        done = batchRunner.run(request, job, [&](Measurement measurement) -> Result<void> {
            auto taken = take(request, std::move(measurement));
            if (!taken && taken.error().kind != ErrorKind::Internal)
                storeError = taken.error();
            return taken;
        });
    } catch (const std::exception& error) { // one batch, not the run
        done = fail(ErrorKind::Internal, std::string("The computation ended unexpectedly: ") + error.what());
    }
    if (const auto flushed = m_sink->flush(); !flushed && !storeError)
        storeError = flushed.error();
    return done;
}

Result<void> RunSession::workOn(BatchRunner& batchRunner, int batch) {
    CREST_TRY(request, wantedOf(batch));
    Result<void> done;
    if (!request.wanted.empty()) {
        if (const int next = nextCheckpoint(batch); next != request.checkpoint)
            batchRunner.prefetch(m_plan, next);
        std::optional<Error> storeError;
        done = compute(batchRunner, request, storeError);
        if (storeError)
            return fail(*storeError);
    }
    closeBatch(batch, request, done, {});
    return {};
}

/// A batch at which runners died: one cell after the other, each said to be begun, so that a further death is held
/// against one cell. Cells that were the end of too many runners are failed instead, and the others go on.
Result<void> RunSession::workAlone(BatchRunner& batchRunner, int batch) {
    CREST_TRY(request, wantedOf(batch));
    std::map<int, std::string> fatal;
    Result<void> done;
    for (const BatchRequest::Wanted& wanted : request.wanted) {
        const std::vector<Death> deaths = m_claims.deathsAt(batch, wanted.cell);
        if (isEnough(deaths)) {
            fatal[wanted.cell] = describe(deaths);
            continue;
        }
        // Not a cell but what all of them need: the weights, say.
        if (fatal.size() >= 3 && request.wanted.size() == m_plan.batches[batch].size()) {
            fatal[wanted.cell] = fatal.begin()->second;
            continue;
        }
        waitWhilePaused();
        CREST_CHECK(waitForRoom([&] { return m_claims.beginCell(batch, wanted.cell); }));
        BatchRequest one = request;
        one.wanted = {wanted};
        std::optional<Error> storeError;
        done = compute(batchRunner, one, storeError);
        if (storeError)
            return fail(*storeError);
        if (!done)
            break;
    }
    closeBatch(batch, request, done, fatal);
    return {};
}

Result<void> RunSession::take(const BatchRequest& request, Measurement measurement) {
    const auto wanted = std::ranges::find(request.wanted, measurement.cell, &BatchRequest::Wanted::cell);
    if (wanted == request.wanted.end() || std::ranges::find(wanted->tasks, measurement.task) == wanted->tasks.end())
        return fail(ErrorKind::Internal, "The runner measured a cell that it was not asked for.");
    {
        const std::scoped_lock lock(m_mutex);
        m_status.phase = phaseOf(m_plan, measurement.cell);
    }
    const int cell = measurement.cell, task = measurement.task;
    CREST_CHECK(
        m_sink->put({cell, task, makeRow(m_plan, std::move(measurement), m_runner.options.device, m_runner.threads)}));
    waitWhilePaused();
    return {};
}

/// `fatal`: cells that are failed for a reason of their own.
void RunSession::closeBatch(int batch, const BatchRequest& request, const Result<void>& result,
                            const std::map<int, std::string>& fatal) {
    const std::scoped_lock lock(m_mutex);
    std::map<std::string, std::vector<int>> missing; // by reason
    std::int64_t count = 0;
    for (const auto& wanted : request.wanted) {
        if (std::ranges::count(m_stored[wanted.cell], 0) == 0)
            continue;
        const auto own = fatal.find(wanted.cell);
        missing[own != fatal.end() ? own->second
                : result           ? "The runner gave no result for this cell."
                                   : result.error().text()]
            .push_back(wanted.cell);
        ++count;
    }
    m_batches[batch] = BatchState::Closed;
    if (missing.empty()) {
        m_claims.markDone(batch);
    } else if (!result && result.error().kind == ErrorKind::Stopped) {
        m_claims.release(batch);
    } else {
        m_claims.markFailed(batch);
        m_outcome.failedCells += count;
        for (const auto& [why, cells] : missing)
            m_log.add({study::RunEvent::Type::Failed, cells, why, ""});
    }
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

/// Under m_mutex.
void RunSession::noteCells(const std::vector<int>& cells, bool fresh) {
    if (cells.empty())
        return;
    (fresh ? m_outcome.freshCells : m_outcome.storedCells) += static_cast<std::int64_t>(cells.size());
    m_status.freshCells = m_outcome.freshCells;
    m_log.add({study::RunEvent::Type::Cells, cells, "", ""});
    m_job.report(m_outcome.freshCells + m_outcome.storedCells + m_plan.cachedCellCount(), m_plan.cellCount(), "cells");
}

} // namespace crest::run
