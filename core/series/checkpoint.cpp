// SPDX-License-Identifier: Apache-2.0
// One checkpoint, a folder or a nanoGPT file: its record, config and headers, and what is wrong with them.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/checkpoint_records.h"
#include "core/series/find_checkpoints.h"
#include "core/series/init_std.h"
#include "core/series/nanogpt.h"
#include "core/series/olmo_native.h"
#include "core/series/series.h"
#include "core/series/tokenizer_files.h"
#include "core/series/weight_files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShortCommit = 12;
constexpr std::size_t kNamedFiles = 3;

bool holdsWeights(const fs::path& folder) {
    return io::isThere(folder / "model.safetensors") || io::isThere(folder / "model.safetensors.index.json") ||
           io::isThere(folder / "pytorch_model.bin") || io::isThere(folder / "pytorch_model.bin.index.json");
}

void readNativeConfig(const fs::path& folder, Checkpoint& checkpoint) {
    const auto native = readNativeOlmo(folder);
    if (!native)
        return mark(checkpoint, CheckpointState::Broken, native.error().text());
    checkpoint.family = "hf_olmo";
    if (native->tokensPerStep)
        checkpoint.tokensPerStep = static_cast<double>(*native->tokensPerStep);
    auto spec = decoderSpecFromConfig(native->config, (folder / "config.yaml").string());
    if (!spec)
        return mark(checkpoint, CheckpointState::Broken, spec.error().text());
    checkpoint.spec = std::move(*spec);
}

void readConfig(const fs::path& folder, Checkpoint& checkpoint) {
    const fs::path file = folder / "config.json";
    if (isNativeOlmo(folder))
        return readNativeConfig(folder, checkpoint);
    if (!io::isThere(file))
        return mark(checkpoint, CheckpointState::Broken, folder.string() + ": config.json is missing.");
    const auto config = readSmallJson(file);
    if (!config)
        return mark(checkpoint, CheckpointState::Broken, config.error().text());
    if (const auto type = requireString(*config, "model_type", file.string()))
        checkpoint.family = type->substr(0, 80);
    auto spec = decoderSpecFromConfig(*config, file.string());
    if (!spec)
        return mark(checkpoint, CheckpointState::Broken, spec.error().text());
    checkpoint.spec = std::move(*spec);
}

/// The hashes of all weight files, where the hub's client left them.
std::string contentIdOf(const WeightFiles& files) {
    std::string all;
    for (const WeightFile& file : files.files) {
        const std::string one = hubContentId(file.path);
        if (one.empty())
            return {};
        all += (all.empty() ? "" : "+") + one;
    }
    return all;
}

/// Parts of two checkpoints, perhaps: of each shard the type that most of its bytes have.
std::string mixedTypes(const WeightFiles& files) {
    std::map<std::string, std::string> firstFile; // by type
    for (const WeightFile& file : files.files) {
        std::map<std::string, std::uint64_t> bytes;
        for (const io::TensorEntry& tensor : file.header.tensors)
            bytes[tensor.dtypeText] += tensor.end - tensor.begin;
        const auto most = std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        if (most != bytes.end())
            firstFile.emplace(most->first, file.path.filename().string());
    }
    std::string said;
    for (const auto& [type, file] : firstFile)
        said += fmt::format("{}{} in {}", said.empty() ? "" : ", ", type, file);
    return firstFile.size() < 2 ? "" : fmt::format("Its shards are stored in different types ({}): parts of two checkpoints, perhaps.", said);
}

/// A head of its own, although config.json ties it to the embedding: both are kept, as transformers 5 does.
void untieStoredHead(const WeightFiles& files, const TensorPlaces& places, Checkpoint& checkpoint) {
    if (!storedHeadDiffers(files, places, *checkpoint.spec))
        return;
    checkpoint.spec->tiedHead = false;
    if (checkpoint.state == CheckpointState::Ok)
        checkpoint.reason = fmt::format("config.json ties the head to the embedding (\"tie_word_embeddings\"), but \"{}\" is "
                                        "stored and differs from it; the stored head is used.",
                                        places.tiedHead.begin()->first);
}

/// Stored beside what the decoder has, and left out, as transformers does with a warning.
std::string unusedTensors(const TensorPlaces& places) {
    if (places.unused.empty())
        return {};
    const std::size_t more = places.unused.size() - 1;
    return fmt::format("Tensor \"{}\"{} no place in the model that config.json describes, and {} left out: is it the config of these "
                       "weights?",
                       places.unused.front(), more == 0 ? " has" : fmt::format(" and {} more have", more), more == 0 ? "is" : "are");
}

/// What headers tell of a second form of the weights in the same folder (formats.md 2.1: do both belong to one revision?). Other
/// tensors are suspect; another type alone is worth knowing.
void compareForms(const fs::path& path, const WeightFiles& used, const TensorPlaces& places, Checkpoint& checkpoint) {
    for (const WeightFiles& other : readOtherWeights(path, used)) {
        const auto otherPlaces = placeTensors(other, *checkpoint.spec, other.name);
        if (!otherPlaces) {
            mark(checkpoint, CheckpointState::Suspect,
                 fmt::format("{} and {} are here and differ, so they may be of two checkpoints; {} is used. Of {}: {}", used.name,
                             other.name, used.name, other.name, otherPlaces.error().message));
            continue;
        }
        const auto differs = [&](const auto& tensor) { return otherPlaces->byName.at(tensor.first).entry.dtype != tensor.second.entry.dtype; };
        const auto tensor = std::ranges::find_if(places.byName, differs);
        if (tensor != places.byName.end() && checkpoint.state == CheckpointState::Ok && checkpoint.reason.empty())
            checkpoint.reason = fmt::format("{} is used; {} beside it stores \"{}\" as {}, not {}.", used.name, other.name, tensor->first,
                                            otherPlaces->byName.at(tensor->first).entry.dtypeText, tensor->second.entry.dtypeText);
    }
}

void readWeights(const fs::path& path, Checkpoint& checkpoint, bool incompleteBlobs = false) {
    const auto files = readWeightFiles(path);
    if (!files && files.error().kind == ErrorKind::NotFound && incompleteBlobs)
        return mark(
            checkpoint, CheckpointState::Broken,
            "The download is not complete: the cache holds unfinished files (.incomplete); run the same download "
            "again.");
    if (!files && files.error().kind == ErrorKind::NotFound && isNativeOlmo(path) && !io::isThere(path / "model.pt"))
        return mark(checkpoint, CheckpointState::Broken,
                    "There is neither model.pt nor model.safetensors: a checkpoint of OLMo's trainer in parts is not "
                    "read. Put it together with its scripts/unshard.py.");
    if (!files)
        return mark(checkpoint, CheckpointState::Broken, files.error().text());
    checkpoint.format = weightFormatName(files->format);
    checkpoint.weightBytes = files->bytes;
    checkpoint.contentId = contentIdOf(*files);
    if (!checkpoint.spec)
        return;
    const auto places = placeTensors(*files, *checkpoint.spec, path.string());
    if (!places)
        return mark(checkpoint, CheckpointState::Broken, places.error().text());
    untieStoredHead(*files, *places, checkpoint);
    for (const std::string& found : {mixedTypes(*files), unusedTensors(*places)})
        if (!found.empty())
            mark(checkpoint, CheckpointState::Suspect, found);
    compareForms(path, *files, *places, checkpoint);
}

void checkTokenizer(const fs::path& path, Checkpoint& checkpoint) {
    if (const auto files = tokenizerFiles(path); !files)
        mark(checkpoint, CheckpointState::Broken, files.error().text());
}

/// The name under which a snapshot of the hub's cache is known: its revision, or its repository where each checkpoint
/// has one of its own (TinyLlama), or its commit.
void nameSnapshot(const HubRepository& repository, Checkpoint& checkpoint) {
    checkpoint.commit = checkpoint.path.filename().string();
    const auto refs = repository.refs.find(checkpoint.commit);
    if (refs == repository.refs.end()) {
        checkpoint.name = checkpoint.commit.substr(0, kShortCommit);
        checkpoint.unnamedRevision = true;
        return;
    }
    checkpoint.name = refs->second.front();
    checkpoint.aliases.assign(refs->second.begin() + 1, refs->second.end());
    const ParsedName own = parseCheckpointName(repository.shortName());
    if (parseCheckpointName(checkpoint.name).final && (own.step || own.tokens)) {
        checkpoint.aliases.insert(checkpoint.aliases.begin(), checkpoint.name);
        checkpoint.name = repository.shortName();
    }
}

void nameIt(const FoundCheckpoint& place, Checkpoint& checkpoint) {
    checkpoint.name = checkpoint.path.filename().string();
    if (place.repository)
        nameSnapshot(*place.repository, checkpoint);
    // A copy of ckpt.pt in a folder of its own: the folder's name says more.
    const std::string parent = checkpoint.path.parent_path().filename().string();
    const ParsedName around = parseCheckpointName(parent);
    if (place.isFile && checkpoint.path.stem() == "ckpt" && (around.step || around.tokens))
        checkpoint.name = parent;
    checkpoint.foundName = checkpoint.name;
}

/// What the hub's list of the commit names and was not downloaded.
void markMissing(const FoundCheckpoint& place, Checkpoint& checkpoint) {
    if (checkpoint.commit.empty())
        return;
    const auto committed = committedFiles(place.path, checkpoint.commit, place.repository.get());
    const std::vector<std::string> missing = missingFiles(place.path, committed);
    if (missing.empty())
        return;
    std::string named;
    for (std::size_t i = 0; i < missing.size() && i < kNamedFiles; ++i)
        named += (i == 0 ? "" : ", ") + missing[i];
    if (missing.size() > kNamedFiles)
        named += fmt::format(" and {} more", missing.size() - kNamedFiles);
    mark(checkpoint, CheckpointState::Broken,
         fmt::format("Not all of this revision was downloaded: {} {} missing; run the same download again.", named,
                     missing.size() == 1 ? "is" : "are"));
}

void readFolder(const FoundCheckpoint& place, CheckpointRead& out) {
    Checkpoint& checkpoint = out.checkpoint;
    std::error_code error;
    if ((void)fs::status(place.path / ".", error); error == std::errc::permission_denied)
        return mark(checkpoint, CheckpointState::Broken, io::systemError(error.value(), "open", place.path).message);
    const LocalDownload download = localDownload(place.path);
    if (download.incomplete)
        mark(checkpoint, CheckpointState::Broken, "The download is not complete; run the same download again.");
    if (checkpoint.commit.empty())
        checkpoint.commit = download.commit;
    out.recordedSeries = readCrestRecord(place.path, checkpoint);
    if (const std::string adapter = adapterReason(place.path); !adapter.empty() && !holdsWeights(place.path))
        mark(checkpoint, CheckpointState::Broken, adapter);
    markMissing(place, checkpoint);
    readConfig(place.path, checkpoint);
    readWeights(place.path, checkpoint, place.repository && place.repository->incompleteBlobs);
    checkTokenizer(place.path, checkpoint);
    readTrainerState(place.path, checkpoint);
    if (checkpoint.name.starts_with("tmp-checkpoint-"))
        mark(checkpoint, CheckpointState::Suspect,
             "The Trainer was still writing it (it takes \"tmp-\" off the name once all is there); if training has ended, it "
             "is not whole.");
}

void readFile(const FoundCheckpoint& place, CheckpointRead& out) {
    Checkpoint& checkpoint = out.checkpoint;
    checkpoint.family = "nanogpt";
    checkpoint.format = weightFormatName(WeightFormat::NanoGpt);
    std::error_code error;
    if (!fs::exists(place.path, error) && fs::is_symlink(fs::symlink_status(place.path, error)))
        return mark(checkpoint, CheckpointState::Broken,
                    "This link leads to a file that is not there; copy the checkpoint with its targets.");
    const auto file = readNanoGpt(place.path);
    if (!file || !*file) {
        out.isNone = place.maybe;
        return mark(
            checkpoint, CheckpointState::Broken,
            file ? "This file is no checkpoint of nanoGPT: it has no \"model_args\". A state dict alone is read as "
                   "pytorch_model.bin beside a config.json."
                 : file.error().text());
    }
    checkpoint.step = (*file)->iteration;
    checkpoint.stepRecorded = checkpoint.step.has_value();
    if ((*file)->tokensPerStep)
        checkpoint.tokensPerStep = static_cast<double>(*(*file)->tokensPerStep);
    auto spec = decoderSpecFromConfig((*file)->config, place.path.string());
    if (spec)
        checkpoint.spec = std::move(*spec);
    else
        mark(checkpoint, CheckpointState::Broken, spec.error().text());
    readWeights(place.path, checkpoint);
    checkTokenizer(place.path, checkpoint);
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

const char* tokensSourceName(TokensSource source) {
    switch (source) {
    case TokensSource::User:
        return "user";
    case TokensSource::Metadata:
        return "metadata";
    case TokensSource::FamilyRule:
        return "family rule";
    case TokensSource::Label:
        return "label";
    case TokensSource::Config:
        return "config";
    case TokensSource::Unknown:
        return "unknown";
    }
    return "unknown";
}

void readName(Checkpoint& checkpoint) {
    const ParsedName parsed = parseCheckpointName(checkpoint.name);
    if (!checkpoint.stepRecorded)
        checkpoint.step = parsed.step;
    checkpoint.stage = parsed.stage;
    checkpoint.branch = parsed.branch;
    checkpoint.isFinal = parsed.final;
}

CheckpointRead readPlace(const FoundCheckpoint& place) {
    CheckpointRead out;
    Checkpoint& checkpoint = out.checkpoint;
    checkpoint.path = place.path;
    nameIt(place, checkpoint);
    if (place.isFile)
        readFile(place, out);
    else
        readFolder(place, out);
    readName(checkpoint);
    checkpoint.isFinal = checkpoint.isFinal || (place.holdsOthers && !checkpoint.step);
    if (checkpoint.initStd.empty() && checkpoint.spec) {
        checkpoint.initStd = familyInitStd(*checkpoint.spec, checkpoint.path.string());
        if (!checkpoint.initStd.empty())
            checkpoint.initStdSource = checkpoint.family;
    }
    return out;
}

CheckpointRead readCheckpoint(const fs::path& path) {
    return readPlace(placeOf(path));
}

} // namespace crest::series
