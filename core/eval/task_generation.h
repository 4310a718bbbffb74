// SPDX-License-Identifier: Apache-2.0
// The answers of a task that is generated.
#pragma once

#include "core/eval/task_scoring.h"

namespace crest::eval {

/// Answers of one version of `source`, as the task's settings ask for them: until its stop texts, the text of EOS or an
/// end token; contexts lose tokens on their left where answer and context do not fit the model's. No log-likelihoods.
Result<data::ItemScores> generateAnswers(model::Decoder& decoder, model::WeightSource& source, int version,
                                         const text::Tokenizer& tokenizer, const PreparedTask& task,
                                         const JobContext& job);

} // namespace crest::eval
