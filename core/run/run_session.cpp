// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_session.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/run/result_row.h"

namespace crest::run {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTick = std::chrono::milliseconds(100); ///< the status is written at most so often
constexpr auto kBeat = std::chrono::seconds(1);        ///< and at least so often; control.json is read then
constexpr auto kAbandonAfter = std::chrono::seconds(2);
constexpr double kRateSeconds = 3; ///< over which the token rate is smoothed

std::string phaseOf(const study::Plan& plan, int cell) {
    const study::Cell& it = plan.cells[cell];
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[it.checkpoint];
    const std::string what = it.isBase() ? "base" : "gamma " + formatNumber(it.strength);
    return what + ", " +
           (checkpoint.tokens ? formatTokens(static_cast<double>(*checkpoint.tokens)) + " tokens" : checkpoint.name);
}

} // namespace

Result<SessionOutcome> RunSession::run(RunnerState& runner, const std::string& runId, const JobContext& job) {
    CREST_TRY(plan, study::readPlan(runner.folder, runId));
    CREST_TRY(log, study::RunLog::create(runner.folder.runFolder(runId), runner.writer));
    {
        const std::scoped_lock lock(runner.readerMutex);
        CREST_CHECK(runner.reader.poll());
    }
    RunSession session(runner, std::move(plan), std::move(log), job);
    session.monitor();
    const SessionOutcome outcome = session.finish();
    if (session.m_error)
        return fail(*session.m_error);
    return outcome;
}

RunSession::RunSession(RunnerState& runner, study::Plan plan, study::RunLog log, const JobContext& job)
    : m_runner(runner)
    , m_plan(std::move(plan))
    , m_job(job)
    , m_claims(runner.folder, m_plan.id, runner.writer, runner.options.shards == 1)
    , m_log(std::move(log))
    , m_batches(m_plan.batches.size(), BatchState::Open)
    , m_working(runner.workers) {
    for (const study::Cell& cell : m_plan.cells)
        m_stored.push_back(cell.cached);
    for (std::size_t b = 0; b < m_batches.size(); ++b)
        if (static_cast<int>(b) % runner.options.shards != runner.options.shard)
            m_batches[b] = BatchState::Closed;
    if (!runner.options.runId.empty())
        m_claims.forgetFailures();
    m_log.add({study::RunEvent::Type::Started,
               {},
               fmt::format("{}, {} workers x {} threads", runner.options.device, runner.workers, runner.threads),
               ""});
    m_log.setStatus(m_status);
    m_sink = std::make_unique<ResultSink>(
        runner.journal,
        ResultSink::Callbacks{[this](const auto& results) { onStored(results); },
                              [this](const std::string& why) {
                                  const std::scoped_lock lock(m_mutex);
                                  m_waiting = why;
                                  m_log.add({study::RunEvent::Type::Message, {}, why.empty() ? "Goes on." : why, ""});
                                  m_changed.notify_all();
                              }});
    for (int worker = 0; worker < runner.workers; ++worker)
        m_workers.emplace_back([this, worker] { work(worker); });
}

SessionOutcome RunSession::finish() {
    m_workers.clear(); // joins
    m_sink.reset();
    const std::scoped_lock lock(m_mutex);
    m_outcome.stopped = m_mode == Mode::Stop;
    m_outcome.othersWorking = std::ranges::count(m_batches, BatchState::Left) > 0;
    m_status.state = study::WriterState::Ended;
    if (m_status.activeSeconds > 0) // over all, for the next plan's cost
        m_status.tokensPerSecond = static_cast<double>(m_tokens.load()) / m_status.activeSeconds;
    m_status.message = m_error ? m_error->text() : m_outcome.stopped ? "Stopped; what was finished is kept." : "";
    m_log.add({study::RunEvent::Type::Ended, {}, m_status.message, ""});
    m_log.setStatus(m_status);
    return m_outcome;
}

/// The session's own thread: status, rate, control, stop.
void RunSession::monitor() {
    auto last = Clock::now(), lastBeat = last - kBeat, stopSince = Clock::time_point::max();
    std::int64_t lastTokens = 0;
    std::unique_lock lock(m_mutex);
    while (m_working > 0) {
        m_changed.wait_for(lock, kTick, [&] { return m_working == 0; });
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - last).count();
        const std::int64_t tokens = m_tokens.load();
        last = now;
        if (m_mode == Mode::Run && m_waiting.empty()) {
            m_status.activeSeconds += seconds;
            const double rate = seconds > 0 ? static_cast<double>(tokens - lastTokens) / seconds : 0;
            const double weight = std::min(1.0, seconds / kRateSeconds);
            m_status.tokensPerSecond =
                m_status.tokensPerSecond == 0 ? rate : (1 - weight) * m_status.tokensPerSecond + weight * rate;
        }
        lastTokens = tokens;
        if (now - lastBeat >= kBeat) {
            lastBeat = now;
            lock.unlock();
            obeyControl();
            lock.lock();
        }
        if (m_job.stopRequested() && m_mode != Mode::Stop) {
            lock.unlock();
            stopNow(false);
            lock.lock();
        }
        if (m_mode == Mode::Stop && stopSince == Clock::time_point::max())
            stopSince = now;
        m_status.state = m_mode == Mode::Stop                          ? study::WriterState::Stopping
                         : m_mode == Mode::Pause || !m_waiting.empty() ? study::WriterState::Paused
                                                                       : study::WriterState::Running;
        m_status.message = m_waiting;
        m_log.setStatus(m_status);
        if (m_working > 0 && m_runner.options.abandon && now > stopSince && now - stopSince > kAbandonAfter &&
            study::readControl(m_runner.folder, m_plan.id) == study::RunCommand::StopNow) {
            lock.unlock();
            (void)m_sink->flush();
            m_runner.options.abandon();
            lock.lock();
        }
    }
}

void RunSession::obeyControl() {
    const study::RunCommand command = study::readControl(m_runner.folder, m_plan.id);
    if (command == study::RunCommand::Stop || command == study::RunCommand::StopNow)
        return stopNow(true);
    const std::scoped_lock lock(m_mutex);
    if (m_mode == Mode::Stop)
        return; // too late to go on: the workers are leaving
    m_mode = command == study::RunCommand::Pause ? Mode::Pause : Mode::Run;
    m_changed.notify_all();
}

void RunSession::stopNow(bool byControl) {
    {
        const std::scoped_lock lock(m_mutex);
        if (m_mode == Mode::Stop)
            return;
        m_mode = Mode::Stop;
        m_log.add({study::RunEvent::Type::Message, {}, byControl ? "Told to stop." : "Told to stop by a signal.", ""});
    }
    m_changed.notify_all();
    m_stop.request_stop();
    m_sink->giveUp();
}

void RunSession::waitWhilePaused() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_mode != Mode::Pause || m_error; });
}

void RunSession::failWith(const Error& error) {
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_error)
            m_error = error;
    }
    m_stop.request_stop();
    m_changed.notify_all();
}

Result<BatchRunner*> RunSession::runnerOf(int worker) {
    auto& runner = m_runner.runners[static_cast<std::size_t>(worker)];
    if (!runner) {
        CREST_TRY(made, m_runner.factory(RunnerOptions{m_runner.options.device, m_runner.threads}));
        runner = std::move(made);
    }
    return runner.get();
}

void RunSession::work(int worker) {
    try {
        for (;;) {
            waitWhilePaused();
            const std::optional<int> batch = nextBatch();
            if (!batch)
                break;
            const auto runner = runnerOf(worker);
            const auto done = runner ? workOn(**runner, *batch) : Result<void>(fail(runner.error()));
            if (!done) {
                m_claims.release(*batch);
                // Told to stop on a full disk: what could not be stored is computed again, and is no failure.
                if (done.error().kind != ErrorKind::NoSpace || !m_stop.stop_requested())
                    failWith(done.error());
                break;
            }
        }
    } catch (const std::exception& error) {
        failWith({ErrorKind::Internal, std::string("A worker ended unexpectedly: ") + error.what(), ""});
    }
    const std::scoped_lock lock(m_mutex);
    --m_working;
    m_changed.notify_all();
}

/// The next batch that this runner may compute; where all that is left is with others, those are asked for once more,
/// since their runners may have died.
std::optional<int> RunSession::nextBatch() {
    for (const BatchState wanted : {BatchState::Open, BatchState::Left}) {
        for (int b = 0; b < static_cast<int>(m_batches.size()); ++b) {
            {
                const std::scoped_lock lock(m_mutex);
                if (ending())
                    return std::nullopt;
                if (m_batches[b] != wanted)
                    continue;
                m_batches[b] = BatchState::Taken;
            }
            const auto claim = claimWithRoom(b);
            if (claim && *claim == ClaimOutcome::Mine)
                return b;
            const std::scoped_lock lock(m_mutex);
            m_batches[b] = claim && *claim == ClaimOutcome::Finished ? BatchState::Closed : BatchState::Left;
            if (!claim && claim.error().kind != ErrorKind::NoSpace && !m_error)
                m_error = claim.error();
        }
    }
    return std::nullopt;
}

/// A claim is a small file: on a full disk it waits for room, too.
Result<ClaimOutcome> RunSession::claimWithRoom(int batch) {
    for (bool waited = false;; waited = true) {
        auto claim = m_claims.claim(batch);
        const bool full = !claim && claim.error().kind == ErrorKind::NoSpace;
        std::unique_lock lock(m_mutex);
        if (full || waited)
            m_waiting = full ? "Paused: " + claim.error().text() : "";
        if (!full || m_changed.wait_for(lock, kBeat, [&] { return ending(); }))
            return claim;
    }
}

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

Result<void> RunSession::workOn(BatchRunner& batchRunner, int batch) {
    CREST_TRY(request, wantedOf(batch));
    Result<void> done;
    if (!request.wanted.empty()) {
        if (const int next = nextCheckpoint(batch); next != request.checkpoint)
            batchRunner.prefetch(m_plan, next);
        std::int64_t reported = 0;
        const JobContext job(m_stop.get_token(), [&](const Progress& progress) {
            if (progress.what == "tokens") {
                m_tokens += progress.done - reported;
                reported = progress.done;
            }
        });
        std::optional<Error> storeError;
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
        const auto flushed = m_sink->flush();
        if (!flushed || storeError)
            return fail(storeError ? *storeError : flushed.error());
    }
    closeBatch(batch, request, done);
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

void RunSession::closeBatch(int batch, const BatchRequest& request, const Result<void>& result) {
    const std::scoped_lock lock(m_mutex);
    std::vector<int> missing;
    for (const auto& wanted : request.wanted)
        if (std::ranges::count(m_stored[wanted.cell], 0) > 0)
            missing.push_back(wanted.cell);
    m_batches[batch] = BatchState::Closed;
    if (missing.empty()) {
        m_claims.markDone(batch);
    } else if (!result && result.error().kind == ErrorKind::Stopped) {
        m_claims.release(batch);
    } else {
        const std::string why = result ? "The runner gave no result for this cell." : result.error().text();
        m_claims.markFailed(batch);
        m_outcome.failedCells += static_cast<std::int64_t>(missing.size());
        m_log.add({study::RunEvent::Type::Failed, missing, why, ""});
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
