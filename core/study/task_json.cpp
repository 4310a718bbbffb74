// SPDX-License-Identifier: Apache-2.0
// JSON of a task: a text's loss as it always was, a task of a suite with its definition.
#include "core/study/json_fields.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace {

constexpr const char *kSuite = "suite", *kTuning = "tuning";

/// The definition as it is read by people; one that is no JSON stays the text it is, and checkProbe refuses it.
Json definitionToJson(const std::string& definition) {
    Json json = Json::parse(definition, nullptr, false);
    return json.is_object() && canonicalJson(json) == definition ? json : Json(definition);
}

Result<Task> suiteTaskFromJson(const Json& json, const std::string& where) {
    Task task;
    task.kind = TaskKind::Suite;
    std::string kind;
    JsonFields fields(json, where);
    fields.text("name", task.name);
    fields.text("kind", kind);
    fields.text("folder", task.textsPath);
    fields.text("data", task.dataHash);
    fields.any("definition", [&](const Json& definition) {
        task.definition = definition.is_string() ? definition.get<std::string>() : canonicalJson(definition);
    });
    fields.integer("shots", task.shots, -1);
    fields.integer("limit", task.limit, 0);
    CREST_CHECK(fields.finish());
    if (kind != kSuite)
        return fail(ErrorKind::Malformed, fmt::format("unknown kind of task \"{}\"", kind.substr(0, 80)), where);
    return task;
}

Result<Task> tuningTaskFromJson(const Json& json, const std::string& where) {
    Task task;
    task.kind = TaskKind::TuningLoss;
    std::string kind;
    JsonFields fields(json, where);
    fields.text("name", task.name);
    fields.text("kind", kind);
    fields.text("path", task.textsPath);
    fields.text("data", task.dataHash);
    fields.any("settings", [&](const Json& settings) {
        task.definition = settings.is_string() ? settings.get<std::string>() : canonicalJson(settings);
    });
    CREST_CHECK(fields.finish());
    return task;
}

} // namespace

Json toJson(const Task& task) {
    if (task.kind == TaskKind::TuningLoss)
        return {{"name", task.name},
                {"kind", kTuning},
                {"path", task.textsPath},
                {"data", task.dataHash},
                {"settings", definitionToJson(task.definition)}};
    if (task.kind == TaskKind::Suite)
        return {{"name", task.name},
                {"kind", kSuite},
                {"folder", task.textsPath},
                {"data", task.dataHash},
                {"definition", definitionToJson(task.definition)},
                {"shots", task.shots},
                {"limit", task.limit}};
    return {{"name", task.name},
            {"texts", task.textsPath},
            {"data", task.dataHash},
            {"window_tokens", task.windowTokens},
            {"stride_tokens", task.strideTokens},
            {"max_windows", task.maxWindows}};
}

Result<Task> taskFromJson(const Json& json, const std::string& where) {
    if (json.is_object() && json.contains("kind"))
        return json["kind"] == kTuning ? tuningTaskFromJson(json, where) : suiteTaskFromJson(json, where);
    Task task;
    JsonFields fields(json, where);
    fields.text("name", task.name);
    fields.text("texts", task.textsPath);
    fields.text("data", task.dataHash);
    fields.integer("window_tokens", task.windowTokens);
    fields.integer("stride_tokens", task.strideTokens);
    fields.integer("max_windows", task.maxWindows);
    CREST_CHECK(fields.finish());
    return task;
}

} // namespace crest::study
