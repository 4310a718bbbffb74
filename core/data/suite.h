// SPDX-License-Identifier: Apache-2.0
// Suites: readable JSON files that say, task by task, which file has the rows, how a row becomes what is asked, and how
// answers are counted. A new task needs such a file and no code. The form is described in resources/suites/README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/data/task_items.h"

namespace crest::data {

/// How Generation writes, and when it ends.
struct GenerationSettings {
    std::vector<std::string> until; ///< stop texts; the end-of-text token always ends
    std::int64_t maxNewTokens = 256;
    double temperature = 0; ///< 0: greedy
    std::int64_t topK = 0;  ///< 0: all
    double topP = 1;
    int beams = 1;
    double repetitionPenalty = 1;
    bool operator==(const GenerationSettings&) const = default;
};

/// The key "chat" of a task: it is asked as a chat, by the template of the model's own tokenizer
/// (core/data/chat_template.h), as the harness's --apply_chat_template.
struct ChatSettings {
    bool on = false;
    std::string name;      ///< of the template; "": the tokenizer's usual one
    bool multiturn = true; ///< shots are turns; false: one message of the user holds them all
    // What a plan has found:
    std::string date; ///< what a template that says today's date is told; "": today's
    std::string hash; ///< ChatTemplate::hash of the tokenizer's; "": any
    bool operator==(const ChatSettings&) const = default;
};

/// Of the key "chat"; what says nothing is left out.
Json chatToJson(const ChatSettings& chat);
/// "chat template, shots in one message, system instruction" of a definition, "" for one that is asked as plain text.
std::string chatWords(const Json& definition);

/// One task as a suite file has it, checked. `definition` is its canonical JSON: with the hash of its data it is what a
/// result is keyed by.
struct TaskDefinition {
    std::string name;
    TaskKind kind = TaskKind::MultipleChoice;
    std::vector<std::string> metrics; ///< the first is the one curves show at first
    double chance = 0;                ///< of the first metric by guessing; NaN where that means nothing
    int shots = 0;
    /// True: texts are encoded with the special tokens that the tokenizer adds by itself (the harness since 0.4.9.2);
    /// false: without (0.4.0 to 0.4.9.1).
    bool tokenizerSpecials = true;
    GenerationSettings generation;
    ChatSettings chat;
    Json definition;
};

/// The task with these settings in its definition; whole documents (Rolling) are asked as ever. `shots`: how many there will be,
/// -1 the task's own number; where there are none, how they would be written is left out.
Result<TaskDefinition> askedAs(const TaskDefinition& task, const ChatSettings& chat, const std::string& system,
                               std::int64_t shots = -1);

struct Suite {
    std::string name, description;
    std::vector<TaskDefinition> tasks;
};

/// Malformed, naming file, task and key, for whatever is not in the form.
Result<Suite> readSuite(const std::filesystem::path& file);
Result<TaskDefinition> parseTask(const Json& definition, const std::string& where);

class ChatTemplate;

struct ItemOptions {
    /// Of tasks that are asked as a chat: the tokenizer's template, which is needed but where only the data are looked
    /// at (`withoutChat`: the plain texts).
    const ChatTemplate* chat = nullptr;
    bool withoutChat = false;
    int shots = -1;            ///< -1: the task's own number
    std::int64_t limit = 0;    ///< the first so many rows of each set; 0: all
    double maxBadShare = 0.01; ///< rows that cannot be used are counted; a larger share refuses the task
};

struct TaskItems {
    std::vector<TaskItem> items;
    /// Tasks made of several sets (the 57 subjects of MMLU): name and first item of each; else empty.
    std::vector<std::pair<std::string, std::int64_t>> parts;
    std::string dataHash; ///< SHA-256 over the content of every file that was used
    std::int64_t rows = 0, badRows = 0;
    std::vector<std::string> badExamples; ///< the first ten, with file, row and reason
    std::int64_t withoutSystem = 0; ///< items whose chat template refused the system message, so that it was left out
};

/// Reads the task's rows below `dataFolder` and makes its items. NotFound says which files were looked for.
Result<TaskItems> makeItems(const TaskDefinition& task, const std::filesystem::path& dataFolder,
                            const ItemOptions& options = {}, const JobContext& job = {});

} // namespace crest::data
