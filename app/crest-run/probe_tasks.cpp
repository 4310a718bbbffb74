// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/probe_tasks.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/crest-run/text_lines.h"
#include "core/data/suite.h"
#include "core/study/study_json.h"
#include "core/study/suite_tasks.h"

namespace crest {
namespace {
namespace fs = std::filesystem;

/// NAME=FILE:id or NAME=FILE:ood.
Result<ProbeTask> parseText(const std::string& text, const ProbeTaskOptions& options) {
    const auto equals = text.find('='), colon = text.rfind(':');
    if (equals == std::string::npos || equals == 0 || colon == std::string::npos || colon < equals + 2)
        return fail(ErrorKind::OutOfRange, "--texts must be NAME=FILE:id or NAME=FILE:ood, but is \"" + text + "\".");
    ProbeTask option;
    CREST_TRY(role, study::roleFromName(text.substr(colon + 1), "--texts " + text));
    option.role = role;
    option.task.name = text.substr(0, equals);
    option.task.textsPath = absolutePath(text.substr(equals + 1, colon - equals - 1));
    option.task.windowTokens = options.window;
    option.task.strideTokens = options.stride > 0 ? options.stride : options.window;
    option.task.maxWindows = options.maxWindows;
    return option;
}

Result<ProbeTask> suiteTask(const data::TaskDefinition& definition, const std::string& folder, std::int64_t shots,
                            std::int64_t limit, const ChatOptions& chat) {
    ProbeTask made;
    std::string suffix;
    CREST_TRY(asked, askedWith(definition, chat, shots, suffix));
    made.inSuite = definition.name;
    made.task.name = definition.name + suffix;
    made.task.kind = study::TaskKind::Suite;
    made.task.textsPath = absolutePath(folder);
    made.task.definition = canonicalJson(asked.definition);
    made.task.shots = shots;
    made.task.limit = limit;
    return made;
}

/// The tasks of every suite that were chosen; one that is in two suites counts once.
Result<void> addSuites(const ProbeTaskOptions& options, std::vector<ProbeTask>& tasks) {
    if (options.suites.empty())
        return {};
    if (options.data.empty())
        return fail(ErrorKind::OutOfRange, "--suite needs --data: the folder that holds the data of its tasks.");
    std::set<std::string> left(options.only.begin(), options.only.end()), known;
    std::vector<std::string> names;
    for (const std::string& file : options.suites) {
        CREST_TRY(suite, data::readSuite(file));
        for (const data::TaskDefinition& definition : suite.tasks) {
            names.push_back(definition.name);
            const bool chosen =
                options.only.empty() || std::ranges::find(options.only, definition.name) != options.only.end();
            left.erase(definition.name);
            if (!chosen || !known.insert(definition.name).second)
                continue;
            CREST_TRY(task, suiteTask(definition, options.data, options.shots, options.limit, options.chat));
            tasks.push_back(std::move(task));
        }
    }
    if (!left.empty())
        return fail(ErrorKind::NotFound, fmt::format("--tasks {}: the suite has no such task; there are {}.",
                                                     *left.begin(), fmt::join(names, ", ")));
    return {};
}

/// The field of the prompts: "text", or "prompt" where the first of the JSON lines has that instead.
Result<std::string> promptField(const std::string& file) {
    CREST_TRY(content, io::readTextFile(file, std::uint64_t{1} << 30));
    const std::size_t begin = content.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos)
        return fail(ErrorKind::Malformed, "There is no prompt in this file.", file);
    if (content[begin] != '{')
        return std::string("text"); // a prompt a line
    CREST_TRY(row, parseJson(content.substr(begin, content.find('\n', begin) - begin), file + ", line 1"));
    for (const char* field : {"text", "prompt"})
        if (row.is_object() && row.contains(field) && row[field].is_string())
            return std::string(field);
    return fail(ErrorKind::Malformed, "The prompts must be JSON lines with a \"text\" (or a \"prompt\") each.", file);
}

/// NAME=FILE.jsonl as a task that is generated, compared with nothing, and kept.
Result<ProbeTask> samplesTask(const std::string& text, const ProbeTaskOptions& options) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
        return fail(ErrorKind::OutOfRange, "--samples must be NAME=FILE.jsonl, but is \"" + text + "\".");
    const std::string file = absolutePath(text.substr(equals + 1));
    CREST_TRY(field, promptField(file));
    // The same definition as the window makes of a file of prompts, so that both find each other's results.
    std::string pattern = fs::path(file).filename().string();
    for (char& c : pattern)
        if (c == '*' || c == '!') // they have a meaning in a suite's file names
            c = '?';
    Json generation = {{"max_new_tokens", options.maxNew}};
    if (options.temperature != 0) // of one that makes no sense the definition's reader says so
        generation.update({{"temperature", options.temperature}, {"top_k", options.topK}, {"top_p", options.topP}});
    const Json definition = {{"name", text.substr(0, equals)},
                             {"kind", "generation"},
                             {"data", {{"test", Json::array({pattern})}}},
                             {"context", "{{" + field + "}}"},
                             {"metrics", Json::array({"tokens"})},
                             {"generation", generation}};
    CREST_TRY(checked, data::parseTask(definition, "--samples " + text));
    return suiteTask(checked, file, 0, options.limit, options.chat);
}

/// What keeps a task's data from being found; nothing where they are there, or where something else is wrong, which planning says.
std::optional<Error> missingData(study::Task task) {
    const auto pinned = task.kind == study::TaskKind::Suite ? study::pinSuiteTask(task) : Result<std::int64_t>(0);
    return pinned || pinned.error().kind != ErrorKind::NotFound ? std::nullopt : std::optional(pinned.error());
}

/// Leaves out what has no data, and says so, where that is asked for; else it is an error.
Result<void> lookForData(std::vector<ProbeTask>& tasks, bool skipMissing) {
    std::vector<ProbeTask> there;
    for (ProbeTask& one : tasks) {
        auto missing = missingData(one.task);
        if (!missing) {
            there.push_back(std::move(one));
            continue;
        }
        if (!skipMissing) {
            missing->message += " (--skip-missing leaves such tasks out)";
            return fail(std::move(*missing));
        }
        fmt::print(stderr, "crest-run probe: left out: {}\n", missing->text());
    }
    tasks = std::move(there);
    return {};
}

} // namespace

std::string absolutePath(const fs::path& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    return error ? path.string() : absolute.lexically_normal().string();
}

Result<std::vector<ProbeTask>> tasksOf(const ProbeTaskOptions& options) {
    std::vector<ProbeTask> tasks;
    for (const std::string& text : options.texts) {
        CREST_TRY(task, parseText(text, options));
        tasks.push_back(std::move(task));
    }
    CREST_CHECK(addSuites(options, tasks));
    CREST_CHECK(lookForData(tasks, options.skipMissing));
    for (const std::string& text : options.samples) {
        CREST_TRY(task, samplesTask(text, options));
        tasks.push_back(std::move(task));
    }
    for (const std::string& name : options.inDistribution) {
        const auto at = std::ranges::find_if(
            tasks, [&](const ProbeTask& one) { return one.task.name == name || one.inSuite == name; });
        if (at == tasks.end())
            return fail(ErrorKind::NotFound, fmt::format("--id {}: no task of this name is measured.", name));
        at->role = study::Role::InDistribution;
    }
    return tasks;
}

} // namespace crest
