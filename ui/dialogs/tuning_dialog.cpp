// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/tuning_dialog.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "core/data/tuning_template.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/dialogs/tuning_rows.h"
#include "ui/window/number_box.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kReadDelayMs = 250, kUsualExampleTokens = 512, kMostRows = 100'000'000;

/// One row with two fields of one width, or one field of that width.
void addPair(QFormLayout* form, const QString& name, QWidget* first, QWidget* second) {
    auto* row = new QHBoxLayout;
    row->setSpacing(kRhythm);
    row->addWidget(first, 1);
    if (second)
        row->addWidget(second, 1);
    else
        row->addStretch(1);
    auto* label = new QLabel(name);
    label->setBuddy(first);
    form->addRow(label, row);
}

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
    , m_tooLong(new QComboBox)
    , m_learnAll(new QCheckBox(tr("&Learn prompts, too")))
    , m_maxTokens(new WholeBox)
    , m_heldOutRows(new WholeBox)
    , m_trainRows(new WholeBox)
    , m_splitSeed(new WholeBox)
    , m_heldOut(new AmountBox)
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
    const QString stem = QFileInfo(m_path).completeBaseName();
    m_name->setText(stem);
    for (int number = 2; nameIsTaken(); ++number)
        m_name->setText(QStringLiteral("%1 %2").arg(stem).arg(number));
    m_name->setAccessibleName(tr("Name of the data"));
    m_form->setAccessibleName(tr("Form of the rows"));
    m_chat->setAccessibleName(tr("How dialogues are written"));
    const int most = context > 0 ? static_cast<int>(std::min<std::int64_t>(context, data::kMostExampleTokens))
                                 : static_cast<int>(data::kMostExampleTokens);
    m_maxTokens->setRange(2, most);
    m_maxTokens->setValue(std::min(most, kUsualExampleTokens));
    m_maxTokens->setSuffix(tr(" tokens"));
    m_maxTokens->setAccessibleName(tr("Longest example"));
    m_tooLong->addItem(tr("longer ones are cut at their end"), static_cast<int>(data::TooLong::Truncate));
    m_tooLong->addItem(tr("longer ones are left out"), static_cast<int>(data::TooLong::Drop));
    m_tooLong->setAccessibleName(tr("What becomes of longer examples"));
    m_trainRows->setRange(0, kMostRows);
    m_trainRows->setSpecialValueText(tr("all other rows"));
    m_trainRows->setSuffix(tr(" rows"));
    m_trainRows->setAccessibleName(tr("Rows that are trained on"));
    m_trainRows->setToolTip(tr("So many of the rows that are not held out, always the same ones"));
    m_splitSeed->setRange(0, std::numeric_limits<int>::max());
    m_splitSeed->setValue(1);
    m_splitSeed->setPrefix(tr("seed "));
    m_splitSeed->setAccessibleName(tr("Seed of the split"));
    m_splitSeed->setToolTip(tr("Draws the rows that are held out"));
    m_heldOut->setRange(1, 90);
    m_heldOut->setDecimals(1);
    m_heldOut->setValue(10);
    m_heldOut->setSuffix(tr(" % of the rows"));
    m_heldOut->setAccessibleName(tr("Held out"));
    m_heldOut->setToolTip(tr("Never trained on: their loss is the in-distribution (ID) score."));
    m_heldOutRows->setRange(0, kMostRows);
    m_heldOutRows->setSpecialValueText(tr("as the share says"));
    m_heldOutRows->setSuffix(tr(" rows"));
    m_heldOutRows->setAccessibleName(tr("Rows that are held out"));
    m_heldOutRows->setToolTip(tr("So many rows instead of a share"));
    for (QAbstractSpinBox* box :
         std::initializer_list<QAbstractSpinBox*>{m_maxTokens, m_heldOut, m_heldOutRows, m_trainRows, m_splitSeed}) {
        box->setAlignment(Qt::AlignRight);
        box->setKeyboardTracking(false);
    }
    m_wait.setSingleShot(true);
    m_wait.setInterval(kReadDelayMs);
    const auto changed = [this] {
        m_heldOut->setEnabled(m_heldOutRows->value() == 0);
        m_read = false;
        m_wait.start();
        validate();
    };
    connect(m_name, &QLineEdit::textChanged, this, &TuningDialog::validate);
    for (QComboBox* box : {m_form, m_chat, m_tooLong})
        connect(box, &QComboBox::activated, this, changed);
    connect(m_learnAll, &QCheckBox::toggled, this, changed);
    for (QSpinBox* box : {m_maxTokens, m_heldOutRows, m_trainRows, m_splitSeed})
        connect(box, &QSpinBox::valueChanged, this, changed);
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
    addPair(form, tr("At &most"), m_maxTokens, m_tooLong);
    addPair(form, tr("&Held out"), m_heldOut, m_splitSeed);
    addPair(form, tr("&or so many"), m_heldOutRows, nullptr);
    addPair(form, tr("&Train on"), m_trainRows, nullptr);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    column->addLayout(form);
    column->addWidget(m_rows, 1);
    column->addWidget(m_problem);
    column->addWidget(buttons);
    resize(88 * kRhythm, 80 * kRhythm);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    whenTyped(this, [this] { validate(); });
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
    settings.tooLong = static_cast<data::TooLong>(m_tooLong->currentData().toInt());
    settings.split.heldOutShare = m_heldOut->value() / 100;
    settings.split.heldOutCount = m_heldOutRows->value();
    settings.split.splitSeed = static_cast<std::uint32_t>(m_splitSeed->value());
    settings.split.sampleCount = m_trainRows->value();
    return settings;
}

bool TuningDialog::nameIsTaken() const {
    const std::string name = m_name->text().trimmed().toStdString();
    return std::any_of(m_existing.begin(), m_existing.end(), [&](const study::Task& one) { return one.name == name; });
}

void TuningDialog::validate() {
    QString problem = m_dataProblem;
    if (m_name->text().trimmed().isEmpty())
        problem = tr("The data need a name.");
    else if (nameIsTaken())
        problem = tr("This study has a task of this name already.");
    if (const QString typed = typedProblem(this); !typed.isEmpty())
        problem = typed;
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
