// SPDX-License-Identifier: Apache-2.0
#include "core/series/nanogpt.h"

#include <array>

#include "core/io/torch_file.h"

namespace crest::series {
namespace {

constexpr std::int64_t kMaxShapeFactor = std::int64_t{1} << 40;

std::optional<std::int64_t> countOf(const Json& object, const char* key, std::int64_t low) {
    if (!object.is_object())
        return std::nullopt;
    const auto at = object.find(key);
    if (at == object.end() || !at->is_number_integer() ||
        (at->is_number_unsigned() && at->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)))
        return std::nullopt;
    const auto value = at->get<std::int64_t>();
    return value >= low ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> tokensPerStep(const Json& config, const Json& modelArgs) {
    if (!config.is_object() || !config.contains("batch_size"))
        return std::nullopt;
    if (const auto from = config.find("init_from");
        from != config.end() && from->is_string() && from->get_ref<const std::string&>().starts_with("gpt2"))
        return std::nullopt;
    const auto block = countOf(config, "block_size", 1);
    const std::array factors = {countOf(config, "gradient_accumulation_steps", 1), countOf(config, "batch_size", 1),
                                block ? block : countOf(modelArgs, "block_size", 1)};
    std::int64_t product = 1;
    for (const auto& factor : factors)
        if (!factor || *factor > kMaxShapeFactor || __builtin_mul_overflow(product, *factor, &product))
            return std::nullopt;
    return product;
}

} // namespace

bool mayBeNanoGpt(const std::filesystem::path& file) {
    const std::string type = file.extension().string(), stem = file.stem().string();
    if (type != ".pt" && type != ".pth")
        return false;
    for (const char* other : {"optimizer", "optim", "scheduler", "scaler", "rng_state", "training_args", "train"})
        if (stem == other || stem.starts_with(std::string(other) + "_"))
            return false;
    return true;
}

std::optional<NanoGptFile> parseNanoGpt(const Json& values) {
    if (!values.is_object() || !values.contains("model_args") || !values["model_args"].is_object())
        return std::nullopt;
    NanoGptFile out;
    out.config = values["model_args"];
    out.config["model_type"] = "nanogpt";
    out.iteration = countOf(values, "iter_num", 0);
    out.tokensPerStep = tokensPerStep(values.value("config", Json()), values["model_args"]);
    return out;
}

Result<std::optional<NanoGptFile>> readNanoGpt(const std::filesystem::path& path) {
    CREST_TRY(file, io::readTorchFile(path));
    return parseNanoGpt(file.values);
}

} // namespace crest::series
