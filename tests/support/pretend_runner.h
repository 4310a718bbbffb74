// SPDX-License-Identifier: Apache-2.0
// A batch runner that computes losses and outcomes by a formula of checkpoint, gamma and seed, as slowly and as
// unreliably as a test wants; and studies for it, without any model file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/run/batch_runner.h"
#include "core/study/study_folder.h"
#include "core/study/types.h"

namespace crest::pretend {

struct Behaviour {
    int microsPerResult = 0;         ///< how long each result takes
    std::string failCheckpoint = {}; ///< its batches end with an error half-way
    double notFiniteStrength = -1;   ///< results at this gamma are NaN
    int dieCell = -1;                ///< index of a cell at which the process dies...
    int dieSignal = 0;               ///< ... of this signal
    bool throws = false;             ///< instead of an error, an exception
};
run::BatchRunnerFactory makeFactory(const Behaviour& behaviour = {});

/// How often each result key was computed by the runners of this process: nothing may be computed twice.
int computedTwice();
std::int64_t computedCount();
void resetCounts();

struct Shape {
    int checkpoints = 4;
    std::vector<double> strengths = {0.05, 0.1};
    std::int64_t firstSeed = 1, seeds = 4, seedsPerBatch = 2;
    int tasks = 2, sequences = 8;
    int suiteTasks = 0, items = 8; ///< tasks of a suite, kinds in turn (pretend_outcome.h)
    bool baseOnly = false;         ///< a base evaluation: strengths and seeds do not count
    bool tuning = false;           ///< strengths are learning rates of fine-tuning on the first task
    double pull = 0;               ///< of that, towards the start
    double mixedRate = 0;          ///< above 0: strengths are shares of weights tuned at this rate, an interpolation
    std::map<int, std::vector<double>> finer = {}; ///< of tuning: rates of single checkpoints, by their place in the series
};
study::Study makeStudy(const Shape& shape);
/// A plan of this shape with real keys. `stored` as in planProbe.
study::Plan makePlan(const Shape& shape, const std::function<bool(const std::string&)>& stored = {});

} // namespace crest::pretend
