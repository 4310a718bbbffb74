// SPDX-License-Identifier: Apache-2.0
// From a probe to the cells it needs, with their keys, what is cached and what it will cost: pure functions over plain
// structs.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/base/version.h"
#include "core/series/series.h"
#include "core/study/study_folder.h"

namespace crest::study {

/// Refuses a probe whose settings are out of range: no strengths, gamma <= 0 or > 10, bfloat16 below gamma 0.02, seeds
/// < 1 or > 100,000, no task, an unknown task or series, no ID task, windows and strides that do not fit, names that
/// are empty, longer than 200 bytes or hold control characters. A base evaluation has no strengths and no seeds, and
/// its roles are free. One sentence for the first problem.
Result<void> checkProbe(const Probe& probe, const Study& study);

/// What of that concerns one task.
Result<void> checkTask(const Task& task);

/// The key of one result: SHA-256 of the canonical JSON of weights, tokenizer, modification with its settings (for
/// InitStd the standard deviations, too), strength, seed, task with data hash and scoring settings (not its name),
/// compute type, numerics version. The base has no modification, strength or seed, so that all probes share it.
std::string resultKey(const PlannedCheckpoint& checkpoint, const Probe& probe, const Task& task, double strength,
                      std::int64_t seed);

/// Refuses a plan whose results this Crest would name otherwise: an older or newer one planned it, whose numbers are others
/// (kNumericsVersion, kScoringVersion), so its cells are read, and not computed here. `folder`: of its study.
Result<void> checkPresentKeys(const Plan& plan, const std::filesystem::path& folder);

/// What a task measures, without its name: SHA-256 of data hash and scoring settings; of a suite's task its definition
/// without name, about, source and chance, shots, limit and the scoring version (ResultRow::taskHash).
std::string taskHash(const Task& task);

/// What decides the weights that a cell trains: SHA-256 of weights, tokenizer, settings of the training, its data, rate and
/// seed. `strength`: of the cell. "" where the probe trains nothing, or the cell is the base. Probes that train alike share it.
/// `numerics`: another version's, to find what it left.
std::string trainingKey(const PlannedCheckpoint& checkpoint, const Probe& probe, double strength, std::int64_t seed,
                        int numerics = kNumericsVersion);
/// The learning rate of a cell of this strength.
double tuningRate(const Probe& probe, double strength);

/// Settings of a probe without those that move no number and are part of no key.
Json withoutUpkeep(Json settings);

/// What tells modifications of one kind apart (ResultRow::noiseScale): of noise its scale, else the first 16 digits of
/// the SHA-256 of the settings without upkeep and without names and paths whose content counts ("data_task", "replay").
std::string variantOf(const Probe& probe);

/// PlannedCheckpoint::initStd of these standard deviations.
std::string initStdHash(const std::map<std::string, double>& initStd);

/// Where the fingerprints of unchanged checkpoints are remembered: over all studies of the user (series::userCheckCache), else in
/// this study's folder.
std::filesystem::path checkCacheOf(const std::filesystem::path& study);

/// Plans `probe` on the checkpoints of `series` that are Ok or Suspect and not excluded. Reads weights once for their
/// fingerprints (remembered; progress through `job`) and the texts for their hashes. Refuses what would fail every
/// cell: a window beyond a checkpoint's context, a text whose first rows cannot be read or that is too short for a
/// window, a suite's task without its data. A base evaluation has base cells only, each checkpoint a batch. `stored`
/// says whether a key is stored already. Writes nothing into the study.
Result<Plan> planProbe(const StudyFolder& folder, const Probe& probe, const series::Series& series,
                       const std::function<bool(const std::string&)>& stored, const JobContext& job = {});

inline constexpr double kFlopsPerThread = 20e9; ///< of an ordinary core, where nothing was measured

/// Forward passes that cost as much as training on the same tokens: forward, and twice as much backward.
inline constexpr std::int64_t kPassesOfTraining = 3;

/// Memory of one training: most of it at once, and what stays while its weights are measured.
struct TrainingBytes {
    double peak = 0, tuned = 0;
};
using TrainingBytesOf = std::function<TrainingBytes(const series::DecoderSpec& spec, int threads)>;

/// "" is any device, which a CPU is.
bool isCpu(std::string_view device);

/// Batches side by side, and threads of each.
struct Workers {
    int count = 1, threads = 1;
};

/// Of a runner on a machine of so many cores. What `asked` has above 0 stays; else on a CPU one worker a core for small models, by the size of the
/// last checkpoint's files, and one for others, which share the cores.
Workers workersFor(std::span<const PlannedCheckpoint> checkpoints, std::string_view device, int cores, Workers asked = {0, 0});

/// What the uncached part of a plan will cost on `device`, whose memory it says. `specs`: one for each checkpoint of the plan, or one for all.
/// `tokensPerSecond` > 0: what such work last reached here (measuredRate); else it is told from `flopsPerSecond` > 0, what matrix products
/// reach there (model::productRate). `isKept` says of a trainingKey that its weights are there, so that
/// nothing has to be trained (KeptWeights::has). `trainingBytes`: train::plannedTrainingBytes of the plan on that device.
PlanCost planCost(const Plan& plan, std::string_view device, const std::vector<series::DecoderSpec>& specs, double tokensPerSecond,
                  Workers workers, const std::function<bool(const std::string&)>& isKept = {}, const TrainingBytesOf& trainingBytes = {},
                  double flopsPerSecond = 0);

/// The same for plans of which one tells how long another will take: that train or do not, in this precision, on this device, on this
/// series. 16 hex digits.
std::string workOf(const Plan& plan, std::string_view device);

/// Of PlanCost::trainings those of which some results are stored: done before, and their weights were not kept, or are gone.
std::int64_t repeatedTrainings(const Plan& plan, const std::function<bool(const std::string&)>& isKept = {});

/// PlanCost::forwardTokens of each cell; a training that several share is the first one's. Checkpoints of a series have one shape, so this is what
/// cells cost beside each other.
std::vector<double> forwardTokensByCell(const Plan& plan, const std::function<bool(const std::string&)>& isKept = {});

} // namespace crest::study
