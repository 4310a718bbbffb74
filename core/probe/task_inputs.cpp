// SPDX-License-Identifier: Apache-2.0
#include "core/probe/task_inputs.h"

#include <mutex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/hash.h"
#include "core/data/suite.h"
#include "core/io/files.h"
#include "core/study/chat_tasks.h"
#include "core/study/planner.h"

namespace crest::probe {
namespace {

/// Values that several threads want and one makes; forgotten when nobody holds them any more.
template<class T> class SharedOnce {
public:
    template<class Make> Result<std::shared_ptr<const T>> get(const std::string& key, Make make) {
        const std::shared_ptr<Slot> slot = slotOf(key);
        const std::scoped_lock lock(slot->mutex); // the others wait for the one that makes it
        if (auto value = slot->value.lock())
            return value;
        CREST_TRY(made, make());
        auto value = std::make_shared<const T>(std::move(made));
        slot->value = value;
        return value;
    }

private:
    struct Slot {
        std::mutex mutex;
        std::weak_ptr<const T> value;
    };
    std::mutex m_mutex;
    std::map<std::string, std::shared_ptr<Slot>> m_slots;

    std::shared_ptr<Slot> slotOf(const std::string& key) {
        const std::scoped_lock lock(m_mutex);
        std::erase_if(m_slots,
                      [](const auto& item) { return item.second.use_count() == 1 && item.second->value.expired(); });
        auto& slot = m_slots[key];
        if (!slot)
            slot = std::make_shared<Slot>();
        return slot;
    }
};

/// What a task's tokens depend on besides the task.
std::string keyOf(const study::Task& task, const LoadedCheckpoint& checkpoint) {
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", task.textsPath, study::taskHash(task), checkpoint.tokenizerHash,
                       checkpoint.spec().contextLength, checkpoint.spec().vocabSize,
                       fmt::join(checkpoint.endTokens, " "));
}

Result<void> checkTextUnchanged(const study::Task& task) {
    if (task.dataHash.empty())
        return {};
    CREST_TRY(content, io::readTextFile(task.textsPath, std::uint64_t{1} << 40));
    if (sha256Hex(content) != task.dataHash)
        return fail(ErrorKind::Mismatch, "the text changed since the run was planned; plan it again", task.textsPath);
    return {};
}

Result<eval::TextWindows> readText(const study::Task& task, const LoadedCheckpoint& checkpoint, const JobContext& job) {
    CREST_CHECK(checkTextUnchanged(task));
    return eval::readTextWindows(task.textsPath, *checkpoint.tokenizer, checkpoint.spec(),
                                 {task.windowTokens, task.strideTokens, task.maxWindows}, job);
}

Result<eval::PreparedTask> readSuite(const study::Task& task, const LoadedCheckpoint& checkpoint,
                                     const JobContext& job) {
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(definition, data::parseTask(json, task.name));
    data::ItemOptions options;
    options.shots = static_cast<int>(task.shots);
    options.limit = task.limit;
    CREST_TRY(chat, study::chatTemplateOf(definition, checkpoint.path()));
    options.chat = chat ? &*chat : nullptr;
    CREST_TRY(items, data::makeItems(definition, task.textsPath, options, job));
    if (!task.dataHash.empty() && items.dataHash != task.dataHash)
        return fail(ErrorKind::Mismatch,
                    fmt::format("the data of \"{}\" changed since the run was planned; plan it again", task.name),
                    task.textsPath);
    eval::TaskScoringOptions scoring;
    scoring.endTokens = checkpoint.endTokens;
    scoring.cache = data::TokenCache::ofUser();
    return eval::prepareTask(definition, std::move(items.items), *checkpoint.tokenizer, checkpoint.spec(), scoring,
                             job);
}

Result<data::TuningSet> readTuning(const study::Task& task, const LoadedCheckpoint& checkpoint, const JobContext& job) {
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(settings, data::tuningDataFromJson(json, task.name));
    settings.path = task.textsPath;
    auto read = data::readTuningData(settings, *checkpoint.tokenizer, job, data::TokenCache::ofUser());
    if (!read)
        return fail(read.error().kind, read.error().message, read.error().where.empty() ? checkpoint.path() : read.error().where);
    data::TuningSet set = std::move(*read);
    if (!task.dataHash.empty() && set.contentHash != task.dataHash)
        return fail(ErrorKind::Mismatch,
                    fmt::format("the data of \"{}\" changed since the run was planned; plan it again", task.name),
                    task.textsPath);
    return set;
}

SharedOnce<eval::TextWindows>& sharedTexts() {
    static SharedOnce<eval::TextWindows> shared;
    return shared;
}
SharedOnce<data::TuningSet>& sharedTuning() {
    static SharedOnce<data::TuningSet> shared;
    return shared;
}
SharedOnce<eval::PreparedTask>& sharedSuites() {
    static SharedOnce<eval::PreparedTask> shared;
    return shared;
}

} // namespace

void TaskInputs::begin(const std::string& run, const LoadedCheckpoint& checkpoint) {
    std::string owner = run + "\n" + checkpoint.tokenizerHash;
    if (owner == m_owner)
        return;
    m_owner = std::move(owner);
    m_texts.clear();
    m_suites.clear();
    m_tuning.clear();
}

Result<std::shared_ptr<const eval::TextWindows>>
TaskInputs::text(const study::Task& task, const LoadedCheckpoint& checkpoint, const JobContext& job) {
    const std::string key = keyOf(task, checkpoint);
    if (const auto known = m_texts.find(key); known != m_texts.end())
        return known->second;
    CREST_TRY(text, sharedTexts().get(key, [&] { return readText(task, checkpoint, job); }));
    return m_texts.emplace(key, std::move(text)).first->second;
}

Result<std::shared_ptr<const eval::PreparedTask>>
TaskInputs::suite(const study::Task& task, const LoadedCheckpoint& checkpoint, const JobContext& job) {
    const std::string key = keyOf(task, checkpoint);
    if (const auto known = m_suites.find(key); known != m_suites.end())
        return known->second;
    CREST_TRY(suite, sharedSuites().get(key, [&] { return readSuite(task, checkpoint, job); }));
    return m_suites.emplace(key, std::move(suite)).first->second;
}

Result<std::shared_ptr<const data::TuningSet>>
TaskInputs::tuning(const study::Task& task, const LoadedCheckpoint& checkpoint, const JobContext& job) {
    const std::string key = keyOf(task, checkpoint);
    if (const auto known = m_tuning.find(key); known != m_tuning.end())
        return known->second;
    CREST_TRY(set, sharedTuning().get(key, [&] { return readTuning(task, checkpoint, job); }));
    return m_tuning.emplace(key, std::move(set)).first->second;
}

} // namespace crest::probe
