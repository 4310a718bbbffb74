// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/prompts_dialog.h"

#include <algorithm>

#include <QDialogButtonBox>
#include <QFileInfo>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "core/base/json.h"
#include "ui/data/format.h"
#include "ui/data/item_texts.h"
#include "ui/data/prompts_task.h"
#include "ui/dialogs/chat_box.h"
#include "ui/dialogs/counted_box.h"
#include "ui/dialogs/grow_to_fit.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kUsualTokens = 48, kMostTokens = 4096;

} // namespace

PromptsDialog::PromptsDialog(const QString& file, std::vector<study::Task> existing, QWidget* parent)
    : QDialog(parent)
    , m_file(QFileInfo(file).absoluteFilePath())
    , m_existing(std::move(existing))
    , m_reading(this)
    , m_name(new QLineEdit)
    , m_found(new QLabel)
    , m_problem(new QLabel)
    , m_chat(new ChatBox) {
    setWindowTitle(tr("Add prompts"));
    setupFields();
    setupLayout();
    lookAtFile();
    validate();
}

void PromptsDialog::setupFields() {
    const QString base = QFileInfo(m_file).completeBaseName();
    m_name->setText(base);
    for (int number = 2; nameIsTaken(); ++number)
        m_name->setText(QStringLiteral("%1 %2").arg(base).arg(number));
    m_name->setAccessibleName(tr("Name of the prompts"));
    m_tokens = countedBox(1, kMostTokens, kUsualTokens, tr("token"), tr("New tokens"));
    m_limit = countedBox(0, 1'000'000, 0, tr("prompt"), tr("At most"));
    m_limit->setSpecialValueText(tr("all"));
    connect(m_name, &QLineEdit::textChanged, this, &PromptsDialog::validate);
    connect(m_tokens, &QSpinBox::valueChanged, this, &PromptsDialog::validate);
    connect(m_chat, &QCheckBox::toggled, this, &PromptsDialog::validate);
}

void PromptsDialog::setupLayout() {
    auto* file = new QLabel(m_file);
    file->setTextInteractionFlags(Qt::TextSelectableByMouse);
    file->setWordWrap(true);
    auto* help = new QLabel(tr("Every checkpoint continues each prompt, greedily; what it writes is kept and shown side "
                               "by side in Samples. One prompt per line, or JSON lines with a field \"text\"."));
    for (QLabel* label : {help, m_found, m_problem}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    m_found->setAccessibleName(tr("What the file holds"));
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Cancel"), QDialogButtonBox::RejectRole);
    m_add = buttons->addButton(tr("Add prompts"), QDialogButtonBox::AcceptRole);
    auto* form = new QFormLayout(this);
    form->setHorizontalSpacing(2 * kRhythm);
    form->setVerticalSpacing(kRhythm);
    form->addRow(tr("File"), file);
    form->addRow(QString(), m_found);
    form->addRow(tr("&Name"), m_name);
    form->addRow(tr("New &tokens"), m_tokens);
    form->addRow(tr("At &most"), m_limit);
    form->addRow(m_chat);
    form->addRow(help);
    form->addRow(m_problem);
    form->addRow(buttons);
    setMinimumWidth(56 * kRhythm);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    whenTyped(this, [this] { validate(); });
}

/// The prompts as the run will read them.
void PromptsDialog::lookAtFile() {
    m_found->setText(tr("Reading..."));
    m_reading.start([task = task()](const JobContext& job) { return readItemTexts(task, {}, job); },
                    [this](const ItemTexts& texts) {
                        m_read = true;
                        m_fileProblem = texts.problem;
                        m_found->setText(texts.items.empty() || texts.items.front().requests.empty()
                                             ? QString()
                                             : tr("%1; the first: %2")
                                                   .arg(countText(texts.items.size(), "prompt"))
                                                   .arg(toQString(texts.items.front().requests.front().context)
                                                            .simplified()
                                                            .left(160)));
                        validate();
                    });
}

std::string PromptsDialog::taskName() const {
    const std::string name = m_name->text().trimmed().toStdString();
    return m_chat->isOn() ? name + " (" + data::chatWords({{"chat", true}}) + ")" : name;
}

bool PromptsDialog::nameIsTaken() const {
    const std::string name = taskName();
    return std::any_of(m_existing.begin(), m_existing.end(), [&](const study::Task& one) { return one.name == name; });
}

void PromptsDialog::validate() {
    QString problem = m_fileProblem;
    if (m_name->text().trimmed().isEmpty())
        problem = tr("The prompts need a name.");
    else if (nameIsTaken())
        problem = tr("This study has a task of this name already.");
    if (const QString typed = typedProblem(this); !typed.isEmpty())
        problem = typed;
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
    if (m_add)
        m_add->setEnabled(problem.isEmpty() && m_read);
    growToFit(this);
}

study::Task PromptsDialog::task() const {
    study::Task task = promptsTask(m_name->text().trimmed(), m_file, m_tokens->value(), m_limit->value());
    const auto definition = data::parseTask(Json::parse(task.definition, nullptr, false), task.name);
    if (!definition || !m_chat->isOn())
        return task;
    task.name = taskName();
    task.definition = canonicalJson(m_chat->asked(*definition, 0).definition);
    return task;
}

void PromptsDialog::setCheckpoint(const std::filesystem::path& checkpoint) {
    m_chat->setCheckpoint(checkpoint);
}

} // namespace crest::ui
