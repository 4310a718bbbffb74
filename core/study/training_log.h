// SPDX-License-Identifier: Apache-2.0
// What a training says of its steps while it runs: trainings/<name>.tsv in the study folder (README.md beside this file).
// No result: it is not synced, may be lost or torn, and nothing is computed from it. A reader finds it from the plan alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/version.h"
#include "core/study/append_file.h"
#include "core/study/types.h"

namespace crest::study {

/// So begins the cause (ResultRow::cause) of a result that has no value because its training diverged.
inline constexpr std::string_view kTrainingDiverged = "the training diverged";

/// One optimiser step.
struct TrainingStep {
    std::int64_t step = 0;   ///< from 1
    std::int64_t tokens = 0; ///< that were learned in it: what the loss is the mean of
    double loss = 0;         ///< nats/token, before the update
    double rate = 0;         ///< learning rate of the update
    double gradientNorm = 0; ///< before clipping
    bool operator==(const TrainingStep&) const = default;
};

/// A training as far as its file goes.
struct TrainingLog {
    std::string about;               ///< in words: checkpoint, rate, seed
    std::int64_t steps = 0;          ///< of the whole training; 0 where the file's head was lost
    std::vector<TrainingStep> lines; ///< ascending; of long trainings not every step (isLogged)
    bool diverged = false;           ///< at the last line, with whose loss nothing was updated
    bool isWhole() const { return diverged || (steps > 0 && !lines.empty() && lines.back().step >= steps); }
};

/// So many lines of a training at most, give or take two: the first and the last step are always there.
inline constexpr std::int64_t kTrainingLogLines = 2000;
/// Every how many steps a training of `steps` steps is logged.
std::int64_t loggedEvery(std::int64_t steps);

/// Where a training is logged, and what its file says of it for people.
struct TrainingPlace {
    std::filesystem::path file; ///< "": nowhere
    std::string about;
};
/// Of the cell of this strength and seed. `folder`: that of all logs (StudyFolder::trainingsFolder). Named by trainingKey, so
/// that runs which train alike share it; only for probes that train.
TrainingPlace trainingPlace(const std::filesystem::path& folder, const PlannedCheckpoint& checkpoint,
                            const Probe& probe, double strength, std::int64_t seed, int numerics = kNumericsVersion);

/// Lines that are torn or make no sense are left out. NotFound where there is none (yet); Unsupported for a newer format.
Result<TrainingLog> readTrainingLog(const std::filesystem::path& file);

/// Writes one training's log, a line at a time, for whoever looks at the file meanwhile. It never fails: where something
/// cannot be written, `say` is told once, and the rest is left out. One thread.
class TrainingLogWriter {
public:
    using Say = std::function<void(const Error&)>;
    /// Of a training of `steps` steps that goes on after step `done`: what the file has of later steps is cut off, so that
    /// no step is there twice; 0 begins anew. The old file stays until the new one is there.
    TrainingLogWriter(const TrainingPlace& place, std::int64_t steps, std::int64_t done, Say say,
                      FileCalls calls = FileCalls::system());
    /// The next step. `diverged`: it is the last one.
    void add(const TrainingStep& step, bool diverged = false);

private:
    void append(const std::string& text);

    std::int64_t m_steps, m_every;
    Say m_say;
    std::optional<AppendFile> m_file; ///< absent where nothing is written (any more)
};

} // namespace crest::study
