// SPDX-License-Identifier: Apache-2.0
#include "core/study/chat_tasks.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/series/tokenizer_files.h"

namespace crest::study {
namespace {

Result<void> pinOne(Task& task, const data::ChatFiles& files, const std::string& date, const std::string& where) {
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(definition, data::parseTask(json, task.name));
    if (!definition.chat.on)
        return {};
    data::ChatSettings chat = definition.chat;
    const auto chosen = data::ChatTemplate::choose(files, chat.name, chat.date, where);
    if (!chosen)
        return fail(chosen.error().kind, fmt::format("Task \"{}\": {}", task.name, chosen.error().message),
                    chosen.error().where);
    const std::string hash = chosen->hash();
    if (!chat.hash.empty() && chat.hash != hash)
        return fail(ErrorKind::Mismatch,
                    fmt::format("Task \"{}\": this checkpoint has another chat template than the ones before, so their scores "
                                "would not be of the same questions. Leave it out, or measure it alone.",
                                task.name),
                    where);
    chat.hash = hash;
    if (chat.date.empty() && chosen->saysDate())
        chat.date = date;
    json["chat"] = data::chatToJson(chat);
    task.definition = canonicalJson(json);
    return {};
}

bool mayChat(const Task& task) {
    return task.kind == TaskKind::Suite && task.definition.find("\"chat\"") != std::string::npos;
}

} // namespace

Result<void> pinChat(std::vector<Task>& tasks, const std::vector<const series::Checkpoint*>& checkpoints) {
    if (std::none_of(tasks.begin(), tasks.end(), mayChat))
        return {};
    const std::string date = data::today();
    std::optional<data::ChatFiles> before; // most series have one for all
    for (const series::Checkpoint* checkpoint : checkpoints) {
        CREST_TRY(files, data::readChatFiles(series::tokenizerFolder(checkpoint->path)));
        if (files == before)
            continue;
        for (Task& task : tasks)
            if (mayChat(task))
                CREST_CHECK(pinOne(task, files, date, checkpoint->path.string()));
        before = std::move(files);
    }
    return {};
}

Result<std::optional<data::ChatTemplate>> chatTemplateOf(const data::TaskDefinition& task,
                                                         const std::filesystem::path& checkpoint) {
    if (!task.chat.on)
        return std::optional<data::ChatTemplate>();
    CREST_TRY(files, data::readChatFiles(series::tokenizerFolder(checkpoint)));
    const std::string date = task.chat.date.empty() ? data::today() : task.chat.date;
    CREST_TRY(chosen, data::ChatTemplate::choose(files, task.chat.name, date, checkpoint.string()));
    if (!task.chat.hash.empty() && chosen.hash() != task.chat.hash)
        return fail(ErrorKind::Mismatch, "the chat template changed since the run was planned; plan it again",
                    checkpoint.string());
    return std::optional(std::move(chosen));
}

} // namespace crest::study
