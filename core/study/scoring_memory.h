// SPDX-License-Identifier: Apache-2.0
// What scoring the tasks of a plan holds in memory, from shapes and tokens alone (eval/loss.h, eval/task_scoring.h). No LibTorch.
#pragma once

#include "core/series/decoder_spec.h"
#include "core/study/types.h"

namespace crest::study {

/// Most bytes that one worker holds at once while it scores: weights of a block, activations of a group of rows, what is noted of each.
double scoringBytes(const Plan& plan, const series::DecoderSpec& spec, bool onCpu);

/// Bytes of the tasks' tokens, which all workers share.
double taskBytes(const Plan& plan);

} // namespace crest::study
