// SPDX-License-Identifier: Apache-2.0
// The standard deviation each tensor of a published series was initialised with (protocols.md 2.5).
#pragma once

#include <map>
#include <string>

#include "core/series/decoder_spec.h"

namespace crest::series {

/// By canonical tensor name, for the matrices and embeddings; norm gains and biases start fixed and are left out.
/// `repositoryHint` is a path or repository name. Empty unless the name, family and shape together say for certain
/// which series it is: the initializer_range of a config.json is a default of the library and proves nothing. Then the
/// caller must say that it falls back.
///   Pythia (GPT-NeoX): inputs and embeddings sqrt(2 / (5 E)), outputs of attention and MLP 2 / (L sqrt(E))
///   TinyLlama: inputs sqrt(2 / (5 fan_in)), MLP output 1 / (L sqrt(fan_in)), embedding and head sqrt(2 / (5 E))
std::map<std::string, double> familyInitStd(const DecoderSpec& spec, const std::string& repositoryHint);

} // namespace crest::series
