// SPDX-License-Identifier: Apache-2.0
// Tasks that are asked by the chat template of the checkpoints' tokenizers: what a plan pins of it, and where a runner gets it from.
#pragma once

#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/data/chat_template.h"
#include "core/data/suite.h"
#include "core/series/series.h"
#include "core/study/types.h"

namespace crest::study {

/// Puts the template's hash, and the date where it says one, into the definitions of such tasks, so that they are part of their
/// results' keys. NotFound for a checkpoint without a template, Mismatch where two have different ones; errors of
/// data::ChatTemplate::choose.
Result<void> pinChat(std::vector<Task>& tasks, const std::vector<const series::Checkpoint*>& checkpoints);

/// The template that `task` is asked by with the tokenizer of a checkpoint; nothing for one that is asked as plain text. Mismatch
/// where it is not the one of the plan.
Result<std::optional<data::ChatTemplate>> chatTemplateOf(const data::TaskDefinition& task,
                                                         const std::filesystem::path& checkpoint);

} // namespace crest::study
