// SPDX-License-Identifier: Apache-2.0
#include "core/series/checkpoint_records.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "core/io/files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxRecordBytes = 2'000'000; // init_std names every tensor
constexpr std::size_t kMaxSeriesName = 200;
constexpr std::uint64_t kMaxWholeState = 200'000;
constexpr std::uint64_t kStateEnds = 32'768;

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

/// The series' name; one that a study could not have either (control characters, endless) is not used.
std::string recordedSeries(const Json& record, const std::string& where, Checkpoint& checkpoint) {
    const auto found = record.find("series");
    if (found == record.end() || !found->is_string())
        return {};
    auto name = found->get<std::string>();
    const auto isControl = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (name.size() <= kMaxSeriesName && std::ranges::none_of(name, isControl))
        return name;
    mark(checkpoint, CheckpointState::Suspect,
         fmt::format("{}: \"series\" must be a name of at most {} bytes without control characters; it is not used.", where, kMaxSeriesName));
    return {};
}

/// The number of a key of the root of a JSON text that is indented by two spaces.
std::optional<std::int64_t> rootNumber(std::string_view text, const std::string& key) {
    const std::string wanted = fmt::format("\n  \"{}\": ", key);
    const std::size_t at = text.find(wanted);
    if (at == std::string_view::npos)
        return std::nullopt;
    const char* begin = text.data() + at + wanted.size();
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(begin, text.data() + text.size(), value);
    const bool whole = code == std::errc() && end != text.data() + text.size() && (*end == ',' || *end == '\n');
    return whole && value >= 0 && value <= kMaxTokens ? std::optional(value) : std::nullopt;
}

/// The Trainer writes its keys sorted and indented; between global_step and num_input_tokens_seen stands the log of the
/// whole training, often tens of MB. Of a large file only both ends are read.
std::optional<TrainerNumbers> readTrainerNumbers(const fs::path& file) {
    auto head = io::readFileHead(file, kMaxWholeState);
    if (!head)
        return std::nullopt;
    if (head->fileSize <= kMaxWholeState)
        return trainerNumbers(head->bytes);
    std::ifstream in(file, std::ios::binary);
    std::string tail(kStateEnds, ' ');
    in.seekg(-static_cast<std::streamoff>(kStateEnds), std::ios::end);
    in.read(tail.data(), static_cast<std::streamsize>(tail.size()));
    return trainerNumbers(head->bytes, tail);
}

} // namespace

void mark(Checkpoint& checkpoint, CheckpointState state, const std::string& reason) {
    const bool worse = checkpoint.state == CheckpointState::Ok ||
                       (checkpoint.state == CheckpointState::Suspect && state == CheckpointState::Broken);
    if (!worse)
        return;
    checkpoint.state = state;
    // Rows and issues name the checkpoint already: only the file within it (or beside one that is a file) is left.
    checkpoint.reason = reason;
    const bool isFile = checkpoint.format == "ckpt.pt";
    for (const fs::path& known : {checkpoint.path, isFile ? checkpoint.path.parent_path() : checkpoint.path}) {
        const std::string folder = known.string();
        if (!reason.starts_with(folder) || reason.size() <= folder.size() + 2)
            continue;
        const char next = reason[folder.size()];
        if (next != '/' && next != ':')
            continue;
        checkpoint.reason = reason.substr(folder.size() + (next == ':' ? 2 : 1));
        return;
    }
}

Result<std::string> readSmallText(const fs::path& file, std::uint64_t maxBytes) {
    std::error_code error;
    if (!fs::exists(file, error) && fs::is_symlink(fs::symlink_status(file, error)))
        return fail(ErrorKind::NotFound,
                    "This link leads to a file that is not there; copy the checkpoint with its targets.",
                    file.string());
    CREST_TRY(text, io::readTextFile(file, maxBytes));
    if (io::isGitLfsPointer(text))
        return fail(ErrorKind::Malformed,
                    "This is a git-lfs pointer, not the file; run `git lfs pull` in its repository.", file.string());
    return text;
}

Result<Json> readSmallJson(const fs::path& file, std::uint64_t maxBytes) {
    CREST_TRY(text, readSmallText(file, maxBytes));
    return parseJson(text, file.string());
}

std::string parseCrestRecord(std::string_view text, const std::string& where, Checkpoint& checkpoint) {
    const auto record = parseJson(text, where);
    if (!record) {
        mark(checkpoint, CheckpointState::Suspect, record.error().text());
        return {};
    }
    if (const auto format = requireInt(*record, "format", where, 1, 1); !format) {
        mark(checkpoint, CheckpointState::Suspect,
             format.error().text() + "; it was written by another version and is not used.");
        return {};
    }
    checkpoint.tokens = optionalInt(*record, "tokens", where, 0, checkpoint);
    if (checkpoint.tokens)
        checkpoint.tokensSource = TokensSource::Metadata;
    checkpoint.step = optionalInt(*record, "step", where, 0, checkpoint);
    checkpoint.stepRecorded = checkpoint.step.has_value();
    checkpoint.pretrainSeed = optionalInt(*record, "pretrain_seed", where, -kMaxTokens, checkpoint);
    if (const auto annealed = record->find("annealed"); annealed != record->end() && annealed->is_boolean())
        checkpoint.annealed = annealed->get<bool>();
    readInitStd(*record, where, checkpoint);
    return recordedSeries(*record, where, checkpoint);
}

std::string readCrestRecord(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "crest.json";
    if (!io::isThere(file))
        return {};
    const auto text = readSmallText(file, kMaxRecordBytes);
    if (text)
        return parseCrestRecord(*text, file.string(), checkpoint);
    mark(checkpoint, CheckpointState::Suspect, text.error().text());
    return {};
}

std::optional<TrainerNumbers> trainerNumbers(std::string_view text) {
    const auto state = parseJson(text, "trainer_state.json");
    if (!state || !state->is_object())
        return std::nullopt;
    const auto number = [&](const char* key) {
        const auto value = requireInt(*state, key, "trainer_state.json", 0, kMaxTokens);
        return value ? std::optional(*value) : std::nullopt;
    };
    return TrainerNumbers{number("global_step"), number("num_input_tokens_seen"), number("train_batch_size")};
}

TrainerNumbers trainerNumbers(std::string_view head, std::string_view tail) {
    return {rootNumber(head, "global_step"), rootNumber(tail, "num_input_tokens_seen"), rootNumber(tail, "train_batch_size")};
}

void readTrainerState(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "trainer_state.json";
    if (!io::isThere(file))
        return;
    const auto numbers = readTrainerNumbers(file);
    if (!numbers)
        return;
    if (numbers->step && !checkpoint.step) {
        checkpoint.step = numbers->step;
        checkpoint.stepRecorded = true;
    }
    if (numbers->tokens.value_or(0) > 0 && !checkpoint.tokens) {
        checkpoint.tokens = numbers->tokens;
        checkpoint.tokensSource = TokensSource::Metadata;
    }
    checkpoint.batchPerDevice = numbers->batch;
}

std::string adapterReason(const fs::path& folder) {
    if (!io::isThere(folder / "adapter_config.json"))
        return {};
    std::string base;
    if (const auto config = readSmallJson(folder / "adapter_config.json"); config && config->is_object())
        if (const auto name = requireString(*config, "base_model_name_or_path", ""))
            base = fmt::format(" to \"{}\"", name->substr(0, 200));
    return fmt::format("This folder holds only an adapter (LoRA){}, not a whole model; merge it into its base "
                       "(merge_and_unload of peft) and save that.",
                       base);
}

} // namespace crest::series
