// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/tuning_dialog.h"

#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QFileInfo>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "core/data/tuning_template.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/dialogs/tuning_rows.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kReadDelayMs = 250, kUsualTokens = 512;

} // namespace

TuningDialog::TuningDialog(const QString& path, std::vector<study::Task> existing,
                           const std::filesystem::path& checkpoint, std::int64_t context, QWidget* parent)
    : QDialog(parent)
    , m_path(QFileInfo(path).absoluteFilePath())
    , m_existing(std::move(existing))
    , m_checkpoint(checkpoint)
    , m_templates(std::filesystem::path(resourcesFolder().toStdString()) / "tuning")
    , m_name(new QLineEdit)
    , m_form(new QComboBox)
    , m_chat(new QComboBox)
    , m_learnAll(new QCheckBox(tr("&Learn prompts, too")))
    , m_maxTokens(new QSpinBox)
    , m_heldOut(new QDoubleSpinBox)
    , m_rows(new TuningRows)
    , m_problem(new QLabel) {
    setWindowTitle(tr("Add fine-tuning data"));
    setupFields(context);
    fillForms();
    setupLayout();
    connect(&m_wait, &QTimer::timeout, this, &TuningDialog::readRows);
    connect(m_rows, &TuningRows::settled, this,
            [this](const data::TuningDataSettings& resolved, const QString& problem) {
                m_read = problem.isEmpty();
                m_resolved = resolved;
                m_dataProblem = problem;
                validate();
            });
    readRows();
    validate();
}

void TuningDialog::setupFields(std::int64_t context) {
    m_name->setText(QFileInfo(m_path).completeBaseName());
    m_name->setAccessibleName(tr("Name of the data"));
    m_form->setAccessibleName(tr("Form of the rows"));
    m_chat->setAccessibleName(tr("How dialogues are written"));
    const int most = context > 0 ? static_cast<int>(std::min<std::int64_t>(context, data::kMostExampleTokens))
                                 : static_cast<int>(data::kMostExampleTokens);
    m_maxTokens->setRange(2, most);
    m_maxTokens->setValue(std::min(most, kUsualTokens));
    m_maxTokens->setSuffix(tr(" tokens"));
    m_maxTokens->setAccessibleName(tr("Longest example"));
    m_maxTokens->setToolTip(tr("Longer examples are cut at their end."));
    m_heldOut->setRange(1, 90);
    m_heldOut->setDecimals(0);
    m_heldOut->setValue(10);
    m_heldOut->setSuffix(tr(" % of the rows"));
    m_heldOut->setAccessibleName(tr("Held out"));
    m_heldOut->setToolTip(tr("Never trained on: their loss is the in-distribution (ID) score."));
    for (QAbstractSpinBox* box : {static_cast<QAbstractSpinBox*>(m_maxTokens), static_cast<QAbstractSpinBox*>(m_heldOut)}) {
        box->setAlignment(Qt::AlignRight);
        box->setKeyboardTracking(false);
    }
    m_wait.setSingleShot(true);
    m_wait.setInterval(kReadDelayMs);
    const auto changed = [this] {
        m_read = false;
        m_wait.start();
        validate();
    };
    connect(m_name, &QLineEdit::textChanged, this, &TuningDialog::validate);
    connect(m_form, &QComboBox::activated, this, changed);
    connect(m_chat, &QComboBox::activated, this, changed);
    connect(m_learnAll, &QCheckBox::toggled, this, changed);
    connect(m_maxTokens, &QSpinBox::valueChanged, this, changed);
    connect(m_heldOut, &QDoubleSpinBox::valueChanged, this, changed);
}

void TuningDialog::fillForms() {
    m_form->addItem(tr("recognised from the first row"), QStringLiteral("auto"));
    m_chat->addItem(tr("plain, as the form says"), QString());
    const auto templates = data::readTuningTemplates(m_templates);
    if (!templates) {
        m_dataProblem = toQString(templates.error().text());
        return;
    }
    for (const data::TuningTemplate& form : templates->forms)
        m_form->addItem(toQString(form.name()), toQString(form.name()));
    for (const data::ChatStyle& style : templates->styles)
        m_chat->addItem(toQString(style.name()), toQString(style.name()));
}

void TuningDialog::setupLayout() {
    auto* file = new QLabel(m_path);
    file->setTextInteractionFlags(Qt::TextSelectableByMouse);
    file->setWordWrap(true);
    m_problem->setWordWrap(true);
    m_problem->setTextFormat(Qt::PlainText);
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Cancel"), QDialogButtonBox::RejectRole);
    m_add = buttons->addButton(tr("Add data"), QDialogButtonBox::AcceptRole);
    auto* form = new QFormLayout;
    form->setHorizontalSpacing(2 * kRhythm);
    form->setVerticalSpacing(kRhythm);
    form->addRow(tr("File"), file);
    form->addRow(tr("&Name"), m_name);
    form->addRow(tr("&Form"), m_form);
    form->addRow(tr("&Dialogues"), m_chat);
    form->addRow(QString(), m_learnAll);
    form->addRow(tr("At &most"), m_maxTokens);
    form->addRow(tr("&Held out"), m_heldOut);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    column->addLayout(form);
    column->addWidget(m_rows, 1);
    column->addWidget(m_problem);
    column->addWidget(buttons);
    resize(88 * kRhythm, 80 * kRhythm);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

void TuningDialog::readRows() {
    m_rows->read(settings(), m_templates, m_checkpoint);
}

data::TuningDataSettings TuningDialog::settings() const {
    data::TuningDataSettings settings;
    settings.path = m_path.toStdString();
    settings.form = m_form->currentData().toString().toStdString();
    settings.chat = m_chat->currentData().toString().toStdString();
    settings.lossOn = m_learnAll->isChecked() ? data::LossOn::All : data::LossOn::Completions;
    settings.maxTokens = m_maxTokens->value();
    settings.split.heldOutShare = m_heldOut->value() / 100;
    return settings;
}

void TuningDialog::validate() {
    const std::string name = m_name->text().trimmed().toStdString();
    QString problem = m_dataProblem;
    if (name.empty())
        problem = tr("The data need a name.");
    else if (std::any_of(m_existing.begin(), m_existing.end(), [&](const study::Task& one) { return one.name == name; }))
        problem = tr("This study has a task of this name already.");
    const bool saidAbove = problem == m_dataProblem && !m_dataProblem.isEmpty();
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty() && !saidAbove);
    if (m_add)
        m_add->setEnabled(problem.isEmpty() && m_read);
}

study::Task TuningDialog::task() const {
    data::TuningDataSettings kept = m_resolved;
    kept.path.clear();
    study::Task task;
    task.name = m_name->text().trimmed().toStdString();
    task.kind = study::TaskKind::TuningLoss;
    task.textsPath = m_path.toStdString();
    task.definition = canonicalJson(data::tuningDataToJson(kept));
    return task;
}

} // namespace crest::ui
