// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/checkpoint_records.h"
#include "core/series/folder_stamp.h"
#include "core/series/number_health.h"
#include "core/series/tokenizer_files.h"
#include "core/series/weight_files.h"
#include "core/series/weights.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = 8u << 20;
constexpr std::size_t kLookBytes = 64u << 10; ///< still near the processor when it is looked at again
constexpr std::size_t kMaxRemembered = 50'000;
/// A file changed this short before it was read could change again without a new time stamp.
constexpr std::int64_t kSettledNanoseconds = 100'000'000;

/// What configFromDecoderSpec leaves out because Crest trains no such model. Only where it is not the usual, so that
/// the fingerprints of usual models stay what they were.
void addRareFacts(Json& config, const DecoderSpec& spec) {
    const RopeScaling& scaling = spec.ropeScaling;
    if (!spec.windows.empty())
        config["crest_windows"] = Json{spec.windows, spec.windowRopeBase};
    if (spec.clipQkv != 0)
        config["crest_clip_qkv"] = spec.clipQkv;
    if (spec.attentionScaleByLayer)
        config["crest_attention_scale_by_layer"] = true;
    if (spec.normPlacement == NormPlacement::AfterSum || !spec.finalNorm)
        config["crest_norms"] = Json{static_cast<int>(spec.normPlacement), spec.finalNorm};
    if (scaling.kind != RopeScaling::Kind::None)
        config["crest_rope_scaling"] =
            Json{static_cast<int>(scaling.kind), scaling.factor,   scaling.originalContext, scaling.lowFrequency,
                 scaling.highFrequency,          scaling.betaFast, scaling.betaSlow,        scaling.truncate,
                 scaling.attentionFactor};
    // Dynamic scaling starts where the context ends.
    if (scaling.kind == RopeScaling::Kind::Dynamic)
        config["crest_context"] = spec.contextLength;
}

/// The facts of a spec that change results; the context length does not.
std::string specText(const DecoderSpec& spec) {
    Json config = configFromDecoderSpec(spec);
    config.erase("max_position_embeddings");
    addRareFacts(config, spec);
    return canonicalJson(config);
}

/// What tells that a file is unchanged.
struct FileIdentity {
    std::string text;
    std::int64_t changedNs = 0;
};

Result<FileIdentity> identityOf(const fs::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0)
        return fail(io::systemError(errno, "look at", file));
    const auto nanoseconds = [](const timespec& time) {
        return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::int64_t>(time.tv_nsec);
    };
    return FileIdentity{fmt::format("{}:{}:{}:{}:{}", status.st_dev, status.st_ino, status.st_size,
                                    nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)),
                        std::max(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim))};
}

/// Of all files that hold the weights, and the spec.
Result<FileIdentity> identityOf(const WeightFiles& files, const DecoderSpec& spec) {
    FileIdentity all;
    all.text = specText(spec);
    for (const WeightFile& file : files.files) {
        CREST_TRY(one, identityOf(file.path));
        all.text += fmt::format("\n{} {}", file.path.filename().string(), one.text);
        all.changedNs = std::max(all.changedNs, one.changedNs);
    }
    all.text = sha256Hex(all.text);
    return all;
}

/// The remembered fingerprints; an unreadable cache is an empty one.
Json readCache(const fs::path& cacheFile) {
    const auto text = io::readTextFile(cacheFile);
    const auto json = text ? parseJson(*text, cacheFile.string()) : Result<Json>(Json());
    if (json && json->is_object() && json->value("format", Json()) == 1 && json->contains("fingerprints") &&
        (*json)["fingerprints"].is_object())
        return *json;
    return Json{{"format", 1}, {"fingerprints", Json::object()}};
}

bool isFingerprint(const Json& value) {
    return value.is_string() && value.get_ref<const std::string&>().size() == 64 &&
           value.get_ref<const std::string&>().find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// What is remembered of an identity. Older versions kept the fingerprint alone: then it is read again.
std::optional<CheckedWeights> rememberedWeights(const Json& cache, const std::string& identity) {
    const auto entry = cache["fingerprints"].find(identity);
    if (entry == cache["fingerprints"].end() || !entry->is_object() || !isFingerprint(entry->value("sha256", Json())) ||
        !entry->value("unsound", Json()).is_string())
        return std::nullopt;
    return CheckedWeights{(*entry)["sha256"].get<std::string>(), (*entry)["unsound"].get<std::string>()};
}

/// Best effort: a cache that cannot be written only costs time.
void remember(const fs::path& cacheFile, const std::string& identity, const CheckedWeights& weights) {
    std::error_code error;
    fs::create_directories(cacheFile.parent_path(), error);
    fs::path lockFile = cacheFile;
    lockFile += ".lock";
    const auto lock = io::FileLock::tryLock(lockFile);
    if (!lock)
        return;
    Json cache = readCache(cacheFile);
    if (cache["fingerprints"].size() >= kMaxRemembered)
        cache["fingerprints"].clear();
    cache["fingerprints"][identity] = Json{{"sha256", weights.fingerprint}, {"unsound", weights.unsound}};
    static_cast<void>(io::writeFileAtomic(cacheFile, canonicalJson(cache)));
}

/// The tensors with one fault: the first is named, the others are counted.
struct Fault {
    std::string first; ///< with its counts
    int more = 0;
    void add(std::string found) {
        if (first.empty())
            first = std::move(found);
        else
            ++more;
    }
    std::string text() const {
        const std::string others = more == 0 ? "" : fmt::format("; so {} {} more", more == 1 ? "does" : "do", more);
        return first.empty() ? "" : fmt::format("{}{}.", first, others);
    }
};

struct Faults {
    Fault notFinite, zeros;

    void add(const std::string& name, const StoredTensor& tensor, const NumberHealth& health) {
        if (health.nans() + health.infinities() > 0)
            notFinite.add(fmt::format("Tensor \"{}\" holds {} NaN and {} Inf", name, health.nans(), health.infinities()));
        if (tensor.shape.size() > 1 && !tensor.bytes.empty() && health.onlyZeros())
            zeros.add(fmt::format("Tensor \"{}\" holds only zeros, as where a download was not finished", name));
    }
    std::string text() const {
        const std::string first = notFinite.text(), second = zeros.text();
        return first.empty() || second.empty() ? first + second : first + " " + second;
    }
};

} // namespace

Result<std::string> folderStamp(const fs::path& checkpoint) {
    std::vector<fs::path> files, folders{tokenizerFolder(checkpoint)};
    std::error_code error;
    if (fs::is_regular_file(checkpoint, error))
        files.push_back(checkpoint);
    else if (folders.front() != checkpoint)
        folders.push_back(checkpoint);
    for (const fs::path& folder : folders) {
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
            if (const std::string type = entry->path().extension().string();
                type == ".json" || type == ".txt" || type == ".model" || type == ".yaml" ||
                (folder == checkpoint && (type == ".safetensors" || type == ".bin" || type == ".pt")))
                files.push_back(entry->path());
        if (error)
            return fail(io::systemError(error.value(), "search", folder));
    }
    std::ranges::sort(files);
    std::string stamp;
    for (const fs::path& file : files) {
        CREST_TRY(one, identityOf(file));
        stamp += fmt::format("{} {}\n", file.filename().string(), one.text);
    }
    return stamp;
}

void markUnsound(Checkpoint& checkpoint, const CheckedWeights& weights) {
    if (!weights.unsound.empty())
        mark(checkpoint, CheckpointState::Suspect, weights.unsound);
}

Result<CheckedWeights> checkWeights(const CheckpointWeights& weights, const DecoderSpec& spec, const JobContext& job) {
    std::int64_t total = 0, done = 0;
    for (const auto& [name, tensor] : weights.tensors())
        total += static_cast<std::int64_t>(tensor.bytes.size());
    Sha256 hash;
    Faults faults;
    hash.update("crest weights 1\n").update(specText(spec)).update("\n");
    for (const auto& [name, tensor] : weights.tensors()) {
        // Lengths first, so that no two different lists of tensors give the same bytes.
        hash.update(fmt::format("{} {} {} [{}] {}\n", name.size(), name, io::dtypeName(tensor.dtype),
                                fmt::join(tensor.shape, ","), tensor.bytes.size()));
        NumberHealth health(tensor.dtype);
        for (std::size_t at = 0; at < tensor.bytes.size(); at += kChunkBytes) {
            if (job.stopRequested())
                return stopped();
            const auto chunk = tensor.bytes.subspan(at, std::min(kChunkBytes, tensor.bytes.size() - at));
            for (std::size_t from = 0; from < chunk.size(); from += kLookBytes) {
                const auto part = chunk.subspan(from, std::min(kLookBytes, chunk.size() - from));
                hash.update(part);
                health.look(part);
            }
            weights.release(chunk);
            done += static_cast<std::int64_t>(chunk.size());
            job.report(done, total, "bytes checked");
        }
        faults.add(name, tensor, health);
    }
    return CheckedWeights{hash.finishHex(), faults.text()};
}

Result<std::string> fingerprintWeights(const CheckpointWeights& weights, const DecoderSpec& spec,
                                       const JobContext& job) {
    CREST_TRY(checked, checkWeights(weights, spec, job));
    return std::move(checked.fingerprint);
}

Result<CheckedWeights> checkCheckpoint(const fs::path& folder, const DecoderSpec& spec, const fs::path& cacheFile,
                                       const JobContext& job) {
    CREST_TRY(files, readWeightFiles(folder));
    CREST_TRY(identity, identityOf(files, spec));
    if (auto remembered = rememberedWeights(readCache(cacheFile), identity.text))
        return std::move(*remembered);
    const auto startNs =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    CREST_TRY(weights, CheckpointWeights::open(folder, spec));
    weights.willNeed();
    CREST_TRY(checked, checkWeights(weights, spec, job));
    CREST_TRY(after, identityOf(files, spec));
    if (after.text != identity.text)
        return fail(ErrorKind::Io, "The weights changed while they were read; try again when nothing writes them.",
                    folder.string());
    if (identity.changedNs < startNs - kSettledNanoseconds)
        remember(cacheFile, identity.text, checked);
    return checked;
}

Result<std::string> fingerprintCheckpoint(const fs::path& folder, const DecoderSpec& spec, const fs::path& cacheFile,
                                          const JobContext& job) {
    CREST_TRY(checked, checkCheckpoint(folder, spec, cacheFile, job));
    return std::move(checked.fingerprint);
}

} // namespace crest::series
