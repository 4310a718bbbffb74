// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/sample_study.h"

#include <filesystem>
#include <tuple>
#include <utility>

#include "core/data/suite.h"
#include "core/data/tuning_settings.h"
#include "core/study/usual_grid.h"
#include "ui/data/places.h"
#include "ui/data/prompts_task.h"

namespace crest::ui {

namespace {

/// A probe is named after its series, whose name may be of any length; names of probes are not (core/study/probe_checks.cpp).
std::string shortened(const std::string& series) {
    constexpr std::size_t kMost = 150;
    if (series.size() <= kMost)
        return series;
    std::size_t end = kMost;
    while (end > 0 && (static_cast<unsigned char>(series[end]) & 0xC0) == 0x80)
        --end; // not within a character of UTF-8
    return series.substr(0, end) + "...";
}

} // namespace

study::Probe defaultNoiseProbe(const std::string& series, const std::vector<study::TaskInProbe>& tasks) {
    study::Probe probe;
    probe.name = "noise on " + shortened(series);
    probe.series = series;
    const study::UsualGrid grid = study::usualGrid(study::kGaussianNoise);
    probe.strengths = grid.strengths;
    probe.seeds = grid.seeds;
    probe.tasks = tasks;
    return probe;
}

study::Probe defaultBaseEvaluation(const std::string& series, const std::vector<study::TaskInProbe>& tasks) {
    return study::baseEvaluation("base evaluation of " + shortened(series), series, tasks);
}

study::Probe defaultProbe(const QString& kind, const std::string& series, const std::vector<study::TaskInProbe>& tasks) {
    if (kind == QString::fromLatin1(study::kBaseEvaluation))
        return defaultBaseEvaluation(series, tasks);
    study::Probe probe = defaultNoiseProbe(series, tasks);
    if (kind == QString::fromLatin1(study::kGaussianNoise))
        return probe;
    const study::ProbeKind& known = study::probeKind(kind.toStdString());
    probe.kind = known.id;
    probe.name = std::string(known.name) + " of " + shortened(series);
    const study::UsualGrid grid = study::usualGrid(probe.kind);
    probe.strengths = grid.strengths;
    probe.seeds = grid.seeds;
    if (probe.kind == study::kQuantisation)
        probe.settings = {{"group", 128}};
    return probe;
}

namespace {

constexpr std::int64_t kSampleNewTokens = 40;
constexpr std::int64_t kSampleContext = 128, kSampleHeldOut = 200, kSampleTrained = 1200; ///< a sweep takes minutes

/// Data to fine-tune on; none where a resource is missing.
std::vector<study::Task> sampleTuning(const std::filesystem::path& resources) {
    std::vector<study::Task> tasks;
    for (const auto& [name, file, form] : {std::tuple{"verses", "bible.jsonl", "text"},
                                           std::tuple{"definitions", "glosses.jsonl", "prompt-completion"}}) {
        data::TuningDataSettings settings;
        settings.path = (resources / "sample" / "tuning" / file).string();
        settings.form = form;
        settings.maxTokens = kSampleContext;
        settings.split.heldOutCount = kSampleHeldOut;
        settings.split.sampleCount = kSampleTrained;
        auto resolved = data::resolveTuningData(settings, resources / "tuning");
        if (!resolved)
            continue;
        study::Task task;
        task.name = name;
        task.kind = study::TaskKind::TuningLoss;
        task.textsPath = std::exchange(resolved->path, {});
        task.definition = canonicalJson(data::tuningDataToJson(*resolved));
        tasks.push_back(std::move(task));
    }
    return tasks;
}

/// Tasks for a base evaluation; none where a resource is missing, since the sample's own probe needs none of them.
std::vector<study::Task> sampleTasks(const std::filesystem::path& resources) {
    const std::filesystem::path folder = resources / "sample" / "tasks";
    std::vector<study::Task> tasks;
    const auto suite = data::readSuite(resources / "suites" / "sample.json");
    if (!suite)
        return tasks;
    for (const data::TaskDefinition& definition : suite->tasks) {
        study::Task task;
        task.name = definition.name;
        task.kind = study::TaskKind::Suite;
        task.textsPath = folder.string();
        task.definition = canonicalJson(definition.definition);
        tasks.push_back(std::move(task));
    }
    tasks.push_back(promptsTask(QStringLiteral("prompts"), QString::fromStdString((folder / "prompts.jsonl").string()),
                                kSampleNewTokens, 0));
    return tasks;
}

} // namespace

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
    for (study::Task& task : sampleTasks(resources.toStdString()))
        study.tasks.push_back(std::move(task));
    for (study::Task& task : sampleTuning(resources.toStdString()))
        study.tasks.push_back(std::move(task));
    return study;
}

QString sampleStudyFolder() {
    return dataFolder() + QStringLiteral("/studies/sample");
}

} // namespace crest::ui
