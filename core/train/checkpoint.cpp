// SPDX-License-Identifier: Apache-2.0
#include "core/train/checkpoint.h"

#include <cmath>

#include "core/base/units.h"
#include "core/base/version.h"
#include "core/io/files.h"
#include "core/io/safetensors.h"
#include "core/train/publish_folder.h"
#include "core/train/trainer.h"

namespace crest::train {
namespace {

namespace fs = std::filesystem;

at::ScalarType scalarType(SaveType type) {
    return type == SaveType::Float32 ? at::kFloat : type == SaveType::Float16 ? at::kHalf : at::kBFloat16;
}
io::DType storedType(SaveType type) {
    return type == SaveType::Float32 ? io::DType::F32 : type == SaveType::Float16 ? io::DType::F16 : io::DType::BF16;
}
const char* typeName(SaveType type) {
    return type == SaveType::Float32 ? "float32" : type == SaveType::Float16 ? "float16" : "bfloat16";
}

Result<void> writeWeights(const fs::path& file, const PretrainConfig& config, const ParameterLayout& layout,
                          const at::Tensor& parameters) {
    const at::Tensor stored = parameters.to(scalarType(config.saveType)).contiguous();
    if (!stored.isfinite().all().item<bool>())
        return fail(ErrorKind::NonFinite,
                    std::string("A weight does not fit into ") + typeName(config.saveType) +
                        "; set \"save_dtype\" to \"bfloat16\" or \"float32\".",
                    file.string());
    const auto* bytes = static_cast<const std::byte*>(stored.const_data_ptr());
    const std::size_t size = io::dtypeSize(storedType(config.saveType));
    std::vector<io::TensorToWrite> tensors;
    for (const ParameterSlot& slot : layout.slots)
        tensors.push_back(
            {slot.info.name,
             storedType(config.saveType),
             slot.info.shape,
             {bytes + static_cast<std::size_t>(slot.offset) * size, static_cast<std::size_t>(slot.elements) * size}});
    return io::writeSafetensors(file, std::move(tensors));
}

Json crestJson(const PretrainConfig& config, const ParameterLayout& layout, const at::Tensor& parameters,
               const CheckpointFacts& facts) {
    Json std = Json::object(), rms = Json::object(), heldout = Json::object();
    for (const ParameterSlot& slot : layout.slots) {
        const double start = initialStd(config.init, config.spec, slot.info);
        if (start > 0)
            std[slot.info.name] = start;
        const at::Tensor values = parameters.narrow(0, slot.offset, slot.elements);
        rms[slot.info.name] = std::sqrt(values.square().mean(at::kDouble).item<double>());
    }
    for (const auto& [name, loss] : facts.heldout)
        heldout[name] = numberToJson(loss);
    return {{"format", 1},
            {"series", config.series},
            {"tokens", facts.tokens},
            {"step", facts.step},
            {"pretrain_seed", facts.seed},
            {"annealed", config.optimizer.schedule != Schedule::Constant},
            {"passes", facts.passes},
            {"init_std", std},
            {"heldout", heldout},
            {"heldout_unit", "nats per token"},
            {"weight_norms", rms}, // root mean square per tensor,
            {"compute", config.compute == ComputeType::Float32 ? "float32" : "bfloat16"},
            {"config", config.source},
            {"config_hash", facts.configHash},
            {"crest_version", version()}};
}

/// Budgets are whole steps, so a budget of 1M may be 999,424 tokens: two digits where they are within half a percent.
std::string tokensLabel(double tokens) {
    const double unit = std::pow(10.0, std::floor(std::log10(tokens)) - 1);
    const double rounded = std::round(tokens / unit) * unit;
    return formatTokens(std::abs(rounded - tokens) <= 0.005 * tokens ? rounded : tokens);
}

} // namespace

fs::path checkpointFolder(const PretrainConfig& config, std::int64_t seed, std::int64_t steps) {
    std::string step = std::to_string(steps);
    step.insert(0, step.size() < 6 ? 6 - step.size() : 0, '0');
    const std::string label = tokensLabel(static_cast<double>(steps * config.tokensPerStep()));
    return fs::path(config.series + "-seed" + std::to_string(seed)) / ("step" + step + "-tokens" + label);
}

Result<void> writeCheckpoint(const fs::path& folder, const PretrainConfig& config, const ParameterLayout& layout,
                             const at::Tensor& parameters, const CheckpointFacts& facts,
                             const fs::path& tokenizerFolder) {
    return publishFolder(folder, [&](const fs::path& temporary) -> Result<void> {
        Json modelConfig = series::configFromDecoderSpec(config.spec);
        modelConfig["dtype"] = typeName(config.saveType);
        CREST_CHECK(io::writeFileAtomic(temporary / "config.json", modelConfig.dump(2) + "\n"));
        CREST_CHECK(writeWeights(temporary / "model.safetensors", config, layout, parameters));
        CREST_CHECK(copyTokenizer(tokenizerFolder, temporary));
        return io::writeFileAtomic(temporary / "crest.json",
                                   crestJson(config, layout, parameters, facts).dump(2) + "\n");
    });
}

std::string finishedConfigHash(const fs::path& folder) {
    const auto text = io::readTextFile(folder / "crest.json", 10'000'000);
    if (!text)
        return "";
    const auto json = parseJson(*text, folder.string());
    return json && json->is_object() ? json->value("config_hash", "?") : "?";
}

} // namespace crest::train
