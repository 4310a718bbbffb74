// SPDX-License-Identifier: Apache-2.0
// What the trainings of a plan will take, for study::planCost. No LibTorch.
#pragma once

#include <string_view>

#include "core/study/planner.h"

namespace crest::train {

/// On `device`, of a plan whose probe trains; nothing of others, and where its settings cannot be read (whoever runs it says why). Examples
/// count as long as the data's settings let them be.
study::TrainingBytes plannedTrainingBytes(const study::Plan& plan, std::string_view device, const series::DecoderSpec& spec, int threads);

} // namespace crest::train
