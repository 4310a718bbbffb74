// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/chat_box.h"

#include <utility>

#include "core/data/chat_template.h"
#include "core/series/tokenizer_files.h"
#include "ui/data/format.h"

namespace crest::ui {
namespace {

Result<data::ChatFiles> filesOf(const std::filesystem::path& checkpoint) {
    return checkpoint.empty() ? data::ChatFiles() : data::readChatFiles(series::tokenizerFolder(checkpoint));
}

} // namespace

ChatBox::ChatBox(QWidget* parent)
    : QCheckBox(tr("Apply &chat template"), parent) {
    setCheckpoint({});
}

std::vector<std::string> ChatBox::templatesOf(const std::filesystem::path& checkpoint) {
    std::vector<std::string> names;
    if (const auto files = filesOf(checkpoint))
        for (const auto& [name, text] : files->templates)
            if (data::ChatTemplate::choose(*files, name, data::today(), checkpoint.string()))
                names.push_back(name);
    return names;
}

void ChatBox::setCheckpoint(const std::filesystem::path& checkpoint, const std::string& name) {
    m_leavesSystemOut = false;
    const auto files = filesOf(checkpoint);
    const bool none = files && files->templates.empty();
    const auto chosen = files && !none ? data::ChatTemplate::choose(*files, name, data::today(), checkpoint.string())
                                       : Result<data::ChatTemplate>(fail(files ? Error{} : files.error()));
    setEnabled(chosen.has_value());
    if (none)
        return setToolTip(tr("The tokenizer of the series has no chat template"));
    if (!chosen)
        return setToolTip(toQString(chosen.error().text()));
    QString tip = tr("Questions are asked by the chat template of the series' tokenizer, shots as turns.");
    const auto asked = chosen->render(std::vector<data::ChatMessage>{{"system", "s"}, {"user", "u"}});
    m_leavesSystemOut = asked && asked->withoutSystem;
    if (m_leavesSystemOut)
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
