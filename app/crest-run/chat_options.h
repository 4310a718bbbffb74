// SPDX-License-Identifier: Apache-2.0
// --apply-chat-template, --fewshot-as-multiturn and --system-instruction: how tasks of suites are asked, as the options
// of these names of lm-evaluation-harness 0.4.13.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "core/base/result.h"
#include "core/data/suite.h"

namespace crest {

struct ChatOptions {
    std::optional<std::string> chatTemplate; ///< its name, "" for the tokenizer's usual one; nothing: plain text
    std::optional<bool> multiturn;           ///< nothing: true with a template
    std::string system;
};

void addChatOptions(CLI::App& command, ChatOptions& options);

/// The task as it is asked with these options and so many shots (-1: its own number); documents (rolling) stay as they are.
/// `suffix` becomes what its name has to say of it ("" or " (chat template)"). OutOfRange for options that contradict each other.
Result<data::TaskDefinition> askedWith(const data::TaskDefinition& task, const ChatOptions& options, std::int64_t shots,
                                       std::string& suffix);

} // namespace crest
