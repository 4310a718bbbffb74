// SPDX-License-Identifier: Apache-2.0
#include "core/study/replayed_text.h"

#include "core/data/texts.h"
#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"

namespace crest::study {

Result<void> checkReplayedText(const Json& settings, const std::filesystem::path& checkpoint, const JobContext& job) {
    if (!settings.is_object() || !settings.contains("replay"))
        return {};
    const std::string file = settings["replay"].get<std::string>();
    CREST_TRY(head, data::readTextsHead(file));
    if (!head.whole)
        return {};
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(checkpoint)));
    if (!tokenizer.eosId())
        return {};
    CREST_TRY(tokens, data::tokenizeTexts(head.texts, tokenizer, *tokenizer.eosId(), JobContext(job.token())));
    const auto window = settings.at("training").value("replay_tokens", std::int32_t{128});
    const auto cut = data::cutWindows(tokens, {.context = window, .stride = window, .fullOnly = true});
    return cut ? Result<void>() : fail(cut.error().kind, cut.error().message, file);
}

std::vector<std::string> replayNotes(const Plan& plan) {
    std::vector<std::string> notes;
    const Json& settings = plan.probe.settings;
    const std::string replayed = settings.is_object() ? settings.value("replay_hash", "") : std::string();
    for (const Task& task : plan.tasks)
        if (!replayed.empty() && task.kind == TaskKind::TextLoss && task.dataHash == replayed)
            notes.push_back(task.name + " is not held out: the same file is replayed in training");
    return notes;
}

} // namespace crest::study
