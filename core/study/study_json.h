// SPDX-License-Identifier: Apache-2.0
// JSON of the study's structs, both ways. Unknown keys, wrong types and unknown words are errors that name the key; a
// file of a newer format is Unsupported. Formats: core/study/README.md.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

/// Raised when a file changes so that an older Crest would misread it; a file says the oldest format that has all of
/// it. 2: tasks of suites, base evaluation, overlays. 3: fine-tuning data, further kinds. 4: finer rates of checkpoints.
inline constexpr int kStudyFormat = 4;

Json toJson(const Study& study);
Json toJson(const Probe& probe);
Json toJson(const Task& task);
Json toJson(const Overlay& overlay);
Json toJson(const Plan& plan);
/// A row without its arrays, which the journal keeps beside it.
Json toJson(const ResultRow& row);

Result<Study> studyFromJson(const Json& json, const std::string& where);
Result<Probe> probeFromJson(const Json& json, const std::string& where);
Result<Task> taskFromJson(const Json& json, const std::string& where);
Result<Overlay> overlayFromJson(const Json& json, const std::string& where);
Result<Plan> planFromJson(const Json& json, const std::string& where);
Result<ResultRow> rowFromJson(const Json& json, const std::string& where);

const char* roleName(Role role);               ///< "id", "ood"
const char* noiseScaleName(NoiseScale scale);  ///< "init-std", "tensor-rms"
const char* computeTypeName(ComputeType type); ///< "float32", "bfloat16"
Result<Role> roleFromName(std::string_view name, const std::string& where);
Result<NoiseScale> noiseScaleFromName(std::string_view name, const std::string& where);
Result<ComputeType> computeTypeFromName(std::string_view name, const std::string& where);

/// Now, as ISO 8601 UTC with milliseconds: "2026-11-22T17:53:00.125Z".
std::string utcNow();

} // namespace crest::study
