// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/series/check_cache.h"
#include "core/series/checkpoint_records.h"
#include "core/series/file_identity.h"
#include "core/series/hub_digest.h"
#include "core/series/number_health.h"
#include "core/series/weight_check.h"
#include "core/series/weight_files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = 8u << 20;
constexpr std::size_t kLookBytes = 64u << 10; ///< still near the processor when it is looked at again
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

/// The files that checkCheckpoint reads.
struct CheckedFiles {
    WeightFiles weights;
    std::vector<WeightFiles> others; ///< second forms of them
    std::vector<HubFile> ofHub;
};

Result<CheckedFiles> filesToCheck(const fs::path& folder) {
    CREST_TRY(weights, readWeightFiles(folder));
    std::vector<fs::path> paths;
    for (const WeightFile& file : weights.files)
        paths.push_back(file.path);
    std::vector<HubFile> ofHub = hubFiles(folder, paths);
    std::vector<WeightFiles> others = readOtherWeights(folder, weights);
    return CheckedFiles{std::move(weights), std::move(others), std::move(ofHub)};
}

/// Of all of them, with the hashes that they must have, and of the spec.
Result<FileIdentity> identityOfAll(const CheckedFiles& files, const DecoderSpec& spec) {
    FileIdentity all;
    all.text = specText(spec);
    const auto add = [&](const fs::path& path, const std::string& digest) -> Result<void> {
        CREST_TRY(one, identityOf(path));
        all.text += fmt::format("\n{} {}{}", path.filename().string(), one.text, digest.empty() ? "" : " " + digest);
        all.changedNs = std::max(all.changedNs, one.changedNs);
        return {};
    };
    for (const WeightFile& file : files.weights.files)
        CREST_CHECK(add(file.path, ""));
    for (const WeightFiles& other : files.others)
        for (const WeightFile& file : other.files)
            CREST_CHECK(add(file.path, ""));
    for (const HubFile& file : files.ofHub)
        CREST_CHECK(add(file.path, file.digest));
    all.text = sha256Hex(all.text);
    return all;
}

void addSentence(std::string& to, const std::string& sentence) {
    to += (to.empty() || sentence.empty() ? "" : " ") + sentence;
}

/// The files that have not the bytes that the hub named: the first that is damaged (nothing after it is read), and those that may
/// have been edited.
Result<CheckedWeights> compareWithHub(const std::vector<HubFile>& files, const JobContext& job) {
    CheckedWeights out;
    for (const HubFile& file : files) {
        CREST_TRY(difference, hubDifference(file, job));
        if (!difference.text.empty() && !difference.isUsable)
            return CheckedWeights{{}, {}, std::move(difference.text)};
        addSentence(out.unsound, difference.text);
    }
    return out;
}

bool sameBytes(const CheckpointWeights& a, const StoredTensor& ofA, const CheckpointWeights& b, const StoredTensor& ofB) {
    const std::size_t size = ofA.bytes.size();
    for (std::size_t at = 0; at < size; at += kChunkBytes) {
        const auto left = ofA.bytes.subspan(at, std::min(kChunkBytes, size - at)), right = ofB.bytes.subspan(at, left.size());
        const bool same = std::memcmp(left.data(), right.data(), left.size()) == 0;
        a.release(left);
        b.release(right);
        if (!same)
            return false;
    }
    return true;
}

/// The first tensor that is stored alike in a second form of the weights, with other numbers, as a sentence. "" where there is
/// none; what headers tell is said while listing.
Result<std::string> differenceIn(const CheckedFiles& files, const CheckpointWeights& weights, const DecoderSpec& spec,
                                 const JobContext& job) {
    for (const WeightFiles& form : files.others) {
        const auto other = CheckpointWeights::open(form, spec, "");
        if (!other)
            continue;
        for (const auto& [name, tensor] : weights.tensors()) {
            if (job.stopRequested())
                return stopped();
            const StoredTensor& stored = other->tensors().at(name);
            if (stored.dtype == tensor.dtype && !sameBytes(weights, tensor, *other, stored))
                return fmt::format("Tensor \"{}\" holds other numbers in {} than in {}: they may be of two checkpoints. {} is used.", name,
                                   form.name, files.weights.name, files.weights.name);
        }
    }
    return std::string();
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

bool canBeChecked(const Checkpoint& checkpoint) {
    return checkpoint.spec && checkpoint.state != CheckpointState::Broken;
}

void takeCheck(Checkpoint& checkpoint, const CheckedWeights& weights) {
    checkpoint.fingerprint = weights.fingerprint;
    if (!weights.damaged.empty())
        mark(checkpoint, CheckpointState::Broken, weights.damaged);
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
    return CheckedWeights{hash.finishHex(), faults.text(), {}};
}

Result<std::string> fingerprintWeights(const CheckpointWeights& weights, const DecoderSpec& spec,
                                       const JobContext& job) {
    CREST_TRY(checked, checkWeights(weights, spec, job));
    return std::move(checked.fingerprint);
}

namespace {

Result<CheckedWeights> checkFiles(const CheckedFiles& files, const DecoderSpec& spec, const fs::path& folder, const JobContext& job) {
    CREST_TRY(ofHub, compareWithHub(files.ofHub, job));
    if (!ofHub.damaged.empty())
        return ofHub;
    CREST_TRY(weights, CheckpointWeights::open(files.weights, spec, folder.string()));
    weights.willNeed();
    CREST_TRY(checked, checkWeights(weights, spec, job));
    CREST_TRY(difference, differenceIn(files, weights, spec, job));
    addSentence(checked.unsound, difference);
    addSentence(checked.unsound, ofHub.unsound);
    return checked;
}

} // namespace

Result<CheckedWeights> checkCheckpoint(const fs::path& folder, const DecoderSpec& spec, CheckCache& cache,
                                       const JobContext& job) {
    CREST_TRY(files, filesToCheck(folder));
    CREST_TRY(identity, identityOfAll(files, spec));
    if (auto remembered = cache.find(identity.text))
        return std::move(*remembered);
    const auto startNs =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    CREST_TRY(checked, checkFiles(files, spec, folder, job));
    CREST_TRY(after, identityOfAll(files, spec));
    if (after.text != identity.text)
        return fail(ErrorKind::Io, "The weights changed while they were read; try again when nothing writes them.",
                    folder.string());
    if (identity.changedNs < startNs - kSettledNanoseconds)
        cache.remember(identity.text, checked);
    return checked;
}

Result<std::string> fingerprintCheckpoint(const fs::path& folder, const DecoderSpec& spec, CheckCache& cache,
                                          const JobContext& job) {
    CREST_TRY(checked, checkCheckpoint(folder, spec, cache, job));
    if (!checked.damaged.empty())
        return fail(ErrorKind::Malformed, checked.damaged, folder.string());
    return std::move(checked.fingerprint);
}

std::optional<CheckedWeights> rememberedCheck(const fs::path& folder, const DecoderSpec& spec, const CheckCache& cache) {
    if (cache.isEmpty())
        return std::nullopt;
    const auto files = filesToCheck(folder);
    const auto identity = files ? identityOfAll(*files, spec) : Result<FileIdentity>(tl::unexpect, files.error());
    return identity ? cache.find(identity->text) : std::nullopt;
}

Result<void> checkAll(const std::vector<Checkpoint*>& checkpoints, CheckCache& cache, const JobContext& job,
                      std::vector<ScanIssue>& issues) {
    const auto total = static_cast<std::int64_t>(checkpoints.size());
    std::int64_t done = 0;
    for (Checkpoint* checkpoint : checkpoints) {
        job.report(done++, total, "checkpoints");
        const auto checked = checkCheckpoint(checkpoint->path, *checkpoint->spec, cache, JobContext(job.token()));
        if (checked)
            takeCheck(*checkpoint, *checked);
        else if (checked.error().kind == ErrorKind::Stopped)
            return fail(checked.error());
        else
            issues.push_back({checkpoint->path.string(), checked.error().text()});
    }
    job.report(total, total, "checkpoints");
    return {};
}

} // namespace crest::series
