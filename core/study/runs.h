// SPDX-License-Identifier: Apache-2.0
// Runs in a study folder: queueing, following and controlling them through files alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::study {

enum class RunCommand { Run, Pause, Stop, StopNow };
enum class RunState {
    Queued,  ///< no runner yet
    Running, ///< a living runner (its lock is held) works on it
    Paused,
    Stopping,
    Stopped,    ///< stopped by the user; what is finished is kept
    Done,       ///< every cell stored
    Failed,     ///< ended with failed cells; the others are stored
    Interrupted ///< its runner is gone (killed, machine restarted); can be continued
};
const char* runStateName(RunState state);

struct FailedCell {
    int cell = 0;
    std::string message;
};

inline constexpr std::size_t kMostNotes = 20; ///< of RunStatus; a last one says where more are

/// What the folder says about a run now. Cheap to poll: reads only what was appended since the last call where a
/// RunFollower is used.
struct RunStatus {
    std::string id;
    RunState state = RunState::Queued;
    std::int64_t totalCells = 0, doneCells = 0; ///< done: with every result stored, cached ones included
    std::int64_t cachedCells = 0;               ///< stored before the run began
    std::vector<FailedCell> failed;
    std::string phase; ///< "gamma 0.1, 16M tokens"
    double tokensPerSecond = 0;
    double secondsElapsed = 0;
    std::optional<double> secondsLeft; ///< while a runner is at work: what the cells left take, at the rate of those before
    std::string message; ///< why it paused or failed ("No space left ..."), "" otherwise
    std::vector<std::string> notes; ///< what runners noted beside results ("The tuned weights of ... are not kept"), each once, the first kMostNotes
    std::vector<std::string> writers;
    std::string device; ///< that the run asks for, "" where any will do
};

/// Writes runs/<id>/run.json and makes it visible to runners; returns the id ("20261122-175300125-noise-1a2b"), which
/// sorts after those of all runs that are there, whatever the clock says. Of two who queue at the same time it does so
/// where they hold runs/.lock (queueOnce).
Result<std::string> queueRun(const StudyFolder& folder, Plan plan);
Result<Plan> readPlan(const StudyFolder& folder, const std::string& runId);
std::vector<std::string> listRuns(const StudyFolder& folder); ///< oldest first

/// Replaces control.json; runners look at it at least once a second. Run also lets a stopped run be taken up again.
Result<void> controlRun(const StudyFolder& folder, const std::string& runId, RunCommand command);

/// What control.json says; Run where there is none.
RunCommand readControl(const StudyFolder& folder, const std::string& runId);
const char* runCommandName(RunCommand command); ///< "run", "pause", "stop", "stop_now"

/// Whether a runner is at work in this study. An error, with the file, where that cannot be told of one: whoever would
/// start something then lets it be.
Result<bool> anyRunnerLives(const StudyFolder& folder);

/// Tokens as planned a second (forwardTokensByCell) that the last run of such work (workOf) in this study reached; 0 where none is known.
double measuredRate(const StudyFolder& folder, const std::string& work);

/// Follows one run: call poll() from time to time, from one thread.
class RunFollower {
public:
    RunFollower(const StudyFolder& folder, std::string runId);
    ~RunFollower();
    RunFollower(RunFollower&&) noexcept;
    RunFollower& operator=(RunFollower&&) noexcept;
    Result<RunStatus> poll();
    /// By cell: 1 where it was said to be stored; empty before the first poll().
    const std::vector<char>& doneCells() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace crest::study
