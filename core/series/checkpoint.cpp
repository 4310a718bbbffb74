// SPDX-License-Identifier: Apache-2.0
// One checkpoint folder: its record, config and headers, and what is wrong with them.
#include <cmath>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/init_std.h"
#include "core/series/series.h"
#include "core/series/weight_files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxTokens = std::int64_t{1} << 62;
constexpr std::uint64_t kMaxSmallFile = 64'000'000;

bool isThere(const fs::path& path) {
    std::error_code error;
    return fs::exists(fs::symlink_status(path, error));
}

Result<Json> readJsonFile(const fs::path& file) {
    CREST_TRY(text, io::readTextFile(file, kMaxSmallFile));
    if (io::isGitLfsPointer(text))
        return fail(ErrorKind::Malformed,
                    "This is a git-lfs pointer, not the file; run `git lfs pull` in its repository.", file.string());
    return parseJson(text, file.string());
}

/// The first thing that is worse than what was found before wins.
void mark(Checkpoint& checkpoint, CheckpointState state, const std::string& reason) {
    const bool worse = checkpoint.state == CheckpointState::Ok ||
                       (checkpoint.state == CheckpointState::Suspect && state == CheckpointState::Broken);
    if (!worse)
        return;
    checkpoint.state = state;
    // Rows and issues name the checkpoint already: only the file within it is left.
    const std::string folder = checkpoint.path.string();
    const bool inside = reason.starts_with(folder) && reason.size() > folder.size() + 1;
    const bool itself = inside && reason.substr(folder.size()).starts_with(": ");
    checkpoint.reason = !inside ? reason : reason.substr(folder.size() + (itself ? 2 : 1));
}

std::optional<std::int64_t> optionalInt(const Json& object, const char* key, const std::string& where, std::int64_t low,
                                        Checkpoint& checkpoint) {
    if (!object.contains(key) || object[key].is_null())
        return std::nullopt;
    const auto value = requireInt(object, key, where, low, kMaxTokens);
    if (!value)
        mark(checkpoint, CheckpointState::Suspect, value.error().text());
    return value ? std::optional<std::int64_t>(*value) : std::nullopt;
}

void readInitStd(const Json& record, const std::string& where, Checkpoint& checkpoint) {
    const auto table = record.find("init_std");
    if (table == record.end() || table->is_null())
        return;
    std::map<std::string, double> found;
    bool sound = table->is_object();
    if (sound)
        for (const auto& [tensor, value] : table->items()) {
            sound = sound && value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() >= 0;
            if (sound && value.get<double>() > 0)
                found[tensor] = value.get<double>();
        }
    if (!sound)
        return mark(checkpoint, CheckpointState::Suspect,
                    where +
                        ": \"init_std\" must give a standard deviation of at least 0 for each tensor; it is not used.");
    checkpoint.initStd = std::move(found);
    checkpoint.initStdSource = checkpoint.initStd.empty() ? "" : "crest.json";
}

/// crest.json, written by `crest-run pretrain` beside each checkpoint.
std::string readRecord(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "crest.json";
    if (!isThere(file))
        return {};
    const auto record = readJsonFile(file);
    if (!record) {
        mark(checkpoint, CheckpointState::Suspect, record.error().text());
        return {};
    }
    const std::string where = file.string();
    if (const auto format = requireInt(*record, "format", where, 1, 1); !format) {
        mark(checkpoint, CheckpointState::Suspect,
             format.error().text() + "; it was written by another version and is not used.");
        return {};
    }
    checkpoint.tokens = optionalInt(*record, "tokens", where, 0, checkpoint);
    if (checkpoint.tokens)
        checkpoint.tokensSource = TokensSource::Metadata;
    checkpoint.step = optionalInt(*record, "step", where, 0, checkpoint);
    checkpoint.pretrainSeed = optionalInt(*record, "pretrain_seed", where, -kMaxTokens, checkpoint);
    if (const auto annealed = record->find("annealed"); annealed != record->end() && annealed->is_boolean())
        checkpoint.annealed = annealed->get<bool>();
    readInitStd(*record, where, checkpoint);
    const auto name = record->find("series");
    return name != record->end() && name->is_string() ? name->get<std::string>() : std::string();
}

/// What the Trainer of transformers leaves: its step, and the tokens where it was asked to count them.
void readTrainerState(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "trainer_state.json";
    if (!isThere(file))
        return;
    const auto state = readJsonFile(file);
    if (!state || !state->is_object())
        return;
    const auto step = requireInt(*state, "global_step", file.string(), 0, kMaxTokens);
    const auto tokens = requireInt(*state, "num_input_tokens_seen", file.string(), 1, kMaxTokens);
    if (step && !checkpoint.step)
        checkpoint.step = *step;
    if (tokens && !checkpoint.tokens) {
        checkpoint.tokens = *tokens;
        checkpoint.tokensSource = TokensSource::Metadata;
    }
}

void readConfig(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "config.json";
    if (!isThere(file))
        return mark(checkpoint, CheckpointState::Broken, file.string() + ": config.json is missing.");
    const auto config = readJsonFile(file);
    if (!config)
        return mark(checkpoint, CheckpointState::Broken, config.error().text());
    if (const auto type = requireString(*config, "model_type", file.string()))
        checkpoint.family = *type;
    auto spec = decoderSpecFromConfig(*config, file.string());
    if (!spec)
        return mark(checkpoint, CheckpointState::Broken, spec.error().text());
    checkpoint.spec = std::move(*spec);
}

void readWeights(const fs::path& folder, Checkpoint& checkpoint) {
    const auto files = readWeightFiles(folder);
    if (!files)
        return mark(checkpoint, CheckpointState::Broken, files.error().text());
    checkpoint.format = weightFormatName(files->format);
    checkpoint.weightBytes = files->bytes;
    if (!checkpoint.spec)
        return;
    const auto places = placeTensors(*files, *checkpoint.spec, folder.string());
    if (!places)
        mark(checkpoint, CheckpointState::Broken, places.error().text());
}

void checkTokenizer(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "tokenizer.json";
    const auto head = io::readFileHead(file, 64);
    if (!head && head.error().kind == ErrorKind::NotFound)
        return mark(checkpoint, CheckpointState::Broken,
                    file.string() + ": the tokenizer is missing; copy tokenizer.json into the checkpoint's folder.");
    if (!head)
        return mark(checkpoint, CheckpointState::Broken, head.error().text());
    if (io::isGitLfsPointer(head->bytes) || head->fileSize == 0)
        mark(checkpoint, CheckpointState::Broken,
             file.string() + (head->fileSize == 0
                                  ? ": the tokenizer is an empty file."
                                  : ": this is a git-lfs pointer, not the tokenizer; run `git lfs pull`."));
}

/// Partial files of `hf download` in the folder's own cache.
void checkDownload(const fs::path& folder, Checkpoint& checkpoint) {
    std::error_code error;
    for (fs::directory_iterator entry(folder / ".cache/huggingface/download", error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().extension() == ".incomplete")
            return mark(checkpoint, CheckpointState::Broken,
                        folder.string() + ": the download is not complete; run the same download again.");
}

} // namespace

const char* checkpointStateName(CheckpointState state) {
    switch (state) {
    case CheckpointState::Ok:
        return "ok";
    case CheckpointState::Suspect:
        return "suspect";
    case CheckpointState::Broken:
        return "broken";
    case CheckpointState::Excluded:
        return "excluded";
    }
    return "broken";
}

CheckpointRead readCheckpoint(const fs::path& folder) {
    CheckpointRead out;
    Checkpoint& checkpoint = out.checkpoint;
    std::error_code error;
    checkpoint.path = fs::absolute(folder, error).lexically_normal();
    if (!checkpoint.path.has_filename())
        checkpoint.path = checkpoint.path.parent_path();
    checkpoint.name = checkpoint.path.filename().string();
    checkDownload(checkpoint.path, checkpoint);
    out.recordedSeries = readRecord(checkpoint.path, checkpoint);
    readConfig(checkpoint.path, checkpoint);
    readWeights(checkpoint.path, checkpoint);
    checkTokenizer(checkpoint.path, checkpoint);
    readTrainerState(checkpoint.path, checkpoint);
    const ParsedName parsed = parseCheckpointName(checkpoint.name);
    if (!checkpoint.step)
        checkpoint.step = parsed.step;
    checkpoint.stage = parsed.stage;
    if (checkpoint.initStd.empty() && checkpoint.spec) {
        checkpoint.initStd = familyInitStd(*checkpoint.spec, checkpoint.path.string());
        if (!checkpoint.initStd.empty())
            checkpoint.initStdSource = checkpoint.family;
    }
    return out;
}

} // namespace crest::series
