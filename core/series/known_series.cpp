// SPDX-License-Identifier: Apache-2.0
#include "core/series/known_series.h"

#include <algorithm>
#include <iterator>

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

constexpr KnownShape kPythiaShapes[] = {
    {128, 6, 4, 512},    {256, 6, 8, 1024},    {512, 6, 8, 2048},     {768, 12, 12, 3072},   {1024, 24, 16, 4096},
    {2048, 16, 8, 8192}, {2048, 24, 16, 8192}, {2560, 32, 32, 10240}, {4096, 32, 32, 16384}, {5120, 36, 40, 20480}};
constexpr KnownShape kTinyLlamaShapes[] = {{2048, 22, 32, 5632}};

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
        const bool typeAgrees = modelType.empty() || modelType == row.modelType ||
                                (modelType == "hf_olmo" && row.modelType == std::string_view("olmo"));
        const bool nameAgrees =
            lowerCase(std::string(name)).starts_with(row.namePrefix) || (final && row.finalNumber > 0);
        if (typeAgrees && nameAgrees && wanted.size() > bestLength && text.find(wanted) != std::string::npos) {
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

const char* standsApart(const Checkpoint& checkpoint) {
    if (!checkpoint.isFinal)
        return nullptr;
    const KnownSeries* known = findKnownSeries(checkpoint.path, checkpoint.name, checkpoint.family);
    return known ? known->finalIs : nullptr;
}

bool shapeIsPublished(const KnownSeries& known, const DecoderSpec& spec) {
    const auto same = [&](const KnownShape& shape) {
        return shape.width == spec.width && shape.layers == spec.layers && shape.heads == spec.heads &&
               shape.mlpWidth == spec.mlpWidth;
    };
    switch (known.init) {
    case InitRule::SmallAndWang:
        return std::any_of(std::begin(kPythiaShapes), std::end(kPythiaShapes), same);
    case InitRule::TinyLlama:
        return std::any_of(std::begin(kTinyLlamaShapes), std::end(kTinyLlamaShapes), same);
    case InitRule::Unknown:
        break;
    }
    return false;
}

} // namespace crest::series
