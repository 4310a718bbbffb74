// SPDX-License-Identifier: Apache-2.0
#include "core/study/study_json.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/study/finer_rates.h"
#include "core/study/json_fields.h"

namespace crest::study {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 62;
constexpr int kMostStages = 1'000'000;

Json optionalToJson(const std::optional<std::int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json toJson(const TaskInProbe& task) {
    return {{"task", task.task}, {"role", roleName(task.role)}};
}

Result<TaskInProbe> taskInProbeFromJson(const Json& json, const std::string& where) {
    TaskInProbe task;
    JsonFields fields(json, where);
    fields.text("task", task.task);
    fields.word("role", task.role, roleFromName);
    CREST_CHECK(fields.finish());
    return task;
}

/// What the user corrected; keys only where there is something, so that older versions read what has none.
void addCorrections(Json& json, const StudySeries& series) {
    const series::SeriesCorrections& own = series.corrections;
    if (!series.foundAs.empty())
        json["found_as"] = series.foundAs;
    if (!own.included.empty())
        json["included"] = own.included;
    if (own.tokensPerStep)
        json["tokens_per_step"] = *own.tokensPerStep;
    for (const auto& [name, one] : own.checkpoints) {
        Json& entry = json["corrections"][name] = Json::object();
        if (one.tokens)
            entry["tokens"] = *one.tokens;
        if (one.stage)
            entry["stage"] = *one.stage;
        if (!one.name.empty())
            entry["name"] = one.name;
    }
}

Result<series::CheckpointCorrection> correctionFromJson(const Json& json, const std::string& where) {
    series::CheckpointCorrection one;
    JsonFields fields(json, where);
    if (fields.has("tokens"))
        fields.integer("tokens", one.tokens.emplace(0), 0, kMostTokens);
    if (fields.has("stage"))
        fields.integer("stage", one.stage.emplace(0), 0, kMostStages);
    if (fields.has("name"))
        fields.text("name", one.name);
    CREST_CHECK(fields.finish());
    return one;
}

Result<std::map<std::string, series::CheckpointCorrection>> correctionsFromJson(const Json& json,
                                                                                const std::string& where) {
    std::map<std::string, series::CheckpointCorrection> all;
    if (!json.is_object())
        return fail(ErrorKind::Malformed, "a JSON object is expected here", where);
    for (const auto& [name, entry] : json.items()) {
        CREST_TRY(one, correctionFromJson(entry, where + ": " + name.substr(0, 80)));
        all.emplace(name, std::move(one));
    }
    return all;
}

Json toJson(const StudySeries& series) {
    Json json = {{"name", series.name}, {"path", series.path}, {"excluded", series.excluded}};
    addCorrections(json, series);
    return json;
}

Result<StudySeries> seriesFromJson(const Json& json, const std::string& where) {
    StudySeries series;
    JsonFields fields(json, where);
    fields.text("name", series.name);
    fields.text("path", series.path);
    fields.texts("excluded", series.excluded);
    if (fields.has("found_as"))
        fields.text("found_as", series.foundAs);
    if (fields.has("included"))
        fields.texts("included", series.corrections.included);
    if (fields.has("tokens_per_step"))
        fields.integer("tokens_per_step", series.corrections.tokensPerStep.emplace(1), 1, kMostTokens);
    if (fields.has("corrections"))
        fields.object("corrections", series.corrections.checkpoints, correctionsFromJson);
    CREST_CHECK(fields.finish());
    return series;
}

Json toJson(const PlannedCheckpoint& checkpoint) {
    return {{"series", checkpoint.series},
            {"name", checkpoint.name},
            {"path", checkpoint.path},
            {"weights", checkpoint.weights},
            {"tokenizer", checkpoint.tokenizer},
            {"init_std", checkpoint.initStd},
            {"tokens", optionalToJson(checkpoint.tokens)},
            {"step", optionalToJson(checkpoint.step)},
            {"pretrain_seed", optionalToJson(checkpoint.pretrainSeed)}};
}

Result<PlannedCheckpoint> checkpointFromJson(const Json& json, const std::string& where) {
    PlannedCheckpoint checkpoint;
    JsonFields fields(json, where);
    fields.text("series", checkpoint.series);
    fields.text("name", checkpoint.name);
    fields.text("path", checkpoint.path);
    fields.text("weights", checkpoint.weights);
    fields.text("tokenizer", checkpoint.tokenizer);
    fields.text("init_std", checkpoint.initStd);
    fields.optionalInteger("tokens", checkpoint.tokens);
    fields.optionalInteger("step", checkpoint.step);
    fields.optionalInteger("pretrain_seed", checkpoint.pretrainSeed);
    CREST_CHECK(fields.finish());
    return checkpoint;
}

Json toJson(const Cell& cell) {
    Json cached = Json::array();
    for (const char stored : cell.cached)
        cached.push_back(stored ? 1 : 0);
    return {{"checkpoint", cell.checkpoint},
            {"strength", cell.strength},
            {"seed", cell.seed},
            {"keys", cell.keys},
            {"cached", cached}};
}

Result<Cell> cellFromJson(const Json& json, const std::string& where) {
    Cell cell;
    JsonFields fields(json, where);
    fields.integer("checkpoint", cell.checkpoint, 0, 1'000'000);
    fields.number("strength", cell.strength);
    fields.integer("seed", cell.seed, 0);
    fields.texts("keys", cell.keys);
    fields.integers("cached", cell.cached, 0, 1);
    CREST_CHECK(fields.finish());
    return cell;
}

/// A plan's parts refer to each other by index: nothing may point outside.
Result<void> checkPlanIndices(const Plan& plan, const std::string& where) {
    const auto bad = [&](const std::string& what) { return fail(ErrorKind::Malformed, what, where); };
    if (plan.tasks.size() != plan.probe.tasks.size() || plan.taskTokens.size() != plan.tasks.size())
        return bad("the plan's tasks do not match its probe");
    for (std::size_t i = 0; i < plan.cells.size(); ++i) {
        const Cell& cell = plan.cells[i];
        if (cell.checkpoint >= static_cast<int>(plan.checkpoints.size()) || cell.keys.size() != plan.tasks.size() ||
            cell.cached.size() != plan.tasks.size())
            return bad(fmt::format("cell {} does not match the plan's checkpoints and tasks", i));
    }
    for (std::size_t b = 0; b < plan.batches.size(); ++b) {
        if (plan.batches[b].empty())
            return bad(fmt::format("batch {} is empty", b));
        for (const int index : plan.batches[b])
            if (index >= static_cast<int>(plan.cells.size()) ||
                plan.cells[index].checkpoint != plan.cells[plan.batches[b].front()].checkpoint)
                return bad(fmt::format("batch {} refers to a cell that is not there or of another checkpoint", b));
    }
    return {};
}

/// The oldest format that has all of it: an older Crest goes on to read studies that need nothing new.
int formatOf(const std::vector<Task>& tasks, const std::vector<Probe>& probes) {
    if (std::ranges::any_of(probes, [](const Probe& probe) { return !finerRatesOf(probe).empty(); }))
        return 4;
    if (std::ranges::any_of(tasks, [](const Task& task) { return task.kind == TaskKind::TuningLoss; }))
        return 3;
    const bool suites = std::ranges::any_of(tasks, [](const Task& task) { return task.kind != TaskKind::TextLoss; });
    const auto isNew = [](const Probe& probe) { return probe.kind != kGaussianNoise && !probe.isBaseEvaluation(); };
    if (std::ranges::any_of(probes, isNew))
        return 3;
    const bool bases = std::ranges::any_of(probes, [](const Probe& probe) { return probe.isBaseEvaluation(); });
    return suites || bases ? 2 : 1;
}

Result<void> checkFormat(const Json& json, const char* what, const std::string& where) {
    CREST_TRY(format, requireInt(json, "format", where, 1, INT64_MAX));
    if (format > kStudyFormat)
        return fail(ErrorKind::Unsupported,
                    fmt::format("this {} has format {}, this Crest reads up to {}: open it with a newer Crest", what,
                                format, kStudyFormat),
                    where);
    return {};
}

template<class T> Json listToJson(const std::vector<T>& items) {
    Json list = Json::array();
    for (const T& item : items)
        list.push_back(toJson(item));
    return list;
}

template<class Enum, std::size_t N>
Result<Enum> fromName(std::string_view name, const char* const (&names)[N], const char* what,
                      const std::string& where) {
    for (std::size_t i = 0; i < N; ++i)
        if (name == names[i])
            return static_cast<Enum>(i);
    return fail(ErrorKind::Malformed,
                fmt::format("\"{}\" is no {}; it must be {}", name, what, fmt::join(names, " or ")), where);
}

constexpr const char* kRoles[] = {"id", "ood"};
constexpr const char* kNoiseScales[] = {"init-std", "tensor-rms"};
constexpr const char* kComputeTypes[] = {"float32", "bfloat16"};

} // namespace

const char* roleName(Role role) {
    return kRoles[static_cast<int>(role)];
}
const char* noiseScaleName(NoiseScale scale) {
    return kNoiseScales[static_cast<int>(scale)];
}
const char* computeTypeName(ComputeType type) {
    return kComputeTypes[static_cast<int>(type)];
}

Result<Role> roleFromName(std::string_view name, const std::string& where) {
    return fromName<Role>(name, kRoles, "role", where);
}
Result<NoiseScale> noiseScaleFromName(std::string_view name, const std::string& where) {
    return fromName<NoiseScale>(name, kNoiseScales, "noise scale", where);
}
Result<ComputeType> computeTypeFromName(std::string_view name, const std::string& where) {
    return fromName<ComputeType>(name, kComputeTypes, "compute type", where);
}

Json toJson(const Probe& probe) {
    Json json = {{"name", probe.name},
            {"kind", probe.kind},
            {"series", probe.series},
            {"strengths", probe.strengths},
            {"first_seed", probe.firstSeed},
            {"seeds", probe.seeds},
            {"noise_scale", noiseScaleName(probe.noiseScale)},
            {"compute", computeTypeName(probe.compute)},
            {"tasks", listToJson(probe.tasks)}};
    if (!probe.settings.is_null())
        json["settings"] = probe.settings;
    return json;
}

Result<Probe> probeFromJson(const Json& json, const std::string& where) {
    Probe probe;
    JsonFields fields(json, where);
    fields.text("name", probe.name);
    fields.text("kind", probe.kind);
    fields.text("series", probe.series);
    fields.numbers("strengths", probe.strengths);
    fields.integer("first_seed", probe.firstSeed);
    fields.integer("seeds", probe.seeds);
    fields.word("noise_scale", probe.noiseScale, noiseScaleFromName);
    fields.word("compute", probe.compute, computeTypeFromName);
    fields.objects("tasks", probe.tasks, taskInProbeFromJson);
    if (fields.has("settings"))
        fields.any("settings", [&](const Json& settings) { probe.settings = settings; });
    CREST_CHECK(fields.finish());
    return probe;
}

Json toJson(const Study& study) {
    const bool corrected = std::ranges::any_of(study.series, [](const StudySeries& series) {
        return !series.foundAs.empty() || series.corrections != series::SeriesCorrections{};
    });
    const int format = study.overlays.empty() && !corrected ? formatOf(study.tasks, study.probes) : std::max(2, formatOf(study.tasks, study.probes));
    Json json = {{"format", format},
                 {"name", study.name},
                 {"series", listToJson(study.series)},
                 {"tasks", listToJson(study.tasks)},
                 {"probes", listToJson(study.probes)}};
    if (!study.overlays.empty())
        json["overlays"] = listToJson(study.overlays);
    return json;
}

Result<Study> studyFromJson(const Json& json, const std::string& where) {
    CREST_CHECK(checkFormat(json, "study", where));
    Study study;
    std::int64_t format = 0;
    JsonFields fields(json, where);
    fields.integer("format", format);
    fields.text("name", study.name);
    fields.objects("series", study.series, seriesFromJson);
    fields.objects("tasks", study.tasks, taskFromJson);
    fields.objects("probes", study.probes, probeFromJson);
    if (fields.has("overlays"))
        fields.objects("overlays", study.overlays, overlayFromJson);
    CREST_CHECK(fields.finish());
    return study;
}

Json toJson(const Plan& plan) {
    Json json = {{"format", formatOf(plan.tasks, {plan.probe})},
                 {"id", plan.id},
                 {"created_at", plan.createdAt},
                 {"probe", toJson(plan.probe)},
                 {"tasks", listToJson(plan.tasks)},
                 {"task_tokens", plan.taskTokens},
                 {"checkpoints", listToJson(plan.checkpoints)},
                 {"cells", listToJson(plan.cells)},
                 {"batches", plan.batches}};
    if (!plan.device.empty())
        json["device"] = plan.device;
    if (plan.tuningTokens > 0)
        json["tuning_tokens"] = plan.tuningTokens;
    return json;
}

Result<Plan> planFromJson(const Json& json, const std::string& where) {
    CREST_CHECK(checkFormat(json, "run", where));
    Plan plan;
    std::int64_t format = 0;
    JsonFields fields(json, where);
    fields.integer("format", format);
    fields.text("id", plan.id);
    fields.text("created_at", plan.createdAt);
    if (fields.has("device"))
        fields.text("device", plan.device);
    if (fields.has("tuning_tokens"))
        fields.integer("tuning_tokens", plan.tuningTokens, 0);
    fields.object("probe", plan.probe, probeFromJson);
    fields.objects("tasks", plan.tasks, taskFromJson);
    fields.integers("task_tokens", plan.taskTokens, 0, INT64_MAX);
    fields.objects("checkpoints", plan.checkpoints, checkpointFromJson);
    fields.objects("cells", plan.cells, cellFromJson);
    fields.integerLists("batches", plan.batches, 0, INT32_MAX);
    CREST_CHECK(fields.finish());
    CREST_CHECK(checkPlanIndices(plan, where));
    return plan;
}

Json toJson(const ResultRow& row) {
    return {{"key", row.key},
            {"run", row.run},
            {"series", row.series},
            {"checkpoint", row.checkpoint},
            {"weights", row.weights},
            {"tokens", optionalToJson(row.tokens)},
            {"step", optionalToJson(row.step)},
            {"pretrain_seed", optionalToJson(row.pretrainSeed)},
            {"modification", row.modification},
            {"noise_scale", row.noiseScale},
            {"strength", row.strength},
            {"seed", row.seed},
            {"task", row.task},
            {"task_hash", row.taskHash},
            {"metric", row.metric},
            {"unit", row.unit},
            {"value", numberToJson(row.value)},
            {"stderr", numberToJson(row.stderr_)},
            {"n", row.n},
            {"scored_tokens", row.scoredTokens},
            {"compute", row.compute},
            {"device", row.device},
            {"threads", row.threads},
            {"numerics", row.numerics},
            {"cached_at", row.cachedAt},
            {"cause", row.cause}};
}

Result<ResultRow> rowFromJson(const Json& json, const std::string& where) {
    ResultRow row;
    JsonFields fields(json, where);
    fields.text("key", row.key);
    fields.text("run", row.run);
    fields.text("series", row.series);
    fields.text("checkpoint", row.checkpoint);
    fields.text("weights", row.weights);
    fields.optionalInteger("tokens", row.tokens);
    fields.optionalInteger("step", row.step);
    fields.optionalInteger("pretrain_seed", row.pretrainSeed);
    fields.text("modification", row.modification);
    fields.text("noise_scale", row.noiseScale);
    fields.number("strength", row.strength);
    fields.integer("seed", row.seed);
    fields.text("task", row.task);
    fields.text("task_hash", row.taskHash);
    fields.text("metric", row.metric);
    fields.text("unit", row.unit);
    fields.number("value", row.value);
    fields.number("stderr", row.stderr_);
    fields.integer("n", row.n, 0);
    fields.integer("scored_tokens", row.scoredTokens, 0);
    fields.text("compute", row.compute);
    fields.text("device", row.device);
    fields.integer("threads", row.threads, 0, 1'000'000);
    fields.integer("numerics", row.numerics, 0, 1'000'000);
    fields.text("cached_at", row.cachedAt);
    fields.text("cause", row.cause);
    CREST_CHECK(fields.finish());
    return row;
}

std::string utcNow() {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       static_cast<int>(now.time_since_epoch().count() % 1000));
}

} // namespace crest::study
