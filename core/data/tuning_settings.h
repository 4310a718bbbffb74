// SPDX-License-Identifier: Apache-2.0
// What decides which examples a model is fine-tuned on, with canonical JSON both ways.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/job_context.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/data/tuning_split.h"
#include "core/data/tuning_template.h"
#include "core/data/tuning_tokens.h"

namespace crest::data {

enum class LossOn { Completions, All };
enum class TooLong {
    Truncate, ///< the front is kept; an example of which nothing learned is left goes
    Drop
};

/// The largest `maxTokens`.
inline constexpr std::int64_t kMostExampleTokens = 1'000'000;

struct TuningDataSettings {
    std::string path; ///< a file, an archive, or a folder (see tuningFiles)
    /// Form of the rows and way of writing dialogues, by name; "auto": recognised; "" for `chat`: plain, as the form
    /// says.
    std::string form = "auto", chat;
    /// Their canonical JSON, filled by `resolveTuningData`; what a study keeps. "" for `chatDefinition` where chat is
    /// "".
    std::string formDefinition, chatDefinition;
    LossOn lossOn = LossOn::Completions;
    TuningBegin begin = TuningBegin::Tokenizer;
    std::int64_t maxTokens = 512; ///< longest example, end token included; 2 to kMostExampleTokens
    TooLong tooLong = TooLong::Truncate;
    TuningSplitSettings split;
    double maxBadShare = 0.01; ///< rows that cannot be used are counted; a larger share refuses the data
    bool operator==(const TuningDataSettings&) const = default;
};

/// Every member; definitions as objects.
Json tuningDataToJson(const TuningDataSettings& settings);
/// Malformed or OutOfRange, naming the key; keys that are absent have their defaults.
Result<TuningDataSettings> tuningDataFromJson(const Json& json, const std::string& where);
Result<void> checkTuningData(const TuningDataSettings& settings, const std::string& where);
/// What of the settings decides the examples beside the rows themselves, which hold what path, form and style made of
/// them: part of the content hash.
Json tuningIdentity(const TuningDataSettings& settings);

/// The settings with their definitions, from files of `templatesFolder` (resources/tuning) by name; the form "auto"
/// from the first row of the data and then by its name. Definitions that are there already are kept. NotFound for a
/// name that there is not, Mismatch as recogniseForm.
Result<TuningDataSettings> resolveTuningData(TuningDataSettings settings, const std::filesystem::path& templatesFolder,
                                             const JobContext& job = {});

} // namespace crest::data
