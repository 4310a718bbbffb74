// SPDX-License-Identifier: Apache-2.0
// nanoGPT's ckpt.pt: one file of torch.save with the model, its arguments, the iteration and the training config
// (formats.md 1.1). A checkpoint of this kind is a file, not a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::series {

struct NanoGptFile {
    Json config; ///< what a config.json of the family "nanogpt" would say
    std::optional<std::int64_t> iteration;
    /// gradient_accumulation_steps x batch_size x block_size of the training config. Nothing where it does not say all
    /// three, or where training went on from published weights: then its tokens are not all.
    std::optional<std::int64_t> tokensPerStep;
};

/// True for names that a file of weights of its own has (.pt, .pth) and that belong to no other tool (optimizer.pt,
/// ...).
bool mayBeNanoGpt(const std::filesystem::path& file);

/// From what the pickle holds beside tensors. Nothing where it is another kind of file of torch.save.
std::optional<NanoGptFile> parseNanoGpt(const Json& values);
/// Reads the pickle, never a tensor. Nothing as above.
Result<std::optional<NanoGptFile>> readNanoGpt(const std::filesystem::path& file);

} // namespace crest::series
