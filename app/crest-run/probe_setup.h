// SPDX-License-Identifier: Apache-2.0
// From the options of crest-run probe to a series, a study with the probe in it, and a plan. Nothing is written before
// the plan is sound.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/crest-run/probe_tasks.h"
#include "app/crest-run/tuning_task.h"
#include "core/base/job_context.h"
#include "core/series/series.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"
#include "core/study/study_folder.h"

namespace crest {

struct ProbeOptions {
    std::string kind = study::kGaussianNoise, series, seriesName, study, name = "noise", dtype = "float32",
                scale = "init";
    std::vector<double> strengths; ///< none of a base evaluation; of fine-tuning none stands for those usual for the series
    Json settings = {};            ///< of the kind
    std::int64_t seeds = 0, firstSeed = 1; ///< of kinds that draw
    std::vector<std::string> exclude;
    ProbeTaskOptions tasks;
    TuningOptions tuning; ///< of fine-tuning
    study::FinerRates finer = {}; ///< of fine-tuning: rates of single checkpoints
    bool newestFiner = false;     ///< instead: those that the study's newest probe of these options has, if any
};

struct PlannedProbe {
    series::Series series;
    std::vector<ProbeTask> tasks; ///< that the options name
    study::Plan plan;
    study::PlanCost cost;
    std::int64_t repeatedTrainings = 0; ///< study::repeatedTrainings
};

/// Scans the series and plans on the study as it is there, or would be. Writes nothing. Problems that stop nothing go
/// to stderr. `device`: what the cost is for.
Result<PlannedProbe> planOptions(const ProbeOptions& options, const JobContext& job, const std::string& device = "cpu",
                                 study::Workers workers = {0, 0});

/// The study with the planned probe in it, made where it is not there; `plan` takes the probe's name from it.
Result<study::StudyFolder> keepInStudy(const ProbeOptions& options, PlannedProbe& planned);

} // namespace crest
