// SPDX-License-Identifier: Apache-2.0
#include "core/train/planned_memory.h"

#include <algorithm>

#include "core/data/tuning_settings.h"
#include "core/train/training_memory.h"

namespace crest::train {
namespace {

/// Rows of the longest example: its last token is only predicted.
std::int64_t longestRows(const study::Plan& plan, const FineTuneSettings& training, std::int64_t context) {
    std::int64_t tokens = training.rowTokens > 0 ? std::min(training.rowTokens, context) : context;
    const std::string name = plan.probe.settings.value("data_task", "");
    for (const study::Task& task : plan.tasks)
        if (task.name == name)
            if (const auto json = parseJson(task.definition, name); json)
                if (const auto data = data::tuningDataFromJson(*json, name); data && data->maxTokens > 0)
                    tokens = std::min(tokens, data->maxTokens);
    if (training.replayShare > 0)
        tokens = std::max(tokens, std::min(training.replayTokens, context));
    return std::max<std::int64_t>(1, tokens - 1);
}

} // namespace

study::TrainingBytes plannedTrainingBytes(const study::Plan& plan, std::string_view device, const series::DecoderSpec& spec, int threads) {
    const Json& settings = plan.probe.settings;
    if (plan.tuningTokens == 0 || !settings.is_object() || !settings.contains("training"))
        return {};
    const auto training = fineTuneSettingsFromJson(settings["training"], plan.probe.name);
    if (!training)
        return {};
    const auto recompute = settings.find("recompute_activations");
    const TrainingMemory memory = trainingMemory(spec, *training, longestRows(plan, *training, spec.contextLength), threads,
                                                 recompute != settings.end() && *recompute == true,
                                                 study::isCpu(device) ? Operations::Fused : Operations::Plain);
    return {memory.peak(), memory.tuned()};
}

} // namespace crest::train
