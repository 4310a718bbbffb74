// SPDX-License-Identifier: Apache-2.0
// The state of an unfinished run on disk: written between steps, so that a killed run goes on exactly where it was.
//
// A folder per run: step<N>.bin holds [3, total] float32 (parameters, first and second moments); state.json, replaced
// last and atomically, lists the newest two with their SHA-256 and names the run by its identity. Format 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <ATen/ATen.h>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::train {

/// Saves `state` ([3, total] float32, contiguous) after `step` steps; older states beyond the newest two are removed.
/// `facts`: what else belongs to it, an object or null.
Result<void> saveRunState(const std::filesystem::path& folder, const std::string& identity, std::int64_t step,
                          const at::Tensor& state, const Json& facts = {});

/// Fills `state` from the newest undamaged file and returns its step, and in `facts` (an object) what was saved with it; nothing
/// where there is no state. A state of another run (identity) is Mismatch; two damaged files are Malformed: both say what to
/// do.
Result<std::optional<std::int64_t>> loadRunState(const std::filesystem::path& folder, const std::string& identity,
                                                 at::Tensor& state, Json* facts = nullptr);

/// Removes the folder of a finished run.
void removeRunState(const std::filesystem::path& folder);

} // namespace crest::train
