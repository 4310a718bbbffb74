// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_session.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/study/kept_weights.h"
#include "core/study/planner.h"

namespace crest::run {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTick = std::chrono::milliseconds(100); ///< the status is written at most so often
constexpr auto kBeat = std::chrono::seconds(1);        ///< and at least so often; control.json is read then
constexpr auto kAbandonAfter = std::chrono::seconds(2);
constexpr double kRateSeconds = 3; ///< over which the token rate is smoothed

/// Of what is not `stored` (by cell and task): a training is the first cell's that still needs it. Kept weights that are needed go
/// last, should some have to.
std::vector<double> tokensByCell(study::Plan plan, const std::vector<std::vector<char>>& stored, const study::StudyFolder& folder) {
    for (std::size_t cell = 0; cell < stored.size(); ++cell)
        plan.cells[cell].cached = stored[cell];
    const study::KeptWeights kept(folder.keptFolder());
    return study::forwardTokensByCell(plan, [&](const std::string& training) {
        const bool isThere = kept.has(training);
        if (isThere)
            kept.use(training);
        return isThere;
    });
}

/// Batches in the order of work: as planned, but those whose tuned weights are kept come right after the bases, before weights of
/// new trainings take their room.
std::vector<int> orderOf(const study::Plan& plan, const study::StudyFolder& folder) {
    const study::KeptWeights kept(folder.keptFolder());
    std::vector<int> order(plan.batches.size());
    std::iota(order.begin(), order.end(), 0);
    const auto isAnyKept = [&](int batch) {
        const study::Cell& cell = plan.cells[plan.batches[batch].back()];
        const std::string training = study::trainingKey(plan.checkpoints[cell.checkpoint], plan.probe, cell.strength, cell.seed);
        return !training.empty() && kept.has(training);
    };
    if (std::ranges::any_of(order, isAnyKept))
        std::ranges::stable_partition(order, [&](int batch) { return plan.cells[plan.batches[batch].front()].isBase() || isAnyKept(batch); });
    return order;
}

} // namespace

Result<SessionOutcome> RunSession::run(RunnerState& runner, const std::string& runId, study::Plan plan, const JobContext& job) {
    std::int64_t gone = 0;
    CREST_TRY(log, study::withRoom(
                       study::KeptWeights(runner.folder.keptFolder()),
                       [&] { return study::RunLog::create(runner.folder.runFolder(runId), runner.writer); },
                       [&](std::int64_t bytes) { gone += bytes; }));
    if (gone += std::exchange(runner.gone, 0); gone > 0)
        log.add({study::RunEvent::Type::Note, {}, study::goneWeights(gone), ""});
    {
        const std::scoped_lock lock(runner.readerMutex);
        CREST_CHECK(runner.reader.poll());
    }
    study::RunFollower follower(runner.folder, runId);
    CREST_CHECK(follower.poll());
    RunSession session(runner, std::move(plan), std::move(log), follower.doneCells(), job);
    session.monitor();
    const SessionOutcome outcome = session.finish();
    if (session.m_error)
        return fail(*session.m_error);
    return outcome;
}

RunSession::RunSession(RunnerState& runner, study::Plan plan, study::RunLog log, const std::vector<char>& said,
                       const JobContext& job)
    : m_runner(runner)
    , m_plan(std::move(plan))
    , m_job(job)
    , m_claims(runner.folder, m_plan.id, runner.writer, runner.options.shards == 1)
    , m_log(std::move(log))
    , m_batches(m_plan.batches.size(), BatchState::Open)
    , m_askAgain(m_plan.batches.size())
    , m_noted(m_plan.cells.size())
    , m_order(orderOf(m_plan, runner.folder))
    , m_working(runner.workers) {
    for (const study::Cell& cell : m_plan.cells)
        m_stored.push_back(cell.cached);
    for (std::size_t b = 0; b < m_batches.size(); ++b)
        if (static_cast<int>(b) % runner.options.shards != runner.options.shard)
            m_batches[b] = BatchState::Closed;
    if (!runner.options.runId.empty() && runner.options.retryFailed)
        m_claims.forgetFailures();
    m_log.add({study::RunEvent::Type::Started,
               {},
               fmt::format("{}, {} x {}", runner.options.device, counted(runner.workers, "worker"),
                           counted(runner.threads, "thread")),
               ""});
    m_status.work = study::workOf(m_plan, runner.options.device);
    m_log.setStatus(m_status);
    trustWhatIsStored(said);
    m_sink = std::make_unique<ResultSink>(
        runner.journal,
        ResultSink::Callbacks{[this](const auto& results) { onStored(results); },
                              [this](const std::string& why) {
                                  const std::scoped_lock lock(m_mutex);
                                  m_waiting = why;
                                  m_log.add({study::RunEvent::Type::Message, {}, why.empty() ? "Goes on." : why, ""});
                                  m_changed.notify_all();
                              },
                              [this] { return makeRoom(); }});
    for (int worker = 0; worker < runner.workers; ++worker)
        m_workers.emplace_back([this, worker] { work(worker); });
}

/// Results count, marks and events do not: those are not synced, and a power cut may keep any of them without the
/// others.
void RunSession::trustWhatIsStored(const std::vector<char>& said) {
    const std::scoped_lock lock(m_runner.readerMutex);
    const std::scoped_lock own(m_mutex);
    const auto isStored = [&](int cell) {
        for (std::size_t task = 0; task < m_plan.tasks.size(); ++task)
            m_stored[cell][task] = m_stored[cell][task] != 0 || m_runner.reader.has(m_plan.cells[cell].keys[task]);
        return std::ranges::count(m_stored[cell], 0) == 0;
    };
    std::vector<int> unsaid;
    for (int b = 0; b < static_cast<int>(m_batches.size()); ++b) {
        bool whole = true;
        for (const int cell : m_plan.batches[b]) {
            const bool stored = isStored(cell);
            whole = whole && stored;
            if (stored && !said[cell])
                unsaid.push_back(cell);
        }
        if (!whole)
            m_claims.forgetDone(b);
    }
    m_tokensOf = tokensByCell(m_plan, m_stored, m_runner.folder);
    noteCells(unsaid, false);
}

SessionOutcome RunSession::finish() {
    m_workers.clear(); // joins
    m_sink.reset();
    const std::scoped_lock lock(m_mutex);
    m_outcome.stopped = m_mode == Mode::Stop;
    m_outcome.othersWorking = std::ranges::count(m_batches, BatchState::Left) > 0;
    m_status.state = study::WriterState::Ended;
    m_status.begunTokens = 0;
    if (m_status.activeSeconds > 0) // over all
        m_status.tokensPerSecond = static_cast<double>(m_tokens.load()) / m_status.activeSeconds;
    m_status.message = m_error ? m_error->text() : ""; // a stop that was asked for needs no reason
    m_log.add({study::RunEvent::Type::Ended, {}, m_status.message, ""});
    m_log.setStatus(m_status);
    return m_outcome;
}

/// The session's own thread: status, rate, control, stop.
void RunSession::monitor() {
    auto last = Clock::now(), lastBeat = last - kBeat, stopSince = Clock::time_point::max();
    std::int64_t lastTokens = 0;
    double quiet = 0; // seconds without news: a step of minutes is no slower for it
    std::unique_lock lock(m_mutex);
    while (m_working > 0) {
        m_changed.wait_for(lock, kTick, [&] { return m_working == 0; });
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - last).count();
        const std::int64_t tokens = m_tokens.load();
        last = now;
        if (m_mode == Mode::Run && m_waiting.empty()) {
            m_status.activeSeconds += seconds;
            quiet += seconds;
        }
        if (tokens != lastTokens) {
            noteRate(static_cast<double>(tokens - lastTokens), quiet);
            quiet = 0;
        }
        lastTokens = tokens;
        m_status.begunTokens = begunTokens(tokens);
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
        if (m_waiting.empty() && m_inWork == 0 && std::ranges::count(m_batches, BatchState::Elsewhere) > 0)
            m_status.message = "Waits for cells that the runner of another run computes.";
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

/// Under m_mutex. So many tokens were done in so many seconds of work.
void RunSession::noteRate(double tokens, double seconds) {
    if (seconds <= 0)
        return;
    const double weight = m_status.tokensPerSecond > 0 ? std::min(1.0, seconds / kRateSeconds) : 1.0;
    m_status.tokensPerSecond += weight * (tokens / seconds - m_status.tokensPerSecond);
}

/// Under m_mutex. What cells in work have taken of `tokens`, in tokens as planned (by those that are finished: a plan guesses at those of texts).
double RunSession::begunTokens(std::int64_t tokens) const {
    const std::int64_t begun = m_unfinishedTokens.load(), finished = tokens - begun;
    return static_cast<double>(begun) * (finished > 0 ? m_status.freshTokens / static_cast<double>(finished) : 1);
}

/// A share of the cell's training took another runner's time.
void RunSession::leaveOut(int cell, double share) {
    const std::scoped_lock lock(m_mutex);
    m_tokensOf[cell] -= share * static_cast<double>(study::kPassesOfTraining) * static_cast<double>(m_plan.tuningTokens);
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
        CREST_TRY(made, m_runner.factory(RunnerOptions{m_runner.options.device, m_runner.threads,
                                                          m_runner.folder.path() / "artifacts" / "unfinished",
                                                          m_runner.folder.keptFolder(),
                                                          m_runner.folder.trainingsFolder()}));
        runner = std::move(made);
    }
    return runner.get();
}

void RunSession::work(int worker) {
    try {
        for (;;) {
            waitWhilePaused();
            const std::optional<Turn> turn = nextBatch();
            if (!turn)
                break;
            const auto runner = runnerOf(worker);
            const auto done = !runner       ? Result<void>(fail(runner.error()))
                              : turn->alone ? workAlone(**runner, turn->batch)
                                            : workOn(**runner, turn->batch);
            {
                const std::scoped_lock lock(m_mutex);
                --m_inWork;
            }
            if (!done) {
                m_claims.release(turn->batch);
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

/// The next batch that this runner may compute. What other runners of this run have is asked for once more at the end,
/// since they may have died. What runners of other runs are at is waited for: nobody else would say that it is stored.
/// Suspect ones come last, when nothing else is in work here: the last worker takes them.
std::optional<RunSession::Turn> RunSession::nextBatch() {
    do {
        for (const BatchState wanted : {BatchState::Open, BatchState::Left, BatchState::Elsewhere})
            if (const auto turn = takeOne(wanted))
                return turn;
    } while (waitForOtherRuns());
    return takeOne(BatchState::Suspect);
}

std::optional<RunSession::Turn> RunSession::takeOne(BatchState wanted) {
    const bool alone = wanted == BatchState::Suspect;
    std::unique_lock lock(m_mutex);
    for (const int b : m_order) {
        if (ending() || (alone && m_inWork > 0))
            return std::nullopt;
        if (m_batches[b] != wanted || (wanted == BatchState::Elsewhere && m_askAgain[b] > Clock::now()))
            continue;
        m_batches[b] = BatchState::Taken;
        ++m_inWork;
        lock.unlock();
        const BatchState state = claimWithRoom(b, alone);
        if (state == BatchState::Taken)
            return Turn{b, alone};
        lock.lock();
        m_batches[b] = state;
        --m_inWork;
    }
    return std::nullopt;
}

/// False where there is nothing of that kind.
bool RunSession::waitForOtherRuns() {
    std::unique_lock lock(m_mutex);
    if (ending() || std::ranges::count(m_batches, BatchState::Elsewhere) == 0)
        return false;
    m_changed.wait_for(lock, kTick, [&] { return ending(); });
    return true;
}

/// Taken where it is this runner's now.
RunSession::BatchState RunSession::claimWithRoom(int batch, bool alone) {
    ClaimOutcome outcome = ClaimOutcome::Others;
    const auto claimed = waitForRoom([&]() -> Result<void> {
        CREST_TRY(got, m_claims.claim(batch, alone));
        outcome = got;
        return {};
    });
    if (!claimed) {
        const std::scoped_lock lock(m_mutex);
        if (claimed.error().kind != ErrorKind::NoSpace && !m_error)
            m_error = claimed.error();
        return BatchState::Open; // the session ends; nobody else has it
    }
    switch (outcome) {
    case ClaimOutcome::Mine:
        return BatchState::Taken;
    case ClaimOutcome::Finished:
        return BatchState::Closed;
    case ClaimOutcome::Suspect:
        return BatchState::Suspect;
    case ClaimOutcome::Others:
        break;
    }
    return BatchState::Left;
}

/// Any thread: optional weights go before the run waits. False where there are none.
bool RunSession::makeRoom() {
    const std::int64_t bytes = study::KeptWeights(m_runner.folder.keptFolder()).giveWay();
    if (bytes == 0)
        return false;
    const std::scoped_lock lock(m_mutex);
    m_log.add({study::RunEvent::Type::Note, {}, study::goneWeights(bytes), ""});
    return true;
}

/// Claims are small files: on a full disk they wait for room, too. NoSpace only where the session ends meanwhile.
Result<void> RunSession::waitForRoom(const std::function<Result<void>()>& act) {
    for (bool waited = false;; waited = true) {
        auto done = act();
        const bool full = !done && done.error().kind == ErrorKind::NoSpace;
        if (full && makeRoom())
            continue;
        std::unique_lock lock(m_mutex);
        if (full || waited)
            m_waiting = full ? pausedForRoom(done.error()) : "";
        if (!full || m_changed.wait_for(lock, kBeat, [&] { return ending(); }))
            return done;
    }
}

} // namespace crest::run
