// SPDX-License-Identifier: Apache-2.0
#include "core/study/suite_tasks.h"

#include <filesystem>
#include <list>
#include <mutex>

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/base/hash.h"
#include "core/data/data_folder.h"
#include "core/data/suite.h"
#include "core/study/chat_tasks.h"
#include "core/study/planner.h"

namespace crest::study {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMostRemembered = 256;

struct Pinned {
    std::string dataHash;
    std::int64_t shots = 0, tokens = 0;
    std::vector<std::string> notes; ///< notesOn
};

bool addFile(const fs::path& file, Sha256& hash) {
    struct stat facts {};
    if (::stat(file.c_str(), &facts) != 0)
        return false;
    hash.update(fmt::format("{}\n{} {} {} {}.{}\n", file.string(), facts.st_dev, facts.st_ino, facts.st_size,
                            facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec));
    return true;
}

/// Names, sizes and times of everything below a folder (or of a file): what was read stands as long as it does. ""
/// where that cannot be said.
std::string dataStampOf(const fs::path& folder) {
    const auto data = data::DataFolder::open(folder);
    if (!data)
        return {};
    Sha256 hash;
    for (const fs::path& file : data->files())
        if (!addFile(file, hash))
            return {};
    return hash.finishHex();
}

/// What one process has pinned lately: a window plans anew with every change of a probe.
class Remembered {
public:
    bool find(const std::string& key, Pinned& pinned) {
        const std::scoped_lock lock(m_mutex);
        for (const auto& [known, value] : m_values)
            if (known == key) {
                pinned = value;
                return true;
            }
        return false;
    }
    void add(std::string key, const Pinned& pinned) {
        const std::scoped_lock lock(m_mutex);
        m_values.emplace_front(std::move(key), pinned);
        if (m_values.size() > kMostRemembered)
            m_values.pop_back();
    }

private:
    std::mutex m_mutex;
    std::list<std::pair<std::string, Pinned>> m_values;
};

std::int64_t tokensOf(const data::TaskDefinition& definition, const std::vector<data::TaskItem>& items) {
    double bytes = 0;
    for (const data::TaskItem& item : items) {
        const std::string* last = nullptr;
        for (const data::ItemRequest& request : item.requests) {
            if (!last || *last != request.context)
                bytes += static_cast<double>(request.context.size());
            bytes += static_cast<double>(request.continuation.size());
            last = &request.context;
        }
    }
    const std::int64_t written = definition.kind == data::TaskKind::Generation
                                     ? definition.generation.maxNewTokens * static_cast<std::int64_t>(items.size())
                                     : 0;
    return static_cast<std::int64_t>(bytes / kBytesPerToken) + written + 1;
}

std::vector<std::string> notesOf(const Task& task, const data::TaskItems& items) {
    std::vector<std::string> notes;
    if (items.badRows > 0)
        notes.push_back(fmt::format("{}: {} of {} rows cannot be used and are left out; the first: {}", task.name, items.badRows,
                                    items.rows, items.badExamples.empty() ? "" : items.badExamples[0]));
    if (items.withoutSystem > 0)
        notes.push_back(fmt::format("{}: the chat template refuses a system message; {} asked without it", task.name,
                                    items.withoutSystem == 1 ? "1 item is" : fmt::format("{} items are", items.withoutSystem)));
    return notes;
}

/// `chat`: nullptr for the texts without a template.
Result<Pinned> pin(const Task& task, const data::ChatTemplate* chat, const JobContext& job) {
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(definition, data::parseTask(json, task.name));
    data::ItemOptions options;
    options.shots = static_cast<int>(task.shots);
    options.limit = task.limit;
    options.chat = chat;
    options.withoutChat = !chat;
    auto items = data::makeItems(definition, task.textsPath, options, JobContext(job.token()));
    if (!items && items.error().kind != ErrorKind::Stopped)
        return fail(items.error().kind, fmt::format("Task \"{}\": {}", task.name, items.error().message),
                    items.error().where);
    if (!items)
        return fail(items.error());
    if (items->items.empty())
        return fail(ErrorKind::Malformed, fmt::format("Task \"{}\" has no items in these data.", task.name),
                    task.textsPath);
    return Pinned{items->dataHash, task.shots >= 0 ? task.shots : definition.shots, tokensOf(definition, items->items),
                  notesOf(task, *items)};
}

std::string keyOf(Task task, const std::string& stamp) {
    task.dataHash.clear();
    return taskHash(task) + "\n" + task.textsPath + "\n" + stamp;
}

Result<Pinned> pinnedOf(const Task& task, const data::ChatTemplate* chat, const JobContext& job) {
    static Remembered remembered;
    const std::string stamp = dataStampOf(task.textsPath), asked = chat ? "\nas a chat" : ""; // by the template of its definition
    Pinned pinned;
    if (!stamp.empty() && remembered.find(keyOf(task, stamp) + asked, pinned))
        return pinned;
    CREST_TRY(fresh, pin(task, chat, job));
    if (stamp.empty() || dataStampOf(task.textsPath) != stamp)
        return fresh;
    Task whole = task; // as it will be asked for once it is pinned
    whole.shots = fresh.shots;
    remembered.add(keyOf(task, stamp) + asked, fresh);
    if (whole.shots != task.shots)
        remembered.add(keyOf(whole, stamp) + asked, fresh);
    return fresh;
}

} // namespace

Result<std::int64_t> pinSuiteTask(Task& task, const JobContext& job) {
    CREST_TRY(pinned, pinnedOf(task, nullptr, job));
    task.dataHash = pinned.dataHash;
    task.shots = pinned.shots;
    return pinned.tokens;
}

Result<std::vector<std::string>> notesOn(const Task& task, const fs::path& checkpoint, const JobContext& job) {
    if (task.kind != TaskKind::Suite)
        return std::vector<std::string>();
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(definition, data::parseTask(json, task.name));
    CREST_TRY(chat, chatTemplateOf(definition, checkpoint));
    CREST_TRY(pinned, pinnedOf(task, chat ? &*chat : nullptr, job));
    return pinned.notes;
}

Result<void> checkChat(const Task& task, const fs::path& checkpoint, const JobContext& job) {
    if (task.kind != TaskKind::Suite)
        return {};
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(definition, data::parseTask(json, task.name));
    return definition.chat.on ? notesOn(task, checkpoint, job).map([](const auto&) {}) : Result<void>();
}

} // namespace crest::study
