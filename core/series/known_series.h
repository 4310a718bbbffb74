// SPDX-License-Identifier: Apache-2.0
// What is published about well-known series, as rows of a table: tokens per step (formats.md 1.1) and how their weights
// were initialised (protocols.md 2.5).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/series/decoder_spec.h"
#include "core/series/series.h"

namespace crest::series {

enum class InitRule {
    Unknown,
    SmallAndWang, ///< GPT-NeoX: "small_init" for inputs, "wang_init" for outputs
    TinyLlama
};

struct KnownSeries {
    const char* name;       ///< for messages
    const char* repository; ///< must occur in the path, lower case, with - for every separator
    const char* modelType;  ///< must agree where config.json can be read
    const char* namePrefix; ///< how the checkpoint folder's name must start, or ""
    double tokensPerStep;
    double stageOneTokens;    ///< added to the steps of a second stage that starts at 0 again; 0 where steps go on
    std::int64_t finalNumber; ///< the number that "main" stands for where it is the next one of the series; else 0
    int indexOffset;          ///< 1 where the number is an index that starts at 0 and counts what is done before it
    InitRule init;
    /// What "main" is where it is no later point of the run but made of it: averaged, or annealed on its own; else null.
    const char* finalIs = nullptr;
};

/// The row for a checkpoint called `name` at `path`, or null. The longest repository name that occurs in the path's
/// last folders wins; where `modelType` is known it must agree.
const KnownSeries* findKnownSeries(const std::filesystem::path& path, std::string_view name,
                                   std::string_view modelType);

/// Tokens by the row's rule; nothing where the name has no step and is no final one that the row places.
std::optional<double> tokensByRule(const KnownSeries& known, const ParsedName& name);

/// Whether a label in the name fits the rule, within one unit of its last digit or 0.1 %. A label of a later stage counts that stage
/// only. True where there is none.
bool labelAgrees(const KnownSeries& known, const ParsedName& name);

/// True where the shape is one of those published for this row (rows with an init rule only).
bool shapeIsPublished(const KnownSeries& known, const DecoderSpec& spec);

/// The row for a model whose path names no repository, by its shape and its name: model_type, sizes and vocabulary are published for
/// one row alone, and `name` is one of its names, of a step that was published or with a label that its rule agrees with. Else null.
const KnownSeries* seriesOfShape(const DecoderSpec& spec, std::string_view name);

/// By the path, else by the shape. A model of another shape that only borrows a repository's name is not the published series.
struct Recognised {
    const KnownSeries* known = nullptr;
    bool byShape = false;
};
Recognised recognise(const Checkpoint& checkpoint);

/// KnownSeries::finalIs of a final, by itself or by what others of its series are recognised as; null where it has a place among
/// them as any checkpoint.
const char* standsApart(const Series& series, const Checkpoint& checkpoint);

/// Where its tokens come from, for people: "from the config's shape: Pythia", "by the rule of Pythia", "from its name", ...;
/// "" where they are not known.
std::string tokensOrigin(const Checkpoint& checkpoint);

} // namespace crest::series
