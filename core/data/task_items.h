// SPDX-License-Identifier: Apache-2.0
// A task of a suite as what is asked of a model: one item for each row of its data, in plain text, before any
// tokenizer. Suites, templates and readers of rows: suite.h; scoring: core/eval; words as lm-evaluation-harness 0.4.13
// uses them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crest::data {

enum class TaskKind {
    MultipleChoice, ///< the request with the highest log-likelihood is the answer (acc, acc_norm, acc_bytes)
    Loglikelihood,  ///< one request; is the continuation what greedy decoding gives (lambada: acc, perplexity)
    Rolling,        ///< log-likelihood of a whole document by windows (word and byte perplexity, bits per byte)
    Generation      ///< greedy continuation of the context, compared with references (exact_match), or kept as it is
};

/// log p(continuation | context). Rolling: the document is the continuation. Generation: no continuation.
struct ItemRequest {
    std::string context, continuation;
    bool operator==(const ItemRequest&) const = default;
};

struct TaskItem {
    std::int64_t document = 0;           ///< row of the split that is evaluated, from 0; several sets: counted on, whatever the limit
    std::vector<ItemRequest> requests;   ///< MultipleChoice: one for each choice; else one
    std::vector<std::string> choices;    ///< MultipleChoice: the choices as acc_norm measures their lengths
    std::int32_t gold = -1;              ///< MultipleChoice: index of the right choice
    std::vector<std::string> references; ///< Generation: texts that count as right; may be empty
    std::string original;                ///< Rolling: the text whose words and bytes are counted
    std::int32_t part = 0;               ///< which set of a task that is made of several (MMLU's subjects)
    bool operator==(const TaskItem&) const = default;
};

} // namespace crest::data
