// SPDX-License-Identifier: Apache-2.0
// The structs that a study is made of. All have JSON both ways (study_json.h); words as in the README.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/data/task_metrics.h"
#include "core/series/corrections.h"
#include "core/study/overlay.h"
#include "core/study/probe_kind.h"

namespace crest::study {

enum class Role { InDistribution, OutOfDistribution };

enum class TaskKind {
    TextLoss,  ///< loss (nats/token) of a text by windows
    Suite,     ///< a task of a suite (core/data/suite.h)
    TuningLoss ///< loss of the learned tokens of the held-out examples of fine-tuning data (core/data/tuning_data.h)
};

/// Something measurable.
struct Task {
    std::string name; ///< unique within the study
    TaskKind kind = TaskKind::TextLoss;
    std::string textsPath; ///< JSONL or text file; Suite: the folder that holds its data; absolute or relative to the
                           ///< study folder
    std::string dataHash;  ///< SHA-256 of the content of its data, filled when a run is planned
    /// Suite: canonical JSON of data::TaskDefinition::definition, "" for TextLoss. Shots: -1 = the definition's (a plan
    /// has the number). Limit: the first so many items, 0 = all. TuningLoss: canonical JSON of the data's resolved settings
    /// (data::TuningDataSettings) with an empty path; the path is `textsPath`.
    std::string definition = {};
    std::int64_t shots = -1, limit = 0;
    // TextLoss only:
    std::int64_t windowTokens = 128;
    std::int64_t strideTokens = 128; ///< <= windowTokens; each token is scored once
    std::int64_t maxWindows = 128;   ///< the first so many windows; 0 = all
    bool operator==(const Task&) const = default;
};

struct TaskInProbe {
    std::string task; ///< a Task's name
    Role role = Role::InDistribution;
    bool operator==(const TaskInProbe&) const = default;
};

/// What gamma multiplies (protocols 2.5): the std each tensor was initialised with, or the documented fallback, its
/// RMS. Two different probes, never on one axis.
enum class NoiseScale { InitStd, TensorRms };
enum class ComputeType { Float32, BFloat16 };

/// A modification with its grid, and what to measure.
struct Probe {
    std::string name;
    std::string kind = kGaussianNoise;      ///< one of probeKinds(), or kBaseEvaluation
    std::string series;                     ///< name of a series in the study
    std::vector<double> strengths;          ///< in the range of the kind, ascending
    std::int64_t firstSeed = 1, seeds = 16; ///< draws; of noise each is an antithetic pair (+z and -z on the same
                                            ///< tokens). 0 seeds where the kind draws nothing
    NoiseScale noiseScale = NoiseScale::InitStd; ///< of noise
    Json settings = {};                          ///< of other kinds, complete (completeSettings); null for noise
    ComputeType compute = ComputeType::Float32;
    std::vector<TaskInProbe> tasks;
    bool isBaseEvaluation() const { return kind == kBaseEvaluation; }
    bool operator==(const Probe&) const = default;
};
/// A probe of the kind base-evaluation, as checkProbe wants it.
Probe baseEvaluation(std::string name, std::string series, std::vector<TaskInProbe> tasks);

/// A series as the study remembers it; found again by scanning `path`.
struct StudySeries {
    std::string name, path;
    std::vector<std::string> excluded; ///< checkpoints the user took out (series::Checkpoint::foundName)
    std::string foundAs = {};          ///< the name the scan gives it, where the study calls it otherwise; else ""
    series::SeriesCorrections corrections = {};
    bool operator==(const StudySeries&) const = default;
};

/// study.json.
struct Study {
    std::string name;
    std::vector<StudySeries> series;
    std::vector<Task> tasks;
    std::vector<Probe> probes;
    std::vector<Overlay> overlays; ///< points of others, drawn over the curves
    bool operator==(const Study&) const = default;
};

/// A checkpoint as a run uses it: its content is pinned.
struct PlannedCheckpoint {
    std::string series, name, path;
    std::string weights;   ///< fingerprint of weights and config
    std::string tokenizer; ///< content hash
    /// Hash (initStdHash) of the per-tensor standard deviations that gamma multiplies, where the probe uses them
    /// (NoiseScale::InitStd); "" otherwise.
    std::string initStd;
    std::optional<std::int64_t> tokens, step, pretrainSeed;
    bool operator==(const PlannedCheckpoint&) const = default;
};

/// One checkpoint x modification x strength x seed.
struct Cell {
    int checkpoint = 0;            ///< index into Plan::checkpoints
    double strength = 0;           ///< 0 for the base
    std::int64_t seed = 0;         ///< 0 for the base
    std::vector<std::string> keys; ///< result key for each of Plan::probe.tasks; 64 hex digits
    std::vector<char> cached;      ///< 1 where the result is stored already, same order
    bool isBase() const { return strength == 0; }
    bool isCached() const { return std::ranges::all_of(cached, [](char stored) { return stored != 0; }); }
    bool operator==(const Cell&) const = default;
};

/// Everything a probe needs on a series, known before it starts. run.json is this, frozen.
struct Plan {
    std::string id;        ///< the run's id, "" before it is queued
    std::string createdAt; ///< ISO 8601 UTC
    std::string device;    ///< "cpu", "cuda:0": a runner on this device takes it up; "": any. No part of a key
    Probe probe;
    std::vector<Task> tasks; ///< those of probe.tasks, same order, with dataHash and absolute textsPath
    /// Tokens that one pass over each of `tasks` takes through the decoder; estimated from the file's size where
    /// maxWindows is 0.
    std::vector<std::int64_t> taskTokens;
    std::int64_t tuningTokens = 0; ///< that one cell of fine-tuning trains on, estimated; 0 for other kinds
    std::vector<PlannedCheckpoint> checkpoints;
    std::vector<Cell> cells;
    /// Units of claiming: indices into `cells`, all of one checkpoint, in the order of work. The bases come first; then
    /// every strength of one group of seeds together, since one draw serves the whole ladder. Cells that are cached are
    /// in none.
    std::vector<std::vector<int>> batches;

    std::int64_t cellCount() const { return static_cast<std::int64_t>(cells.size()); }
    std::int64_t cachedCellCount() const; ///< cells with every result stored
    bool operator==(const Plan&) const = default;
};

struct PlanCost {
    std::int64_t cells = 0, cached = 0, fresh = 0;
    std::int64_t trainings = 0, keptTrainings = 0; ///< to be done; and those whose weights are there already
    std::int64_t forwardTokens = 0; ///< tokens through a decoder, both members of pairs counted
    double seconds = 0; ///< from what such work last reached here, else from FLOPs and how fast products are (planCost)
    double memoryBytes = 0;
};

/// How far trained weights are from the checkpoint's: L2 norms.
struct WeightChange {
    double distance = 0, start = 0;       ///< of the change, and of the checkpoint itself, all tensors together
    std::vector<std::string> tensors;     ///< in the order of the checkpoint; a tied matrix is one
    std::vector<float> distances, starts; ///< the same of each tensor
    double relative() const { return start > 0 ? distance / start : 0; }
    bool operator==(const WeightChange&) const = default;
};

/// One cell measured on one task: a line of a journal.
struct ResultRow {
    std::string key, run;
    std::string series, checkpoint, weights;
    std::optional<std::int64_t> tokens, step, pretrainSeed;
    std::string modification; ///< "none" or the kind of probe
    /// Which modification of that kind: noise "init-std" or "tensor-rms"; else a hash of its settings and data
    /// (variantOf); "" for the base. Results of different variants are never averaged. Files call it noise_scale.
    std::string noiseScale;
    double strength = 0;
    std::int64_t seed = 0;
    std::string task, metric = "loss", unit = "nats/token"; ///< the name the task had then
    std::string
        taskHash; ///< of data and scoring settings: results of one name with different hashes measure different things
    double value = 0;   ///< mean over tokens; a pair's mean over both members; non-finite values are stored as such
    double stderr_ = 0; ///< over sequences
    std::int64_t n = 0; ///< sequences; Suite: items (documents of its data)
    std::int64_t scoredTokens = 0;
    std::string compute, device;
    int threads = 1, numerics = 0;
    std::string cachedAt; ///< when it was stored, ISO 8601 UTC
    std::string cause;    ///< why `value` is not finite, "" otherwise
    /// TextLoss: summed nats and scored tokens of each sequence (pairs: mean of both members). Suite: empty, the items'
    /// values are in `outcome`.
    std::vector<float> sequenceNats;
    std::vector<std::int32_t> sequenceTokens;
    /// Suite: every metric (`metric`, `unit`, `value`, `stderr_`, `scoredTokens`, `cause` repeat the first) with its
    /// items, and what was answered.
    data::TaskOutcome outcome;
    std::optional<WeightChange> change; ///< of cells whose weights were trained
    bool hasOutcome() const { return !outcome.metrics.empty() || !outcome.details.itemDocuments.empty(); }
    bool operator==(const ResultRow&) const = default;
};

} // namespace crest::study
