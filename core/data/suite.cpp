// SPDX-License-Identifier: Apache-2.0
#include "core/data/suite.h"

#include <set>

#include "core/data/definition_keys.h"
#include "core/io/files.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestSuite = 1'000'000;
constexpr int kDeepestUse = 4;
constexpr std::size_t kMostTasks = 1000;
constexpr int kMostReads = 2000; ///< of files, by "use": each may name many
constexpr const char* kFormat = "crest suite 1";

struct SuiteFile {
    std::string name, description;
    std::vector<Json> tasks; ///< complete definitions
};

/// The file that "use" names: beside this one, never elsewhere.
Result<fs::path> besideFile(const fs::path& file, const std::string& name, const std::string& where) {
    const bool plain = !name.empty() && name.find('/') == std::string::npos && name.find('\\') == std::string::npos &&
                       name != "." && name != "..";
    if (!plain)
        return fail(ErrorKind::Malformed, fmt::format("\"use\" names a file beside this one, not \"{}\"", name), where);
    return file.parent_path() / name;
}

Result<SuiteFile> readFile(const fs::path& file, int depth, int& reads);

/// {"use": "arc.json#arc_easy", ...}: that task (or all of the file) with these keys instead.
Result<std::vector<Json>> usedTasks(const fs::path& file, const Json& entry, const std::string& where, int depth,
                                    int& reads) {
    CREST_TRY(use, Keys(entry, where).text("use"));
    const std::size_t mark = use.find('#');
    CREST_TRY(path, besideFile(file, use.substr(0, mark), where));
    CREST_TRY(used, readFile(path, depth + 1, reads));
    Json changes = entry;
    changes.erase("use");
    std::vector<Json> tasks;
    for (Json& task : used.tasks) {
        if (mark != std::string::npos && task.value("name", "") != use.substr(mark + 1))
            continue;
        task.merge_patch(changes);
        tasks.push_back(std::move(task));
    }
    if (tasks.empty())
        return fail(ErrorKind::NotFound, fmt::format("there is no task \"{}\"", use), where);
    return tasks;
}

Result<SuiteFile> readFile(const fs::path& file, int depth, int& reads) {
    const std::string where = file.filename().string();
    if (++reads > kMostReads)
        return fail(ErrorKind::Malformed, fmt::format("\"use\" leads to more than {} files", kMostReads), where);
    if (depth > kDeepestUse)
        return fail(ErrorKind::Malformed,
                    fmt::format("\"use\" leads deeper than {} files, or in a circle", kDeepestUse), where);
    CREST_TRY(content, io::readTextFile(file, kLongestSuite));
    CREST_TRY(json, parseJson(content, where));
    const Keys keys(json, where);
    CREST_CHECK(keys.only({"format", "name", "description", "tasks"}));
    CREST_TRY(format, keys.text("format"));
    if (format != kFormat)
        return fail(ErrorKind::Unsupported,
                    fmt::format("\"format\" is \"{}\"; this program reads \"{}\"", format.substr(0, 60), kFormat),
                    where);
    SuiteFile suite;
    CREST_TRY(name, keys.text("name"));
    CREST_TRY(description, keys.text("description", ""));
    suite.name = std::move(name);
    suite.description = std::move(description);
    if (!keys.has("tasks") || !keys.at("tasks").is_array())
        return keys.wrong("\"tasks\" must be a list");
    if (keys.at("tasks").size() > kMostTasks)
        return keys.wrong(fmt::format("more than {} tasks", kMostTasks));
    for (const Json& entry : keys.at("tasks")) {
        if (!entry.is_object() || !entry.contains("use")) {
            suite.tasks.push_back(entry);
        } else {
            CREST_TRY(used, usedTasks(file, entry, where, depth, reads));
            for (Json& task : used)
                suite.tasks.push_back(std::move(task));
        }
        if (suite.tasks.size() > kMostTasks)
            return keys.wrong(fmt::format("more than {} tasks", kMostTasks));
    }
    return suite;
}

} // namespace

Result<Suite> readSuite(const fs::path& file) {
    int reads = 0;
    CREST_TRY(content, readFile(file, 0, reads));
    Suite suite{content.name, content.description, {}};
    std::set<std::string> names;
    for (const Json& definition : content.tasks) {
        CREST_TRY(task, parseTask(definition, file.filename().string()));
        if (!names.insert(task.name).second)
            return fail(ErrorKind::Malformed, fmt::format("two tasks have the name \"{}\"", task.name),
                        file.filename().string());
        suite.tasks.push_back(std::move(task));
    }
    if (suite.tasks.empty())
        return fail(ErrorKind::Malformed, "the suite has no task", file.filename().string());
    return suite;
}

} // namespace crest::data
