// SPDX-License-Identifier: Apache-2.0
#include "core/series/known_series.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "core/base/ascii.h"

namespace crest::series {
namespace {

constexpr const char* kAveraged = "the average of the parallel runs of stage 2";
constexpr const char* kAnnealed = "annealed in stage 2";

constexpr KnownSeries kKnown[] = {
    // name, repository, model_type, name prefix, tokens per step, tokens of stage 1, number of main, index offset,
    // initialisation, what main is
    {"Pythia", "pythia-", "gpt_neox", "", 2'097'152, 0, 0, 0, InitRule::SmallAndWang},
    {"OLMo-1B", "olmo-1b", "olmo", "", 4'194'304, 0, 0, 0, InitRule::Unknown},
    {"OLMo-7B", "olmo-7b", "olmo", "", 4'423'680, 0, 0, 0, InitRule::Unknown}, // batch 2160, not the 2048 of its yaml
    {"OLMo-1B-0724", "olmo-1b-0724", "olmo", "", 4'194'304, 0, 0, 0, InitRule::Unknown},
    {"OLMo-7B-0424", "olmo-7b-0424", "olmo", "", 4'194'304, 0, 0, 0, InitRule::Unknown},
    {"OLMo-7B-0724", "olmo-7b-0724", "olmo", "", 4'194'304, 0, 0, 0, InitRule::Unknown},
    {"OLMo-2-1B", "olmo-2-0425-1b", "olmo2", "", 2'097'152, 1'907'359.0 * 2'097'152, 0, 0, InitRule::Unknown, kAnnealed},
    {"OLMo-2-7B", "olmo-2-1124-7b", "olmo2", "", 4'194'304, 928'646.0 * 4'194'304, 0, 0, InitRule::Unknown, kAveraged},
    {"OLMo-2-13B", "olmo-2-1124-13b", "olmo2", "", 8'388'608, 596'057.0 * 8'388'608, 0, 0, InitRule::Unknown, kAveraged},
    {"OLMo-2-32B", "olmo-2-0325-32b", "olmo2", "", 8'388'608, 721'901.0 * 8'388'608, 0, 0, InitRule::Unknown, kAnnealed},
    {"Amber", "amber", "llama", "ckpt", 1.25913e12 / 360, 0, 359, 1,
     InitRule::Unknown}, // equal chunks are an assumption
    {"TinyLlama", "tinyllama", "llama", "", 2'097'152, 0, 0, 0, InitRule::TinyLlama},
    {"SmolLM2-1.7B", "smollm2-1.7b", "llama", "", 2'097'152, 0, 0, 0, InitRule::Unknown},
    {"SmolLM2-360M", "smollm2-360m", "llama", "", 1'572'864, 0, 0, 0, InitRule::Unknown},
    {"SmolLM2-135M", "smollm2-135m", "llama", "", 1'048'576, 0, 0, 0, InitRule::Unknown},
    {"SmolLM3", "smollm3-3b", "smollm3", "", 2'359'296, 0, 0, 0, InitRule::Unknown},
};

/// A shape that was published, and what its checkpoints are called.
struct PublishedShape {
    const char* series; ///< a row of kKnown
    std::int64_t width, layers, heads, kvHeads, mlpWidth, vocabSize;
    const char* before = ""; ///< their steps: this and a number alone
    std::int64_t every = 0;  ///< a multiple of this is a published step; 0: names have labels, which tell
};

// Not here: shapes that several series have whose rules differ (OLMo-7B and its later versions, Llama's 7B of Amber).
constexpr PublishedShape kShapes[] = {
    {"Pythia", 128, 6, 4, 4, 512, 50304, "step", 1000},
    {"Pythia", 256, 6, 8, 8, 1024, 50304, "step", 1000},
    {"Pythia", 512, 6, 8, 8, 2048, 50304, "step", 1000},
    {"Pythia", 768, 12, 12, 12, 3072, 50304, "step", 1000},
    {"Pythia", 1024, 24, 16, 16, 4096, 50304, "step", 1000},
    {"Pythia", 2048, 16, 8, 8, 8192, 50304, "step", 1000},
    {"Pythia", 2048, 24, 16, 16, 8192, 50304, "step", 1000},
    {"Pythia", 2560, 32, 32, 32, 10240, 50304, "step", 1000},
    {"Pythia", 4096, 32, 32, 32, 16384, 50432, "step", 1000},
    {"Pythia", 5120, 36, 40, 40, 20480, 50688, "step", 1000},
    {"OLMo-1B", 2048, 16, 16, 16, 8192, 50304},
    {"OLMo-2-1B", 2048, 16, 16, 16, 8192, 100352},
    {"OLMo-2-7B", 4096, 32, 32, 32, 11008, 100352},
    {"OLMo-2-13B", 5120, 40, 40, 40, 13824, 100352},
    {"OLMo-2-32B", 5120, 64, 40, 8, 27648, 100352},
    {"TinyLlama", 2048, 22, 32, 4, 5632, 32000},
    {"SmolLM2-1.7B", 2048, 24, 32, 32, 8192, 49152, "step-", 125'000},
    {"SmolLM2-360M", 960, 32, 15, 5, 2560, 49152, "step-", 160'000},
    {"SmolLM2-135M", 576, 30, 9, 3, 1536, 49152, "step-", 240'000},
};
constexpr std::int64_t kPythiaSteps = 143'000; ///< 1, 2, 4 .. 512 come before the thousands

bool hasSizes(const DecoderSpec& spec, const PublishedShape& shape) {
    return shape.width == spec.width && shape.layers == spec.layers && shape.heads == spec.heads && shape.mlpWidth == spec.mlpWidth;
}

bool typeAgrees(const KnownSeries& row, std::string_view modelType) {
    return modelType == row.modelType || (modelType == "hf_olmo" && row.modelType == std::string_view("olmo"));
}

const KnownSeries& rowOf(const PublishedShape& shape) {
    return *std::ranges::find(kKnown, std::string_view(shape.series), &KnownSeries::name);
}

/// Other models of GPT-NeoX have these sizes, too (RedPajama-INCITE, say): they rotate all dimensions, or add one after the other.
bool computesAsPythia(const DecoderSpec& spec) {
    return spec.parallelResidual && 4 * spec.ropeDims == spec.headSize;
}

bool wasPublished(const PublishedShape& shape, std::int64_t step) {
    if (shape.series != std::string_view("Pythia"))
        return step > 0 && step % shape.every == 0;
    const bool isEarly = step == 0 || (step <= 512 && std::has_single_bit(static_cast<std::uint64_t>(step)));
    return isEarly || (step % shape.every == 0 && step <= kPythiaSteps);
}

bool isNameOf(const PublishedShape& shape, std::string_view name) {
    const ParsedName parsed = parseCheckpointName(name);
    if (!parsed.step)
        return false;
    if (shape.every == 0)
        return parsed.tokens && labelAgrees(rowOf(shape), parsed);
    std::string_view digits = name;
    if (!digits.starts_with(shape.before))
        return false;
    digits.remove_prefix(std::string_view(shape.before).size());
    return digits.find_first_not_of("0123456789") == std::string_view::npos && wasPublished(shape, *parsed.step);
}

/// The last folders of a path, lower case, separators as "-", each with a "-" on both sides:
/// "-pythia-160m-/-step1000-".
std::string searchable(const std::filesystem::path& path) {
    std::string out;
    auto part = path.end();
    for (int depth = 0; depth < 3 && part != path.begin(); ++depth) {
        --part;
        std::string folder = lowerCase(part->string());
        std::replace(folder.begin(), folder.end(), '_', '-');
        out = fmt::format("-{}-/{}", folder, out);
    }
    return out;
}

} // namespace

const KnownSeries* findKnownSeries(const std::filesystem::path& path, std::string_view name,
                                   std::string_view modelType) {
    const bool final = parseCheckpointName(name).final;
    const std::string text = searchable(path);
    const KnownSeries* best = nullptr;
    std::size_t bestLength = 0;
    for (const KnownSeries& row : kKnown) {
        std::string wanted = fmt::format("-{}", row.repository);
        if (!wanted.ends_with('-'))
            wanted += '-';
        const bool mayBe = modelType.empty() || typeAgrees(row, modelType);
        const bool nameAgrees =
            lowerCase(std::string(name)).starts_with(row.namePrefix) || (final && row.finalNumber > 0);
        if (mayBe && nameAgrees && wanted.size() > bestLength && text.find(wanted) != std::string::npos) {
            best = &row;
            bestLength = wanted.size();
        }
    }
    return best;
}

std::optional<double> tokensByRule(const KnownSeries& known, const ParsedName& name) {
    const bool placedFinal = name.final && known.finalNumber > 0;
    if (!name.step && !placedFinal)
        return std::nullopt;
    const double count = static_cast<double>(name.step.value_or(known.finalNumber)) + known.indexOffset;
    const bool laterStage = name.stage.value_or(1) > 1 && known.stageOneTokens > 0;
    return count * known.tokensPerStep + (laterStage ? known.stageOneTokens : 0.0);
}

bool labelAgrees(const KnownSeries& known, const ParsedName& name) {
    const auto ruled = tokensByRule(known, name);
    if (!name.tokens || !ruled)
        return !name.tokens;
    const double comparable = *ruled - (name.stage.value_or(1) > 1 ? known.stageOneTokens : 0);
    return std::abs(*name.tokens - comparable) <= std::max(name.tokensResolution, 0.001 * comparable);
}

bool shapeIsPublished(const KnownSeries& known, const DecoderSpec& spec) {
    const auto isOf = [&](const PublishedShape& shape) { return shape.series == std::string_view(known.name) && hasSizes(spec, shape); };
    return known.init != InitRule::Unknown && std::ranges::any_of(kShapes, isOf);
}

const KnownSeries* seriesOfShape(const DecoderSpec& spec, std::string_view name) {
    for (const PublishedShape& shape : kShapes)
        if (hasSizes(spec, shape) && shape.kvHeads == spec.kvHeads && shape.vocabSize == spec.vocabSize &&
            typeAgrees(rowOf(shape), spec.family) && (spec.family != "gpt_neox" || computesAsPythia(spec)) && isNameOf(shape, name))
            return &rowOf(shape);
    return nullptr;
}

Recognised recognise(const Checkpoint& checkpoint) {
    const KnownSeries* known = findKnownSeries(checkpoint.path, checkpoint.name, checkpoint.family);
    if (known && (!checkpoint.spec || known->init == InitRule::Unknown || shapeIsPublished(*known, *checkpoint.spec)))
        return {known, false};
    const KnownSeries* byShape = checkpoint.spec ? seriesOfShape(*checkpoint.spec, checkpoint.name) : nullptr;
    return {byShape, byShape != nullptr};
}

const char* standsApart(const Series& series, const Checkpoint& checkpoint) {
    if (!checkpoint.isFinal)
        return nullptr;
    if (const KnownSeries* known = recognise(checkpoint).known)
        return known->finalIs;
    for (const Checkpoint& other : series.checkpoints)
        if (const KnownSeries* known = recognise(other).known)
            return known->finalIs;
    return nullptr;
}

std::string tokensOrigin(const Checkpoint& checkpoint) {
    switch (checkpoint.tokensSource) {
    case TokensSource::User:
        return "given by hand";
    case TokensSource::Metadata:
        return "from its record";
    case TokensSource::FamilyRule: {
        const Recognised row = recognise(checkpoint);
        if (!row.known)
            return "by published tokens per step";
        return fmt::format("{} {}", row.byShape ? "from the config's shape:" : "by the rule of", row.known->name);
    }
    case TokensSource::Label:
        return "rounded, from its name";
    case TokensSource::Config:
        return "steps by its training config";
    case TokensSource::Unknown:
        break;
    }
    return "";
}

} // namespace crest::series
