// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/tuning_task.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include <CLI/CLI.hpp>

#include "app/command_line.h"
#include "app/crest-run/probe_tasks.h"
#include "core/data/tuning_data.h"
#include "core/series/tokenizer_files.h"
#include "core/study/replayed_text.h"
#include "core/text/tokenizer.h"
#include "core/train/fine_tune_settings.h"

namespace crest {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kShownBadRows = 3;

/// Crest's resources: named, installed, or in the tree that this program was built in.
fs::path resourcesFolder() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    const char* named = std::getenv("CREST_RESOURCES");
    for (const fs::path& folder :
         {fs::path(named ? named : ""), program / "../share/crest", program / "../../resources", program / "../../../resources"})
        if (!folder.empty() && fs::is_directory(folder / "tuning", error))
            return folder;
    return {};
}

struct NamedFile {
    std::string name, file;
};

Result<NamedFile> namedFile(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
        return fail(ErrorKind::OutOfRange, "--tune must be NAME=FILE, but is \"" + text + "\".");
    return NamedFile{text.substr(0, equals), absolutePath(text.substr(equals + 1))};
}

/// As one tokenizer sees the data.
Result<std::vector<std::string>> notesOf(const data::TuningDataSettings& settings, const fs::path& checkpoint, const JobContext& job) {
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(checkpoint)));
    auto set = data::readTuningData(settings, tokenizer, job, data::TokenCache::ofUser());
    if (!set) // the tokenizer's, where it names no file
        return fail(set.error().kind, set.error().message, set.error().where.empty() ? checkpoint.string() : set.error().where);
    std::vector<std::string> notes = std::move(set->notes);
    for (std::size_t i = 0; i < set->counts.badExamples.size() && i < kShownBadRows; ++i)
        notes.push_back("cannot be used: " + set->counts.badExamples[i]);
    return notes;
}

template<class T> void addKey(CLI::App& command, TuningOptions& options, const char* option, const char* key, const char* about) {
    command.add_option_function<T>(option, [&options, key](const T& value) { options.training[key] = value; }, about);
}

} // namespace

void addTuningOptions(CLI::App& command, TuningOptions& options) {
    command.add_option("--tune", options.data, "NAME=FILE or NAME=FOLDER: what is trained on; its held-out part is the ID task")
        ->required();
    command.add_option("--form", options.form, "Form of its rows (resources/tuning), or auto")->capture_default_str();
    command.add_option("--chat", options.chat, "How dialogues are written (resources/tuning); default: plain, as the form says");
    command.add_flag("--learn-all", options.learnAll, "Learn prompts, too, not just what completes them");
    command.add_flag("--drop-long", options.drop, "Leave out examples that are too long, instead of cutting their end");
    command.add_option("--max-tokens", options.maxTokens, "Longest example (default: 512, or the models' context where that is shorter)")
        ->check(CLI::Range(std::int64_t{2}, data::kMostExampleTokens));
    command.add_option("--held-out", options.heldOutShare, "Share of the rows that is held out")->capture_default_str();
    command.add_option("--held-out-rows", options.heldOutCount, "So many rows instead");
    command.add_option("--split-seed", options.splitSeed, "Which rows are held out")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{4'294'967'295}))
        ->capture_default_str();
    command.add_option("--train-rows", options.sampleCount, "So many of the other rows; 0 for all");
    addKey<std::int64_t>(command, options, "--epochs", "epochs", "Passes over the data (default: 1)");
    addKey<std::int64_t>(command, options, "--steps", "max_steps", "Optimiser steps instead of epochs");
    addKey<std::int64_t>(command, options, "--batch", "batch_examples", "Examples of a step (default: 16)");
    addKey<std::string>(command, options, "--schedule", "schedule", "linear, cosine or constant (default: linear)");
    addKey<double>(command, options, "--warm-up", "warmup_share", "Share of the steps (default: 0.1)");
    addKey<double>(command, options, "--weight-decay", "weight_decay", "(default: 0)");
    addKey<double>(command, options, "--clip", "clip_norm", "Norm that gradients are clipped to; 0: never (default: 1)");
    addKey<double>(command, options, "--l2-to-start", "l2_to_start",
                   "Strength of the pull back to the pretrained weights (default: 0)");
    addKey<std::int64_t>(command, options, "--lora-rank", "lora_rank",
                         "Train low-rank adapters of this rank, not the weights themselves (default: 0, the weights)");
    addKey<double>(command, options, "--lora-alpha", "lora_alpha", "Adapters count alpha / rank times (default: 16)");
    addKey<std::string>(command, options, "--lora-matrices", "lora_matrices",
                        "all, attention or mlp: matrices of the blocks that get one (default: all)");
    addKey<double>(command, options, "--head-first", "head_share",
                   "Share of the steps, at first, in which only the head is trained (default: 0)");
    command.add_option("--replay", options.replay, "File of pretraining text that is mixed into every step");
    addKey<double>(command, options, "--replay-share", "replay_share", "Weight of that text in the loss");
    addKey<std::int64_t>(command, options, "--replay-tokens", "replay_tokens", "Tokens of a window of that text (default: 128)");
    command.add_option("--keep-gb", options.keepGigabytes,
                       "Keep tuned weights, for tasks of later runs, as long as all that the study keeps fits into so many GB "
                       "and the disk has 256 MB free for results")
        ->check(zeroOrMore());
    command.add_option("--state-seconds", options.stateSeconds,
                       "Seconds between two saved states of a training, from which a killed one goes on (default: 30, or longer where "
                       "saving would cost above 1 % of the time); 0: after every step")
        ->check(zeroOrMore());
    command.add_flag("--recompute-activations", options.recompute,
                     "Activation checkpointing: less memory, up to a quarter more time, the same numbers");
}

Result<study::Task> tuningTask(const TuningOptions& options, const series::Series& series) {
    CREST_TRY(named, namedFile(options.data));
    data::TuningDataSettings settings;
    settings.path = named.file;
    settings.form = options.form;
    settings.chat = options.chat;
    settings.lossOn = options.learnAll ? data::LossOn::All : data::LossOn::Completions;
    settings.tooLong = options.drop ? data::TooLong::Drop : data::TooLong::Truncate;
    for (const series::Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.spec && checkpoint.spec->contextLength >= 2)
            settings.maxTokens = std::min(settings.maxTokens, checkpoint.spec->contextLength);
    if (options.maxTokens > 0)
        settings.maxTokens = options.maxTokens;
    settings.split.heldOutShare = options.heldOutShare;
    settings.split.heldOutCount = options.heldOutCount;
    settings.split.splitSeed = static_cast<std::uint32_t>(options.splitSeed);
    settings.split.sampleCount = options.sampleCount;
    CREST_CHECK(data::checkTuningData(settings, "--tune " + options.data));
    const fs::path resources = resourcesFolder();
    if (resources.empty())
        return fail(ErrorKind::NotFound,
                    "Crest's resources folder, which holds the forms of fine-tuning data, is not there; set "
                    "CREST_RESOURCES to it.");
    CREST_TRY(resolved, data::resolveTuningData(settings, resources / "tuning"));
    resolved.path.clear();
    study::Task task;
    task.name = named.name;
    task.kind = study::TaskKind::TuningLoss;
    task.textsPath = named.file;
    task.definition = canonicalJson(data::tuningDataToJson(resolved));
    return task;
}

Result<std::vector<std::string>> tuningNotes(const study::Plan& plan, const JobContext& job) {
    std::vector<std::string> lines;
    for (const study::Task& task : plan.tasks) {
        if (task.kind != study::TaskKind::TuningLoss)
            continue;
        CREST_TRY(json, parseJson(task.definition, task.name));
        CREST_TRY(settings, data::tuningDataFromJson(json, task.name));
        settings.path = task.textsPath;
        std::set<std::string> tokenizers;
        std::optional<Error> problem;
        bool read = false;
        for (const study::PlannedCheckpoint& checkpoint : plan.checkpoints) {
            if (!tokenizers.insert(checkpoint.tokenizer).second)
                continue;
            const auto notes = notesOf(settings, checkpoint.path, job);
            read = read || notes.has_value();
            if (!notes && !problem)
                problem = notes.error();
            for (const std::string& note : notes.value_or(std::vector<std::string>{}))
                if (const std::string line = task.name + ": " + note; std::ranges::find(lines, line) == lines.end())
                    lines.push_back(line);
        }
        if (problem && (!read || job.stopRequested()))
            return fail(*problem);
    }
    const std::vector<std::string> replayed = study::replayNotes(plan);
    lines.insert(lines.end(), replayed.begin(), replayed.end());
    return lines;
}

Result<Json> tuningSettings(const TuningOptions& options) {
    CREST_TRY(named, namedFile(options.data));
    CREST_TRY(training, train::fineTuneSettingsFromJson(options.training, "options of the training"));
    Json settings = {{"data_task", named.name}, {"training", train::toJson(training)}};
    if (!options.replay.empty())
        settings["replay"] = absolutePath(options.replay);
    if (options.keepGigabytes > 0)
        settings["keep_bytes"] = static_cast<std::int64_t>(std::min(options.keepGigabytes * 1e9, 9e18));
    if (options.stateSeconds >= 0)
        settings["state_seconds"] = options.stateSeconds;
    if (options.recompute)
        settings["recompute_activations"] = true;
    if (options.interpolatedRate > 0)
        settings["learning_rate"] = options.interpolatedRate;
    return settings;
}

} // namespace crest
