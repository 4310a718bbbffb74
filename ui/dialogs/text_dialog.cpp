// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/text_dialog.h"

#include <QDialogButtonBox>
#include <QFileInfo>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "ui/dialogs/counted_box.h"
#include "ui/dialogs/grow_to_fit.h"
#include "ui/window/theme.h"

namespace crest::ui {
TextDialog::TextDialog(const QString& file, const QStringList& taken, qint64 contextTokens, QWidget* parent)
    : QDialog(parent)
    , m_file(file)
    , m_taken(taken)
    , m_name(new QLineEdit)
    , m_problem(new QLabel) {
    setWindowTitle(tr("Add a text"));
    setupFields(file, contextTokens);
    setupLayout();
    validate();
}

void TextDialog::setupFields(const QString& file, qint64 contextTokens) {
    const int context = static_cast<int>(std::clamp<qint64>(contextTokens > 0 ? contextTokens : 128, 8, 8192));
    m_name->setText(QFileInfo(file).completeBaseName());
    m_name->setAccessibleName(tr("Name of the text"));
    m_window = countedBox(2, 1'000'000, context, tr("token"), tr("Window"));
    m_stride = countedBox(1, 1'000'000, context, tr("token"), tr("Stride"));
    const auto usual = static_cast<int>(study::Task{}.maxWindows);
    m_windows = countedBox(0, 10'000'000, usual, tr("window"), tr("At most"));
    m_windows->setSpecialValueText(tr("all"));
    m_windows->setToolTip(tr("The first so many windows of the text; crest-run probe takes %1, too, where nothing else is "
                             "said. 0: all")
                              .arg(usual));
    connect(m_name, &QLineEdit::textChanged, this, &TextDialog::validate);
    connect(m_window, &QSpinBox::valueChanged, this, &TextDialog::validate);
    connect(m_stride, &QSpinBox::valueChanged, this, &TextDialog::validate);
}

void TextDialog::setupLayout() {
    auto* file = new QLabel(m_file);
    file->setTextInteractionFlags(Qt::TextSelectableByMouse);
    file->setWordWrap(true);
    auto* help = new QLabel(tr("JSONL with a \"text\" field per line, or plain text. A stride below the window gives "
                               "each token more context; each token "
                               "is scored once."));
    help->setWordWrap(true);
    m_problem->setWordWrap(true);
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Cancel"), QDialogButtonBox::RejectRole);
    m_add = buttons->addButton(tr("Add text"), QDialogButtonBox::AcceptRole);
    auto* form = new QFormLayout(this);
    form->setHorizontalSpacing(2 * kRhythm);
    form->addRow(tr("File"), file);
    form->addRow(tr("&Name"), m_name);
    form->addRow(tr("&Window"), m_window);
    form->addRow(tr("&Stride"), m_stride);
    form->addRow(tr("&At most"), m_windows);
    form->addRow(help);
    form->addRow(m_problem);
    form->addRow(buttons);
    setMinimumWidth(52 * kRhythm);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    whenTyped(this, [this] { validate(); });
}

void TextDialog::validate() {
    QString problem;
    if (m_name->text().trimmed().isEmpty())
        problem = tr("The text needs a name.");
    else if (m_taken.contains(m_name->text().trimmed()))
        problem = tr("This study has a text of this name already.");
    else if (m_stride->value() > m_window->value())
        problem = tr("The stride cannot be larger than the window.");
    if (const QString typed = typedProblem(this); !typed.isEmpty())
        problem = typed;
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
    if (m_add)
        m_add->setEnabled(problem.isEmpty());
    growToFit(this);
}

study::Task TextDialog::task() const {
    study::Task task;
    task.name = m_name->text().trimmed().toStdString();
    task.textsPath = QFileInfo(m_file).absoluteFilePath().toStdString();
    task.windowTokens = m_window->value();
    task.strideTokens = m_stride->value();
    task.maxWindows = m_windows->value();
    return task;
}

} // namespace crest::ui
