// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/sample_study.h"

#include <filesystem>

#include "ui/data/places.h"

namespace crest::ui {

study::Probe defaultNoiseProbe(const std::string& series, const std::vector<study::TaskInProbe>& tasks) {
    study::Probe probe;
    probe.name = "noise on " + series;
    probe.series = series;
    probe.strengths = {0.05, 0.1, 0.15, 0.2, 0.3};
    probe.seeds = 16;
    probe.tasks = tasks;
    return probe;
}

Result<study::Study> sampleStudy(const QString& resources) {
    const std::filesystem::path sample = std::filesystem::path(resources.toStdString()) / "sample";
    std::error_code error;
    if (resources.isEmpty() || !std::filesystem::is_directory(sample / "series", error))
        return fail(ErrorKind::NotFound,
                    "The sample series is not there; set CREST_RESOURCES to Crest's resources folder.",
                    (sample / "series").string());
    study::Study study;
    study.name = "sample";
    study.series.push_back({"sample", (sample / "series").string(), {}});
    std::vector<study::TaskInProbe> roles;
    for (const auto& [name, role] :
         {std::pair{"dictionary", study::Role::InDistribution}, std::pair{"glosses", study::Role::OutOfDistribution},
          std::pair{"bible", study::Role::OutOfDistribution}}) {
        study::Task task;
        task.name = name;
        task.textsPath = (sample / "texts" / (std::string(name) + ".jsonl")).string();
        task.windowTokens = 128;
        task.strideTokens = 128;
        task.maxWindows = 32;
        study.tasks.push_back(task);
        roles.push_back({name, role});
    }
    study.probes.push_back(defaultNoiseProbe("sample", roles));
    return study;
}

QString sampleStudyFolder() {
    return dataFolder() + QStringLiteral("/studies/sample");
}

} // namespace crest::ui
