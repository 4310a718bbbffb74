// SPDX-License-Identifier: Apache-2.0
// One runner's part of one run: worker threads over its batches, the status and events, pause and stop. Used by
// executor.cpp only.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/run/claims.h"
#include "core/run/executor.h"
#include "core/run/key_claims.h"
#include "core/run/result_sink.h"
#include "core/study/results.h"
#include "core/study/run_log.h"
#include "core/study/runs.h"

namespace crest::run {

/// What outlives a session: kept by workStudy over all runs.
struct RunnerState {
    const study::StudyFolder& folder;
    const WorkOptions& options;
    const BatchRunnerFactory& factory;
    std::string writer;
    int workers = 1, threads = 1;
    study::ResultReader reader; ///< under readerMutex
    std::mutex readerMutex;
    study::JournalWriter journal;
    KeyClaims keys;
    std::vector<std::unique_ptr<BatchRunner>> runners; ///< one per worker, made in its thread when first needed
    std::int64_t gone = 0;                             ///< bytes of kept weights that went for the beginning; to be said
};

struct SessionOutcome {
    std::int64_t freshCells = 0, storedCells = 0, failedCells = 0;
    bool stopped = false;       ///< by control.json or the job
    bool othersWorking = false; ///< batches that living runners hold
};

class RunSession {
public:
    /// `plan`: of the run, with the keys that this Crest gives (study::checkPresentKeys).
    static Result<SessionOutcome> run(RunnerState& runner, const std::string& runId, study::Plan plan, const JobContext& job);

private:
    /// Left: another runner of this run has it. Elsewhere: runners of other runs are at cells of it; what is left of it
    /// then is computed here. Suspect: runners died at it, so it waits until nothing else is in work.
    enum class BatchState : char { Open, Taken, Left, Elsewhere, Suspect, Closed };
    struct Turn {
        int batch = 0;
        bool alone = false; ///< cell by cell
    };
    /// What is to be computed of a batch now, as long as `lease` lives.
    struct Wanted {
        BatchRequest request;
        bool elsewhere = false; ///< the rest is with runners of other runs
        KeyLease lease;
    };
    enum class Mode { Run, Pause, Stop };

    RunSession(RunnerState& runner, study::Plan plan, study::RunLog log, const std::vector<char>& said,
               const JobContext& job);

    RunnerState& m_runner;
    const study::Plan m_plan;
    const JobContext& m_job;
    Claims m_claims;

    std::mutex m_mutex; ///< everything below up to the next blank line
    std::condition_variable m_changed;
    study::RunLog m_log;
    study::WriterStatus m_status;
    std::vector<BatchState> m_batches;
    std::vector<std::chrono::steady_clock::time_point> m_askAgain; ///< by batch: while Elsewhere, not before
    std::vector<std::vector<char>> m_stored;                       ///< by cell and task
    std::vector<char> m_noted;                                     ///< by cell: said to be stored
    std::vector<int> m_order;                                      ///< of work: batches
    std::vector<double> m_tokensOf;                                ///< by cell: what it takes here, as planned
    std::set<int> m_failed;                                        ///< cells without a result
    SessionOutcome m_outcome;
    std::optional<Error> m_error;
    std::string m_waiting; ///< why nothing can be stored now
    Mode m_mode = Mode::Run;
    int m_working = 0; ///< workers that have not ended
    int m_inWork = 0;  ///< batches taken and not given back

    std::stop_source m_stop; ///< for the batch runners
    std::atomic<std::int64_t> m_tokens{0};           ///< done
    std::atomic<std::int64_t> m_unfinishedTokens{0}; ///< those of them that are of cells in work
    std::unique_ptr<ResultSink> m_sink;
    std::vector<std::jthread> m_workers; ///< after what they use

    void trustWhatIsStored(const std::vector<char>& said);
    SessionOutcome finish();
    void monitor();
    void obeyControl();
    void stopNow(bool byControl);
    void work(int worker);
    Result<void> workOn(BatchRunner& batchRunner, int batch);
    Result<void> workAlone(BatchRunner& batchRunner, int batch);
    Result<void> compute(BatchRunner& batchRunner, const BatchRequest& request, std::optional<Error>& storeError);
    Result<BatchRunner*> runnerOf(int worker);
    std::optional<Turn> nextBatch();
    std::optional<Turn> takeOne(BatchState wanted);
    bool waitForOtherRuns();
    BatchState claimWithRoom(int batch, bool alone);
    bool makeRoom();
    Result<void> waitForRoom(const std::function<Result<void>()>& act);
    int nextCheckpoint(int batch);
    Result<Wanted> wantedOf(int batch);
    std::vector<std::string> chooseKeys(int batch, const std::unordered_set<std::string>& inWork, Wanted& wanted);
    Result<void> take(const BatchRequest& request, Measurement measurement);
    void waitWhilePaused();
    void noteRate(double tokens, double seconds);
    double begunTokens(std::int64_t tokens) const;
    void leaveOut(int cell, double share);
    void closeBatch(int batch, const Wanted& wanted, const Result<void>& result,
                    const std::map<int, std::string>& fatal);
    void onStored(const std::vector<PendingResult>& results);
    void noteCells(std::vector<int> cells, bool fresh);
    void failWith(const Error& error);
    bool ending() const { return m_mode == Mode::Stop || m_error.has_value(); }
};

} // namespace crest::run
