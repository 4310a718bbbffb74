// SPDX-License-Identifier: Apache-2.0
// results.h5 for xarray: per series, modification and task one group with the variables loss(checkpoint, strength,
// seed) and base_loss(checkpoint); of a suite's task the same for each of its metrics.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "core/study/published.h"

namespace crest::study {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// What may stand on one pair of axes. The base belongs to every modification of the same task.
struct CubeKey {
    std::string series, modification, noiseScale, compute, task, taskHash;
    int numerics = 0;
    auto operator<=>(const CubeKey&) const = default;
};

CubeKey keyOf(const ResultRow& row) {
    return {row.series, row.modification, row.noiseScale, row.compute, row.task, row.taskHash, row.numerics};
}

CubeKey baseKeyOf(CubeKey key) {
    key.modification = "none";
    key.noiseScale.clear();
    return key;
}

using Rows = std::vector<const ResultRow*>;
using Groups = std::map<CubeKey, Rows>;

/// A checkpoint is its content: two of one name are told apart.
struct CheckpointKey {
    std::int64_t tokens = 0, pretrainSeed = 0;
    std::string name, weights;
    auto operator<=>(const CheckpointKey&) const = default;
};
CheckpointKey checkpointOf(const ResultRow& row) {
    return {row.tokens.value_or(-1), row.pretrainSeed.value_or(-1), row.checkpoint, row.weights};
}

/// A name as one part of a path: what cannot stand there is written as in an URL (%2F for /), so that two names never
/// become one.
std::string pathPart(std::string_view text) {
    if (text.empty())
        return "%";
    std::string part;
    const bool onlyDots = text.find_first_not_of('.') == std::string_view::npos;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || c == '/' || c == '%' || c == '@' || onlyDots)
            part += fmt::format("%{:02X}", byte);
        else
            part += c;
    }
    return part;
}

std::string groupPath(const CubeKey& key, const Groups& groups) {
    std::string modification = key.modification == "none" ? "base" : key.modification;
    for (const std::string& part : {key.noiseScale, key.compute})
        if (!part.empty())
            modification += " " + part;
    modification += fmt::format(" numerics {}", key.numerics);
    std::string task = pathPart(key.task);
    const auto ambiguous = std::ranges::count_if(groups, [&](const auto& other) {
        CubeKey same = other.first;
        same.taskHash = key.taskHash;
        return same == key;
    });
    if (ambiguous > 1) // the text or the scoring changed under the same name
        task += "@" + key.taskHash.substr(0, 8);
    return "/cubes/" + pathPart(key.series) + "/" + pathPart(modification) + "/" + task;
}

template<class T> std::map<T, std::uint64_t> indexed(const std::set<T>& values) {
    std::map<T, std::uint64_t> index;
    for (const T& value : values)
        index.emplace(value, index.size());
    return index;
}

struct Axes {
    std::map<CheckpointKey, std::uint64_t> checkpoints;
    std::map<double, std::uint64_t> strengths;
    std::map<std::int64_t, std::uint64_t> seeds;
};

Axes axesOf(const Rows& modified, const Rows& base) {
    std::set<CheckpointKey> checkpoints;
    std::set<double> strengths;
    std::set<std::int64_t> seeds;
    for (const ResultRow* row : modified) {
        checkpoints.insert(checkpointOf(*row));
        strengths.insert(row->strength);
        seeds.insert(row->seed);
    }
    for (const ResultRow* row : base)
        checkpoints.insert(checkpointOf(*row));
    return {indexed(checkpoints), indexed(strengths), indexed(seeds)};
}

Result<void> writeCheckpoints(io::Hdf5Writer& file, const std::string& group, const Axes& axes) {
    std::vector<std::string> labels, weights;
    std::vector<std::int64_t> tokens, seeds;
    std::map<std::string, int> names;
    for (const auto& [checkpoint, index] : axes.checkpoints)
        ++names[checkpoint.name];
    for (const auto& [checkpoint, index] : axes.checkpoints) {
        labels.push_back(names[checkpoint.name] > 1 ? checkpoint.name + "@" + checkpoint.weights.substr(0, 8)
                                                    : checkpoint.name);
        weights.push_back(checkpoint.weights);
        tokens.push_back(checkpoint.tokens);
        seeds.push_back(checkpoint.pretrainSeed);
    }
    CREST_CHECK(file.array(group + "/checkpoint", labels));
    CREST_CHECK(file.makeScale(group + "/checkpoint", "checkpoint"));
    CREST_CHECK(file.array(group + "/tokens", std::span<const std::int64_t>(tokens), {tokens.size()}));
    CREST_CHECK(file.attribute(group + "/tokens", "units", "1"));
    CREST_CHECK(file.attribute(group + "/tokens", "long_name", "pretraining tokens; -1 unknown"));
    CREST_CHECK(file.array(group + "/pretrain_seed", std::span<const std::int64_t>(seeds), {seeds.size()}));
    CREST_CHECK(file.attribute(group + "/pretrain_seed", "long_name", "seed of the pretraining run; -1 unknown"));
    CREST_CHECK(file.array(group + "/weights", weights));
    for (const char* name : {"/tokens", "/pretrain_seed", "/weights"})
        CREST_CHECK(file.attachScale(group + name, 0, group + "/checkpoint"));
    return {};
}

/// A metric as a cube has it: its variables are NAME, NAME_stderr (the loss: stderr), and both with base_ before them.
struct CubeMetric {
    std::string metric, unit; ///< as in the rows
    std::string name, errorName, over;
};

/// A name that no other variable of the group has.
std::string freeVariable(const std::string& metric, std::set<std::string>& taken) {
    std::string name = pathPart(metric);
    while (taken.contains(name) || taken.contains(name + "_stderr") || taken.contains("base_" + name) ||
           taken.contains("base_" + name + "_stderr"))
        name += "_";
    taken.insert({name, name + "_stderr", "base_" + name, "base_" + name + "_stderr"});
    return name;
}

std::vector<CubeMetric> metricsOf(const Rows& modified, const Rows& base) {
    std::vector<CubeMetric> metrics;
    std::set<std::string> known, taken{"checkpoint", "tokens", "pretrain_seed", "weights", "strength", "seed"};
    const auto add = [&](const std::string& metric, const std::string& unit, bool items) {
        if (!known.insert(metric).second)
            return;
        if (!items && metric == "loss")
            return metrics.push_back({metric, unit, metric, "stderr", "sequences"});
        const std::string name = freeVariable(metric, taken);
        metrics.push_back({metric, unit, name, name + "_stderr", "items"});
    };
    for (const Rows* rows : {&modified, &base})
        for (const ResultRow* row : *rows) {
            for (const data::MetricValue& metric : row->outcome.metrics)
                add(metric.metric, metric.unit, true);
            if (row->outcome.metrics.empty())
                add(row->metric, row->unit, row->hasOutcome());
        }
    return metrics;
}

struct Measured {
    double value = kMissing, error = kMissing;
};
Measured measuredOf(const ResultRow& row, const CubeMetric& cube) {
    for (const data::MetricValue& metric : row.outcome.metrics)
        if (metric.metric == cube.metric)
            return {metric.value, metric.stderr_};
    if (row.outcome.metrics.empty() && row.metric == cube.metric)
        return {row.value, row.stderr_};
    return {};
}

/// One variable of a cube with its axes: values in their order, row-major.
struct CubeVariable {
    std::string name, unit, longName;
    std::vector<std::pair<std::string, std::uint64_t>> dimensions;
};

Result<void> writeVariable(io::Hdf5Writer& file, const std::string& group, const CubeVariable& variable,
                           const std::vector<double>& values) {
    const std::string path = group + "/" + variable.name;
    std::vector<std::uint64_t> shape;
    for (const auto& [dimension, length] : variable.dimensions)
        shape.push_back(length);
    CREST_CHECK(file.array(path, std::span<const double>(values), shape));
    CREST_CHECK(file.attribute(path, "units", variable.unit));
    CREST_CHECK(file.attribute(path, "long_name", variable.longName));
    CREST_CHECK(file.attribute(path, "coordinates", "tokens pretrain_seed weights"));
    for (unsigned axis = 0; axis < variable.dimensions.size(); ++axis)
        CREST_CHECK(file.attachScale(path, axis, group + "/" + variable.dimensions[axis].first));
    return {};
}

Result<void> writeBase(io::Hdf5Writer& file, const std::string& group, const Axes& axes, const Rows& base,
                       const std::vector<CubeMetric>& metrics) {
    const std::vector<std::pair<std::string, std::uint64_t>> dimensions = {{"checkpoint", axes.checkpoints.size()}};
    for (const CubeMetric& metric : metrics) {
        std::vector<double> values(axes.checkpoints.size(), kMissing), errors = values;
        for (const ResultRow* row : base) {
            const Measured measured = measuredOf(*row, metric);
            const std::uint64_t at = axes.checkpoints.at(checkpointOf(*row));
            values[at] = measured.value;
            errors[at] = measured.error;
        }
        CREST_CHECK(writeVariable(
            file, group,
            {"base_" + metric.name, metric.unit, metric.metric + " of the unmodified checkpoint", dimensions}, values));
        CREST_CHECK(writeVariable(file, group,
                                  {"base_" + metric.errorName, metric.unit,
                                   "standard error of base_" + metric.name + " over " + metric.over, dimensions},
                                  errors));
    }
    return {};
}

/// What a number of the cube is, in words.
std::string modifiedText(const CubeMetric& metric, const Rows& modified) {
    const bool pairs = probeKind(modified.front()->modification).members == 2;
    return metric.metric + " of the modified checkpoint" + (pairs ? ", mean of both members of an antithetic pair" : "");
}

Result<void> writeModified(io::Hdf5Writer& file, const std::string& group, const Axes& axes, const Rows& modified,
                           const std::vector<CubeMetric>& metrics) {
    const std::uint64_t strengths = axes.strengths.size(), seeds = axes.seeds.size();
    std::vector<double> strengthAxis(strengths);
    std::vector<std::int64_t> seedAxis(seeds);
    for (const auto& [strength, index] : axes.strengths)
        strengthAxis[index] = strength;
    for (const auto& [seed, index] : axes.seeds)
        seedAxis[index] = seed;
    CREST_CHECK(file.array(group + "/strength", std::span<const double>(strengthAxis), {strengths}));
    CREST_CHECK(file.makeScale(group + "/strength", "strength"));
    CREST_CHECK(file.array(group + "/seed", std::span<const std::int64_t>(seedAxis), {seeds}));
    CREST_CHECK(file.makeScale(group + "/seed", "seed"));
    const std::vector<std::pair<std::string, std::uint64_t>> dimensions = {
        {"checkpoint", axes.checkpoints.size()}, {"strength", strengths}, {"seed", seeds}};
    for (const CubeMetric& metric : metrics) {
        std::vector<double> values(axes.checkpoints.size() * strengths * seeds, kMissing), errors = values;
        for (const ResultRow* row : modified) {
            const Measured measured = measuredOf(*row, metric);
            const std::uint64_t at =
                (axes.checkpoints.at(checkpointOf(*row)) * strengths + axes.strengths.at(row->strength)) * seeds +
                axes.seeds.at(row->seed);
            values[at] = measured.value;
            errors[at] = measured.error;
        }
        CREST_CHECK(writeVariable(
            file, group,
            {metric.name, metric.unit, modifiedText(metric, modified), dimensions}, values));
        CREST_CHECK(writeVariable(
            file, group,
            {metric.errorName, metric.unit, "standard error of " + metric.name + " over " + metric.over, dimensions},
            errors));
    }
    return {};
}

} // namespace

Result<void> writeCubes(io::Hdf5Writer& file, const std::vector<ResultRow>& rows) {
    Groups groups;
    for (const ResultRow& row : rows)
        groups[keyOf(row)].push_back(&row);
    std::set<CubeKey> basesShown;
    for (const auto& [key, modified] : groups)
        if (key.modification != "none")
            basesShown.insert(baseKeyOf(key));
    CREST_CHECK(file.group("/cubes"));
    for (const auto& [key, members] : groups) {
        const bool onlyBase = key.modification == "none";
        if (onlyBase && basesShown.contains(key))
            continue;
        const auto baseAt = groups.find(baseKeyOf(key));
        const Rows none, &base = baseAt == groups.end() ? none : baseAt->second;
        const Axes axes = axesOf(onlyBase ? none : members, base);
        const std::string group = groupPath(key, groups);
        CREST_CHECK(file.group(group));
        CREST_CHECK(file.attribute(group, "task", key.task));
        CREST_CHECK(file.attribute(group, "task_hash", key.taskHash));
        CREST_CHECK(writeCheckpoints(file, group, axes));
        const std::vector<CubeMetric> metrics = metricsOf(onlyBase ? none : members, base);
        CREST_CHECK(writeBase(file, group, axes, base, metrics));
        if (!onlyBase)
            CREST_CHECK(writeModified(file, group, axes, members, metrics));
    }
    return {};
}

} // namespace crest::study
