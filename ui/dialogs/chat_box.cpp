// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/chat_box.h"

#include <optional>
#include <vector>

#include "core/data/chat_template.h"
#include "core/series/tokenizer_files.h"
#include "ui/data/format.h"

namespace crest::ui {
namespace {

/// The chat template that a checkpoint's tokenizer uses where none is named; nothing where it has none.
Result<std::optional<data::ChatTemplate>> usualTemplate(const std::filesystem::path& checkpoint) {
    if (checkpoint.empty())
        return std::optional<data::ChatTemplate>();
    CREST_TRY(files, data::readChatFiles(series::tokenizerFolder(checkpoint)));
    if (files.templates.empty())
        return std::optional<data::ChatTemplate>();
    return data::ChatTemplate::choose(files, {}, data::today(), checkpoint.string()).map([](auto made) {
        return std::optional(std::move(made));
    });
}

} // namespace

ChatBox::ChatBox(QWidget* parent)
    : QCheckBox(tr("Apply &chat template"), parent) {
    setCheckpoint({});
}

void ChatBox::setCheckpoint(const std::filesystem::path& checkpoint) {
    const auto chosen = usualTemplate(checkpoint);
    setEnabled(chosen && *chosen);
    if (!chosen)
        return setToolTip(toQString(chosen.error().text()));
    if (!*chosen)
        return setToolTip(tr("The tokenizer of the series has no chat template"));
    QString tip = tr("Questions are asked by the chat template of the series' tokenizer, shots as turns.");
    const auto asked = (*chosen)->render(std::vector<data::ChatMessage>{{"system", "s"}, {"user", "u"}});
    if (asked && asked->withoutSystem)
        tip += u'\n' + tr("It takes no message of the system: what a task says in front of its questions is left out.");
    setToolTip(tip);
}

data::TaskDefinition ChatBox::asked(const data::TaskDefinition& task, std::int64_t shots) const {
    data::ChatSettings chat;
    chat.on = isOn();
    return data::askedAs(task, chat, {}, shots).value_or(task);
}

std::string ChatBox::nameOf(const std::string& name, const data::TaskDefinition& asked) {
    const std::string words = data::chatWords(asked.definition);
    return words.empty() ? name : name + " (" + words + ")";
}

} // namespace crest::ui
