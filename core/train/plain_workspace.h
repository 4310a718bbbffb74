// SPDX-License-Identifier: Apache-2.0
// What LibTorch's own operations (the plain forms of core/model/ops*.cpp and document_attention.cpp) take for a while beside the tensors that
// DecoderPass keeps, from shapes alone: training on devices other than the CPU. No LibTorch.
#pragma once

#include <cstdint>

#include "core/series/decoder_spec.h"
#include "core/train/fine_tune_settings.h"

namespace crest::train {

/// Scores (queries x keys, of all heads) that attention holds at a time: of one document of the longest length, and of as many shorter ones
/// as have no more together; somewhat more where even that is little (document_attention.cpp).
std::int64_t scoresAtATime(const series::DecoderSpec& spec, std::int64_t longest);

/// Most bytes that one operation of a pass of so many rows takes and gives back, whose longest document has `longest` of them.
std::int64_t plainWorkspace(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t rows, std::int64_t longest);

/// Of that, attention over windows that are shorter than a document, which takes LibTorch's form on the CPU, too; 0 where there are none.
std::int64_t windowedWorkspace(const series::DecoderSpec& spec, std::int64_t rows, std::int64_t longest);

/// What libraries of matrix products keep on a GPU from their first use on: cuBLAS on Hopper, the most that LibTorch gives it (CUDABlas.cpp).
inline constexpr std::int64_t kProductLibraryBytes = std::int64_t{32} << 20;

} // namespace crest::train
