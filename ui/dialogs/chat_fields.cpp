// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/chat_fields.h"

#include <algorithm>

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>

#include "ui/data/format.h"
#include "ui/dialogs/chat_box.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {

ChatFields::ChatFields(QWidget* parent)
    : QWidget(parent)
    , m_form(new RowForm)
    , m_box(new ChatBox)
    , m_template(new QComboBox)
    , m_shots(new QComboBox)
    , m_system(new QLineEdit)
    , m_note(new QLabel) {
    m_template->setAccessibleName(tr("Chat template"));
    m_template->setToolTip(tr("The tokenizer has several templates; this one writes the questions."));
    m_shots->addItem(tr("turns of the chat"), true);
    m_shots->addItem(tr("one message, with the question"), false);
    m_shots->setAccessibleName(tr("Shots are"));
    m_shots->setToolTip(tr("Turns: each shot is a question of the user and an answer of the assistant.\n"
                           "One message: the user says all shots and the question at once."));
    m_system->setAccessibleName(tr("System instruction"));
    m_system->setPlaceholderText(tr("none: as the task says"));
    m_system->setToolTip(tr("What the system tells the model before the questions, such as \"Answer with one letter.\" "
                            "It takes the place of a task's own."));
    m_note->setWordWrap(true);
    m_note->setTextFormat(Qt::PlainText);
    m_form->setContentsMargins(0, 0, 0, 0);
    m_form->setHorizontalSpacing(2 * kRhythm);
    setLayout(m_form);
    m_form->addRow(m_box);
    m_form->addRow(tr("&Template"), m_template);
    m_form->addRow(tr("Shots ar&e"), m_shots);
    m_form->addRow(tr("S&ystem says"), m_system);
    m_form->addRow(m_note);
    connect(m_box, &QCheckBox::toggled, this, &ChatFields::showState);
    connect(m_system, &QLineEdit::textChanged, this, &ChatFields::showState);
    connect(m_template, &QComboBox::currentIndexChanged, this, [this] {
        m_box->setCheckpoint(m_checkpoint, templateName());
        showState();
    });
    showState();
}

void ChatFields::setCheckpoint(const std::filesystem::path& checkpoint) {
    m_checkpoint = checkpoint;
    const QSignalBlocker quiet(m_template);
    m_template->clear();
    for (const std::string& name : ChatBox::templatesOf(checkpoint))
        m_template->addItem(name == "default" ? tr("the usual one (default)") : toQString(name), toQString(name));
    // The usual one, where it can be used at all; else the first.
    m_template->setCurrentIndex(std::max(0, m_template->findData(QStringLiteral("default"))));
    m_box->setCheckpoint(checkpoint, templateName());
    showState();
}

/// "" for the usual one, as in a suite's file.
std::string ChatFields::templateName() const {
    const QString name = m_template->currentData().toString();
    return name == QStringLiteral("default") ? std::string() : name.toStdString();
}

std::string ChatFields::system() const {
    return m_system->text().trimmed().toStdString();
}

bool ChatFields::isOn() const {
    return m_box->isOn();
}

void ChatFields::showState() {
    const bool on = isOn();
    m_form->setRowVisible(m_template, on && (m_template->count() > 1 || !templateName().empty()));
    m_form->setRowVisible(m_shots, on);
    m_form->setRowVisible(m_system, on);
    const bool lost = on && !system().empty() && m_box->leavesSystemOut();
    m_note->setText(lost ? tr("This template takes no message of the system: the instruction will be left out.") : QString());
    m_form->setRowVisible(m_note, lost);
}

data::TaskDefinition ChatFields::asked(const data::TaskDefinition& task, std::int64_t shots) const {
    if (!isOn())
        return task;
    data::ChatSettings chat;
    chat.on = true;
    chat.name = templateName();
    chat.multiturn = m_shots->currentData().toBool();
    return data::askedAs(task, chat, system(), shots).value_or(task);
}

} // namespace crest::ui
