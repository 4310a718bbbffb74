// SPDX-License-Identifier: Apache-2.0
// From the options of crest-run probe to the tasks that it measures: texts, tasks of suites, prompts to continue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "app/crest-run/chat_options.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest {

struct ProbeTaskOptions {
    std::vector<std::string> texts; ///< NAME=FILE:id or NAME=FILE:ood
    std::int64_t window = study::Task{}.windowTokens, stride = 0, maxWindows = study::Task{}.maxWindows;
    std::vector<std::string> suites, only; ///< suite files; of their tasks just these, all where empty
    std::string data;                      ///< folder of the suites' data
    bool skipMissing = false;              ///< tasks without data are left out, and said
    std::int64_t shots = -1, limit = 0;
    ChatOptions chat; ///< of suites and samples
    std::vector<std::string> samples; ///< NAME=FILE.jsonl
    std::int64_t maxNew = 64, topK = 0;
    double temperature = 0, topP = 1;
    std::vector<std::string> inDistribution; ///< names of tasks of suites
};

struct ProbeTask {
    study::Task task;
    study::Role role = study::Role::OutOfDistribution;
    std::string inSuite = {}; ///< its name there; `task` may be called by how it is asked as well
};

/// Every task of the options, in their order. Errors name option, file and key.
Result<std::vector<ProbeTask>> tasksOf(const ProbeTaskOptions& options);

/// Never throws; an empty path stays empty.
std::string absolutePath(const std::filesystem::path& path);

} // namespace crest
