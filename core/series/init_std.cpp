// SPDX-License-Identifier: Apache-2.0
#include "core/series/init_std.h"

#include <cmath>
#include <filesystem>

#include "core/series/known_series.h"

namespace crest::series {
namespace {

double smallAndWang(const TensorInfo& tensor, const DecoderSpec& spec) {
    const auto width = static_cast<double>(spec.width);
    if (tensor.role == TensorRole::ResidualOutput)
        return 2 / (static_cast<double>(spec.layers) * std::sqrt(width));
    return std::sqrt(2 / (5 * width));
}

double tinyLlama(const TensorInfo& tensor, const DecoderSpec& spec) {
    const auto fanIn = static_cast<double>(tensor.shape.back()); // columns; the width for embedding and head
    if (tensor.slot == TensorSlot::Down)
        return 1 / (static_cast<double>(spec.layers) * std::sqrt(fanIn));
    return std::sqrt(2 / (5 * fanIn));
}

} // namespace

std::map<std::string, double> familyInitStd(const DecoderSpec& spec, const std::string& repositoryHint) {
    const KnownSeries* known =
        findKnownSeries(repositoryHint, std::filesystem::path(repositoryHint).filename().string(), spec.family);
    if (!known || !shapeIsPublished(*known, spec))
        return {};
    std::map<std::string, double> out;
    for (const TensorInfo& tensor : expectedTensors(spec))
        if (tensor.role != TensorRole::NormGain && tensor.role != TensorRole::Bias)
            out[tensor.name] =
                known->init == InitRule::TinyLlama ? tinyLlama(tensor, spec) : smallAndWang(tensor, spec);
    return out;
}

} // namespace crest::series
