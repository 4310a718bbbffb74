// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/plan_preview.h"

#include <algorithm>

#include <QThread>

#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/runs.h"
#include "core/train/planned_memory.h"
#include "ui/data/format.h"
#include "ui/data/study_reader.h"

namespace crest::ui {

PlanPreview previewPlan(const PlanInput& input, const JobContext& job) {
    PlanPreview preview;
    const auto wanted = std::find_if(input.series.begin(), input.series.end(),
                                     [&](const auto& s) { return s.name == input.probe.series; });
    if (wanted == input.series.end()) {
        preview.problem = input.series.empty() ? QStringLiteral("Open a folder of checkpoints first.")
                                               : QStringLiteral("Choose a series to probe.");
        return preview;
    }
    if (const auto checked = study::checkProbe(input.probe, input.study); !checked) {
        preview.problem = toQString(checked.error().text());
        return preview;
    }
    // With the study as the window has it: its file may still be on its way to the disk.
    const auto folder = study::StudyFolder::draft(input.folder.path(), input.study);
    if (!folder) {
        preview.problem = toQString(folder.error().text());
        return preview;
    }
    auto plan = study::planProbe(
        *folder, input.probe, *wanted, [&](const std::string& key) { return input.stored->has(key); }, job);
    if (!plan) {
        preview.problem = toQString(plan.error().text());
        return preview;
    }
    std::vector<series::DecoderSpec> specs;
    for (const study::PlannedCheckpoint& planned : plan->checkpoints)
        for (const series::Checkpoint& checkpoint : wanted->checkpoints)
            if (checkpoint.path == planned.path && checkpoint.spec)
                specs.push_back(*checkpoint.spec);
    const study::KeptWeights kept(folder->keptFolder());
    const auto isKept = [&](const std::string& training) { return kept.has(training); };
    const std::string device = input.device.name.toStdString();
    const bool bfloat16 = input.probe.compute == study::ComputeType::BFloat16;
    preview.cost = study::planCost(
        *plan, device, specs, study::measuredRate(*folder, study::workOf(*plan, device)),
        study::workersFor(plan->checkpoints, device, QThread::idealThreadCount()), isKept,
        [&](const series::DecoderSpec& spec, int ofWorker) { return train::plannedTrainingBytes(*plan, device, spec, ofWorker); },
        bfloat16 ? input.device.bfloat16Flops : input.device.float32Flops);
    preview.repeatedTrainings = study::repeatedTrainings(*plan, isKept);
    preview.plan = std::move(*plan);
    return preview;
}

} // namespace crest::ui
