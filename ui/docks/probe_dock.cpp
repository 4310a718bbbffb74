// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/probe_dock.h"

#include <algorithm>

#include <QComboBox>
#include <QFileDialog>
#include <QFormLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "core/train/fine_tune_settings.h"
#include "ui/data/format.h"
#include "ui/data/sample_study.h"
#include "ui/dialogs/prompts_dialog.h"
#include "ui/dialogs/suite_dialog.h"
#include "ui/dialogs/text_dialog.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/strength_edit.h"
#include "ui/docks/task_roles.h"
#include "ui/window/actions.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kPlanDelayMs = 150; ///< after the last keystroke

QFrame* line() {
    auto* made = new QFrame;
    made->setFrameShape(QFrame::HLine);
    made->setFrameShadow(QFrame::Sunken);
    return made;
}

const series::Series* seriesNamed(const StudySession& session, const std::string& name) {
    for (const series::Series& one : session.series())
        if (one.name == name)
            return &one;
    return nullptr;
}

bool hasInitStd(const series::Series& one) {
    return std::any_of(one.checkpoints.begin(), one.checkpoints.end(),
                       [](const series::Checkpoint& c) { return !c.initStd.empty(); });
}

std::int64_t contextOf(const StudySession& session) {
    for (const series::Series& one : session.series())
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (checkpoint.spec)
                return checkpoint.spec->contextLength;
    return 0;
}

/// The first series of which something can be measured.
int firstUsable(const std::vector<series::Series>& all) {
    const auto usable = [](const series::Series& one) {
        return std::any_of(one.checkpoints.begin(), one.checkpoints.end(), [](const series::Checkpoint& checkpoint) {
            return checkpoint.state == series::CheckpointState::Ok ||
                   checkpoint.state == series::CheckpointState::Suspect;
        });
    };
    const auto at = std::find_if(all.begin(), all.end(), usable);
    return all.empty() ? -1 : at == all.end() ? 0 : static_cast<int>(at - all.begin());
}

std::int64_t parametersOf(const StudySession& session) {
    for (const series::Series& one : session.series())
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (checkpoint.spec)
                return series::parameterCount(*checkpoint.spec);
    return 0;
}

/// Where fine-tuning begins to help and where it begins to harm: the smaller a model, the larger its rates. For large ones
/// the grid of Springer et al. (from 4e-6, by doublings).
std::vector<double> usualRates(std::int64_t parameters) {
    if (parameters < 5'000'000)
        return {1e-3, 2e-3, 4e-3, 8e-3, 1.2e-2};
    return parameters < 200'000'000 ? std::vector<double>{3e-5, 1e-4, 3e-4, 1e-3}
                                    : std::vector<double>{4e-6, 8e-6, 1.6e-5, 3.2e-5, 6.4e-5};
}

} // namespace

ProbeDock::ProbeDock(StudySession& session, Actions& actions, QWidget* parent)
    : QDockWidget(tr("Probe"), parent)
    , m_session(session)
    , m_kind(new QComboBox)
    , m_series(new QComboBox)
    , m_scale(new QComboBox)
    , m_compute(new QComboBox)
    , m_device(new QComboBox)
    , m_seeds(new QSpinBox)
    , m_group(new QSpinBox)
    , m_data(new QComboBox)
    , m_epochs(new QSpinBox)
    , m_batch(new QSpinBox)
    , m_strengths(new StrengthEdit)
    , m_tasks(new TaskRoles)
    , m_scaleHelp(new QLabel)
    , m_cost(new QLabel)
    , m_problem(new QLabel)
    , m_run(new QPushButton) {
    setObjectName(QStringLiteral("probeDock"));
    setupFields();
    setupLayout(actions);
    connectFields();
    connectSession(actions);
    loadStudy();
}

void ProbeDock::setupFields() {
    const auto addKind = [this](const char* kind, const QString& name, const QString& about) {
        m_kind->addItem(name, QString::fromLatin1(kind));
        m_kind->setItemData(m_kind->count() - 1, about, Qt::ToolTipRole);
    };
    addKind(study::kGaussianNoise, tr("Gaussian noise"),
            tr("How much worse do the checkpoints get under noise on their weights?"));
    addKind(study::kFineTuning, tr("Fine-tuning"),
            tr("What do they gain and lose by the same fine-tuning, at every learning rate?"));
    addKind(study::kQuantisation, tr("Quantisation"),
            tr("How much worse do they get when their matrices are rounded to few bits?"));
    addKind(study::kPruning, tr("Pruning"),
            tr("How much worse do they get when the smallest weights of their matrices are set to zero?"));
    addKind(study::kBaseEvaluation, tr("Base evaluation"),
            tr("The checkpoints as they are: tasks over pretraining, every answer kept"));
    const auto setup = [](QSpinBox* box, int most) {
        box->setRange(1, most);
        box->setAlignment(Qt::AlignRight);
        box->setKeyboardTracking(false);
    };
    setup(m_group, 1 << 20);
    setup(m_epochs, 1000);
    setup(m_batch, 4096);
    m_data->setAccessibleName(tr("Fine-tuning data"));
    m_data->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_data->setToolTip(tr("What is trained on; its held-out part is measured as in-distribution (ID)"));
    m_epochs->setAccessibleName(tr("Epochs"));
    m_epochs->setToolTip(tr("Passes over the data"));
    m_batch->setAccessibleName(tr("Examples in a batch"));
    m_batch->setToolTip(tr("Examples of one optimiser step"));
    m_group->setAccessibleName(tr("Weights in a group"));
    m_group->setToolTip(tr("So many weights along a matrix's input share one scale"));
    m_kind->setAccessibleName(tr("Kind of probe"));
    m_series->setAccessibleName(tr("Series"));
    m_series->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_seeds->setRange(1, 100'000);
    m_seeds->setAlignment(Qt::AlignRight);
    m_seeds->setKeyboardTracking(false);
    m_seeds->setAccessibleName(tr("Noise draws"));
    m_seeds->setToolTip(
        tr("Draws of the noise per checkpoint and gamma. Each is a pair, +z and -z, on the same tokens."));
    m_scale->addItem(tr("initialisation std"), static_cast<int>(study::NoiseScale::InitStd));
    m_scale->addItem(tr("tensor RMS"), static_cast<int>(study::NoiseScale::TensorRms));
    m_scale->setAccessibleName(tr("What gamma multiplies"));
    m_compute->addItem(tr("float32"), static_cast<int>(study::ComputeType::Float32));
    m_compute->addItem(tr("bfloat16"), static_cast<int>(study::ComputeType::BFloat16));
    m_compute->setAccessibleName(tr("Number format"));
    m_device->setAccessibleName(tr("Device"));
    m_device->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    showDevices();
    for (QLabel* label : {m_scaleHelp, m_cost, m_problem}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.9);
    m_scaleHelp->setFont(small);
    m_scaleHelp->setForegroundRole(QPalette::PlaceholderText);
    m_cost->setAccessibleName(tr("Cost of the probe"));
    m_run->setMinimumHeight(4 * kRhythm);
    m_planTimer.setSingleShot(true);
    m_planTimer.setInterval(kPlanDelayMs);
}

QFormLayout* ProbeDock::formOfFields(Actions& actions) {
    auto* add = new QVBoxLayout;
    add->setSpacing(0);
    for (const ActionId id : {ActionId::AddText, ActionId::AddSuite, ActionId::AddPrompts, ActionId::AddTuning}) {
        auto* button = new QToolButton;
        button->setDefaultAction(actions.at(id));
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setAutoRaise(true);
        add->addWidget(button);
    }
    auto* form = new QFormLayout;
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    form->setHorizontalSpacing(kRhythm);
    form->setVerticalSpacing(kRhythm);
    form->addRow(tr("&Kind"), m_kind);
    form->addRow(tr("Series"), m_series);
    form->addRow(tr("Tuning d&ata"), m_data);
    m_strengthsLabel = new QLabel;
    m_strengthsLabel->setBuddy(m_strengths);
    form->addRow(m_strengthsLabel, m_strengths);
    form->addRow(tr("&Group"), m_group);
    form->addRow(tr("&Draws"), m_seeds);
    form->addRow(tr("&Epochs"), m_epochs);
    form->addRow(tr("&Batch"), m_batch);
    form->addRow(tr("S&cale"), m_scale);
    form->addRow(m_scaleHelp);
    form->addRow(tr("C&ompute"), m_compute);
    form->addRow(tr("D&evice"), m_device);
    form->addRow(line());
    form->addRow(m_tasks);
    form->addRow(add);
    m_form = form;
    return form;
}

void ProbeDock::setupLayout(Actions& actions) {
    auto* fields = new QWidget;
    auto* fieldColumn = new QVBoxLayout(fields);
    fieldColumn->setContentsMargins(kRhythm, kRhythm, kRhythm, 0);
    fieldColumn->addLayout(formOfFields(actions));
    fieldColumn->addStretch(1);
    auto* scroll = new QScrollArea;
    scroll->setWidget(fields);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* foot = new QVBoxLayout;
    foot->setContentsMargins(kRhythm, 0, kRhythm, kRhythm);
    foot->setSpacing(kRhythm);
    for (QWidget* widget : {static_cast<QWidget*>(line()), static_cast<QWidget*>(m_cost),
                            static_cast<QWidget*>(m_problem), static_cast<QWidget*>(m_run)})
        foot->addWidget(widget);
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(scroll, 1);
    column->addLayout(foot);
    content->setMinimumWidth(33 * kRhythm); // with a scroll bar, too
    setWidget(content);
}

void ProbeDock::connectFields() {
    connect(m_strengths, &StrengthEdit::strengthsEdited, this, &ProbeDock::edited);
    connect(m_strengths, &QLineEdit::editingFinished, this, &ProbeDock::store); // one step of undo for a whole list
    const auto editedAndStored = [this] {
        edited();
        store();
    };
    connect(m_seeds, &QSpinBox::valueChanged, this, editedAndStored);
    for (const QSpinBox* box : {m_group, m_epochs, m_batch})
        connect(box, &QSpinBox::valueChanged, this, editedAndStored);
    connect(m_data, &QComboBox::activated, this, editedAndStored);
    connect(m_scale, &QComboBox::activated, this, editedAndStored);
    connect(m_compute, &QComboBox::activated, this, editedAndStored);
    connect(m_device, &QComboBox::activated, this, [this] {
        m_session.chooseDevice(m_device->currentData().toString());
        showDevices();
    });
    connect(m_tasks, &TaskRoles::rolesEdited, this, editedAndStored);
    connect(m_tasks, &TaskRoles::previewAsked, this, &ProbeDock::previewAsked);
    connect(m_tasks, &TaskRoles::removeAsked, &m_session, &StudySession::removeTask);
    connect(m_kind, &QComboBox::activated, this, &ProbeDock::loadProbe);
    connect(m_series, &QComboBox::activated, this, &ProbeDock::loadProbe);
    connect(&m_planTimer, &QTimer::timeout, this, &ProbeDock::askPlan);
}

void ProbeDock::connectSession(Actions& actions) {
    connect(&m_session, &StudySession::studyChanged, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::seriesChanged, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::closed, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::runsChanged, this, &ProbeDock::runsChanged);
    connect(&m_session, &StudySession::probeChanged, this, &ProbeDock::showPlan);
    connect(&m_session, &StudySession::planReady, this, &ProbeDock::takePlan);
    connect(&m_session, &StudySession::devicesChanged, this, &ProbeDock::showDevices);
    connect(&m_session, &StudySession::checkProgress, this, [this](int done, int total) {
        if (!m_plan && total > 0)
            m_cost->setText(tr("Checking weights: %1 of %2").arg(done).arg(total));
    });
    connect(m_run, &QPushButton::clicked, actions.at(ActionId::Run), &QAction::trigger);
    connect(actions.at(ActionId::Run), &QAction::changed, this,
            [this, action = actions.at(ActionId::Run)] { m_run->setEnabled(action->isEnabled()); });
    connect(actions.at(ActionId::Run), &QAction::triggered, this, &ProbeDock::run);
    connect(actions.at(ActionId::AddText), &QAction::triggered, this, &ProbeDock::addText);
    connect(actions.at(ActionId::AddSuite), &QAction::triggered, this, &ProbeDock::addSuite);
    connect(actions.at(ActionId::AddPrompts), &QAction::triggered, this, &ProbeDock::addPrompts);
    connect(actions.at(ActionId::AddTuning), &QAction::triggered, this, &ProbeDock::addTuning);
}

void ProbeDock::loadStudy() {
    const QString before = m_series->currentText();
    m_series->clear();
    for (const series::Series& one : m_session.series())
        m_series->addItem(toQString(one.name));
    const int same = m_series->findText(before);
    m_series->setCurrentIndex(same >= 0 && !before.isEmpty() ? same : firstUsable(m_session.series()));
    widget()->setEnabled(m_session.isOpen());
    m_tasks->setTasks(m_session.study().tasks);
    const QVariant data = m_data->currentData();
    m_data->clear();
    for (const study::Task& task : m_session.study().tasks)
        if (task.kind == study::TaskKind::TuningLoss)
            m_data->addItem(toQString(task.name), toQString(task.name));
    m_data->setCurrentIndex(std::max(m_data->count() > 0 ? 0 : -1, m_data->findData(data)));
    chooseKind();
    loadProbe();
}

bool ProbeDock::isBase() const {
    return isKind(study::kBaseEvaluation);
}
bool ProbeDock::isKind(const char* kind) const {
    return m_kind->currentData().toString() == QString::fromLatin1(kind);
}
bool ProbeDock::isDrawn() const {
    return !isBase() && study::probeKind(m_probe.kind).isDrawn();
}
bool ProbeDock::fieldsAreGood() const {
    return isBase() || m_strengths->strengths().problem.isEmpty();
}

/// A study that was opened shows the kind of its newest probe; an edit (an undo, too) of a probe shows that one's kind.
void ProbeDock::chooseKind() {
    const std::vector<study::Probe>& probes = m_session.study().probes;
    const bool opened = m_studyFolder != m_session.folder();
    const std::string series = m_series->currentText().toStdString();
    std::string kind;
    for (const study::Probe& probe : probes)
        if (probe.series == series &&
            (opened || std::find(m_seenProbes.begin(), m_seenProbes.end(), probe) == m_seenProbes.end()))
            kind = probe.kind;
    if (opened && kind.empty())
        kind = study::kGaussianNoise;
    if (const int at = m_kind->findData(toQString(kind)); !kind.empty() && at >= 0)
        m_kind->setCurrentIndex(at);
    if (m_series->count() > 0 || !m_session.isOpen()) // before the scan nothing is known of the series
        m_studyFolder = m_session.folder();
    m_seenProbes = probes;
}

/// Of a probe that the study does not have yet. Tasks of suites are dear under noise: they wait for a click.
std::vector<study::TaskInProbe> ProbeDock::firstRoles() const {
    std::vector<study::TaskInProbe> roles;
    const std::string data = m_data->currentData().toString().toStdString();
    if (isKind(study::kFineTuning) && !data.empty())
        roles.push_back({data, study::Role::InDistribution});
    for (const study::Task& task : m_session.study().tasks)
        if (task.kind == study::TaskKind::TextLoss || (isBase() && task.kind == study::TaskKind::Suite))
            roles.push_back({task.name, roles.empty() && !isKind(study::kFineTuning) ? study::Role::InDistribution
                                                                                     : study::Role::OutOfDistribution});
    return roles;
}

void ProbeDock::loadProbe() {
    const std::string name = m_series->currentText().toStdString();
    const study::Study& study = m_session.study();
    const auto stored = std::find_if(study.probes.rbegin(), study.probes.rend(),
                                     [&](const study::Probe& probe) {
                                         return probe.series == name && toQString(probe.kind) == m_kind->currentData().toString();
                                     });
    if (stored != study.probes.rend()) {
        m_probe = *stored;
    } else {
        m_probe = defaultProbe(m_kind->currentData().toString(), name, firstRoles());
        if (isKind(study::kFineTuning)) {
            m_probe.strengths = usualRates(parametersOf(m_session));
            m_probe.settings = {{"data_task", m_data->currentData().toString().toStdString()},
                                {"training", train::toJson(train::FineTuneSettings{})}};
        }
        if (const series::Series* one = seriesNamed(m_session, name);
            one && isKind(study::kGaussianNoise) && !hasInitStd(*one))
            m_probe.noiseScale = study::NoiseScale::TensorRms;
    }
    showProbe();
    m_plan.reset();
    m_planTimer.start();
    showPlan();
}

void ProbeDock::showProbe() {
    m_showing = true;
    const bool noise = isKind(study::kGaussianNoise);
    m_form->setRowVisible(m_strengths, !isBase());
    m_form->setRowVisible(m_seeds, isDrawn());
    m_form->setRowVisible(m_scale, noise);
    m_form->setRowVisible(m_scaleHelp, !isBase());
    m_form->setRowVisible(m_group, isKind(study::kQuantisation));
    for (QWidget* row : {static_cast<QWidget*>(m_data), static_cast<QWidget*>(m_epochs), static_cast<QWidget*>(m_batch)})
        m_form->setRowVisible(row, isKind(study::kFineTuning));
    if (!isBase()) {
        m_strengths->setKind(study::probeKind(m_probe.kind));
        m_strengthsLabel->setText(strengthsLabel());
        if (auto* label = qobject_cast<QLabel*>(m_form->labelForField(m_seeds)))
            label->setText(noise ? tr("&Draws") : tr("S&eeds"));
        if (m_strengths->strengths().values != m_probe.strengths)
            m_strengths->setStrengths(m_probe.strengths);
        if (m_probe.seeds > 0)
            m_seeds->setValue(static_cast<int>(m_probe.seeds));
        if (isKind(study::kQuantisation))
            m_group->setValue(m_probe.settings.value("group", 128));
        if (isKind(study::kFineTuning))
            showTuning();
        m_scale->setCurrentIndex(m_scale->findData(static_cast<int>(m_probe.noiseScale)));
    }
    m_compute->setCurrentIndex(m_compute->findData(static_cast<int>(m_probe.compute)));
    m_tasks->setRoles(m_probe.tasks);
    showScaleHelp();
    m_showing = false;
}

void ProbeDock::showTuning() {
    const QString data = toQString(m_probe.settings.value("data_task", std::string()));
    if (const int at = m_data->findData(data); at >= 0)
        m_data->setCurrentIndex(at);
    const Json training = m_probe.settings.value("training", Json::object());
    m_epochs->setValue(training.value("epochs", 1));
    m_batch->setValue(training.value("batch_examples", 16));
}

/// What is trained on is measured as in-distribution.
void ProbeDock::takeTuning(study::Probe& changed) const {
    const std::string data = m_data->currentData().toString().toStdString();
    changed.settings["data_task"] = data;
    changed.settings["training"]["epochs"] = m_epochs->value();
    changed.settings["training"]["batch_examples"] = m_batch->value();
    if (data.empty())
        return;
    const auto at = std::find_if(changed.tasks.begin(), changed.tasks.end(),
                                 [&](const study::TaskInProbe& one) { return one.task == data; });
    if (at == changed.tasks.end())
        changed.tasks.insert(changed.tasks.begin(), {data, study::Role::InDistribution});
    else
        at->role = study::Role::InDistribution;
}

QString ProbeDock::strengthsLabel() const {
    if (isKind(study::kFineTuning))
        return tr("&Rates");
    return isKind(study::kQuantisation) ? tr("&Bits") : isKind(study::kPruning) ? tr("&Share") : tr("&Gamma");
}

void ProbeDock::showScaleHelp() {
    if (isKind(study::kQuantisation))
        return m_scaleHelp->setText(tr("Each matrix of the blocks is rounded to the nearest level, symmetric, one scale for "
                                       "each group. Embeddings, head, norms and biases are left alone."));
    if (isKind(study::kFineTuning))
        return m_scaleHelp->setText(
            m_data->count() == 0
                ? tr("Add data to fine-tune on first.")
                : tr("Each checkpoint is trained on the same data (AdamW, linear to zero), once for each rate and seed."));
    if (isKind(study::kPruning))
        return m_scaleHelp->setText(tr("In each matrix of the blocks this share of the weights, the smallest, is set to "
                                       "zero. Embeddings, head, norms and biases are left alone."));
    const series::Series* one = seriesNamed(m_session, m_probe.series);
    if (m_probe.noiseScale == study::NoiseScale::TensorRms)
        m_scaleHelp->setText(tr("Noise of gamma times each tensor's RMS: for checkpoints whose initialisation is not "
                                "known. It is another probe, and is never "
                                "drawn with the first kind."));
    else if (one && !hasInitStd(*one))
        m_scaleHelp->setText(tr("These checkpoints do not record how they were initialised: choose tensor RMS."));
    else
        m_scaleHelp->setText(
            tr("Noise of gamma times the std each tensor was initialised with. Norms and biases are left alone."));
}

void ProbeDock::showDevices() {
    m_device->clear();
    for (const Device& one : m_session.devices()) {
        m_device->addItem(one.label, one.name);
        m_device->setItemData(m_device->count() - 1, one.detail, Qt::ToolTipRole);
    }
    m_device->setCurrentIndex(std::max(0, m_device->findData(m_session.device())));
    const QString detail = m_device->currentData(Qt::ToolTipRole).toString();
    m_device->setToolTip(tr("What the next run is computed on.") + (detail.isEmpty() ? QString() : u'\n' + detail));
}

void ProbeDock::edited() {
    if (m_showing)
        return;
    m_plan.reset();
    if (fieldsAreGood()) {
        study::Probe changed = m_probe;
        if (!isBase()) {
            changed.strengths = m_strengths->strengths().values;
            if (isKind(study::kQuantisation))
                changed.settings["group"] = m_group->value();
        }
        if (isDrawn())
            changed.seeds = m_seeds->value();
        if (isKind(study::kGaussianNoise)) {
            changed.noiseScale = static_cast<study::NoiseScale>(m_scale->currentData().toInt());
        }
        changed.compute = static_cast<study::ComputeType>(m_compute->currentData().toInt());
        changed.tasks = m_tasks->roles();
        if (isKind(study::kFineTuning))
            takeTuning(changed);
        m_probe = changed;
        showScaleHelp();
    }
    m_planTimer.start();
    showPlan();
}

/// Into the study, as one undoable edit; comes back by studyChanged.
void ProbeDock::store() {
    if (!m_showing && m_session.writable() && !m_probe.series.empty() && fieldsAreGood())
        m_session.setProbe(study::Probe(m_probe));
}

void ProbeDock::askPlan() {
    if (m_session.isOpen() && fieldsAreGood() && !m_probe.series.empty())
        m_request = m_session.requestPlan(m_probe);
}

void ProbeDock::takePlan(const PlanPreview& preview) {
    if (preview.request != m_request || m_planTimer.isActive())
        return;
    m_plan = preview;
    showPlan();
}

void ProbeDock::runsChanged() {
    QString states;
    for (const study::RunStatus& run : m_session.runs())
        states += QString::number(static_cast<int>(run.state));
    if (states == m_runStates)
        return;
    m_runStates = states;
    m_planTimer.start();
    showPlan();
}

bool ProbeDock::shownRunIsThisProbe() const {
    const auto& results = m_session.probeView().results;
    if (!results)
        return false;
    study::Probe planned = results->plan.probe;
    if (planned.settings.is_object())
        planned.settings.erase("data_hash"); // a plan knows the content, too
    if (!(planned == m_probe))
        return false;
    for (const study::RunStatus& run : m_session.runs())
        if (run.id == m_session.shownRun().toStdString())
            return run.state == study::RunState::Running || run.state == study::RunState::Queued ||
                   run.state == study::RunState::Paused || run.state == study::RunState::Stopping;
    return false;
}

void ProbeDock::showPlan() {
    QString problem = isBase() ? QString() : m_strengths->strengths().problem, button = tr("Run");
    if (problem.isEmpty() && m_plan)
        problem = m_plan->problem;
    const bool known = m_plan && m_plan->plan && problem.isEmpty();
    const bool atWork = shownRunIsThisProbe();
    m_ready = known && m_plan->cost.fresh > 0 && !atWork;
    if (atWork)
        button = tr("This probe is at work");
    else if (known)
        button = m_plan->cost.fresh > 0 ? tr("Run %1 cells").arg(m_plan->cost.fresh) : tr("Nothing new to run");
    m_run->setText(button);
    styleRun();
    m_run->setAccessibleName(button);
    if (known)
        m_cost->setText(costText(m_plan->cost));
    else if (!m_session.isOpen() || !problem.isEmpty())
        m_cost->clear();
    else if (!m_plan && m_cost->text().isEmpty())
        m_cost->setText(tr("Planning..."));
    m_cost->setVisible(!m_cost->text().isEmpty());
    m_problem->setText(m_session.isOpen() ? problem : QString());
    m_problem->setVisible(!m_problem->text().isEmpty());
    QPalette colored = palette();
    colored.setColor(QPalette::WindowText, stateColors(palette()).bad);
    m_problem->setPalette(colored);
    Q_EMIT planChanged();
}

/// The one coloured button of the window, while it can be clicked.
void ProbeDock::styleRun() {
    QPalette colors = palette();
    if (m_ready) {
        colors.setColor(QPalette::Button, colors.color(QPalette::Highlight));
        colors.setColor(QPalette::ButtonText, colors.color(QPalette::HighlightedText));
    }
    m_run->setPalette(colors);
    m_run->setIcon(
        icon(QStringLiteral("run"), m_ready ? std::optional(colors.color(QPalette::ButtonText)) : std::nullopt));
}

void ProbeDock::run() {
    if (!m_ready || !m_plan || !m_plan->plan)
        return;
    const study::Plan plan = *m_plan->plan;
    m_ready = false;
    m_plan.reset();
    m_session.run(plan);
    showPlan();
}

void ProbeDock::addText() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Add a text"), {},
                                                      tr("Texts (*.jsonl *.json *.txt *.md);;All files (*)"));
    if (file.isEmpty())
        return;
    QStringList taken;
    for (const study::Task& task : m_session.study().tasks)
        taken << toQString(task.name);
    auto* dialog = new TextDialog(file, taken, contextOf(m_session), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        addToProbe({dialog->task()}, m_probe.tasks.empty() ? study::Role::InDistribution : study::Role::OutOfDistribution);
    });
    dialog->open();
}

/// Tasks into the study and into the probe as it stands, one step of undo.
void ProbeDock::addToProbe(const std::vector<study::Task>& tasks, study::Role role) {
    study::Probe changed = m_probe;
    for (const study::Task& task : tasks) {
        std::erase_if(changed.tasks, [&](const study::TaskInProbe& one) { return one.task == task.name; });
        changed.tasks.push_back({task.name, role});
    }
    const bool known = !changed.series.empty();
    m_session.addTasks(tasks, known ? std::optional(changed) : std::nullopt);
}

void ProbeDock::addSuite() {
    auto* dialog = new SuiteDialog(m_session.study().tasks, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { addToProbe(dialog->tasks(), dialog->role()); });
    dialog->open();
}

void ProbeDock::addPrompts() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Add prompts"), {},
                                                      tr("Prompts (*.jsonl *.json *.txt);;All files (*)"));
    if (file.isEmpty())
        return;
    auto* dialog = new PromptsDialog(file, m_session.study().tasks, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { addToProbe({dialog->task()}, study::Role::OutOfDistribution); });
    dialog->open();
}

void ProbeDock::addTuning() {
    const QString file = QFileDialog::getOpenFileName(
        this, tr("Add fine-tuning data"), {},
        tr("Data (*.jsonl *.json *.csv *.tsv *.parquet *.txt *.gz *.zip);;All files (*)"));
    if (file.isEmpty())
        return;
    std::filesystem::path checkpoint;
    for (const series::Series& one : m_session.series())
        for (const series::Checkpoint& candidate : one.checkpoints)
            if (checkpoint.empty() && candidate.state == series::CheckpointState::Ok)
                checkpoint = candidate.path;
    auto* dialog = new TuningDialog(file, m_session.study().tasks, checkpoint, contextOf(m_session), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        if (const int at = m_kind->findData(QString::fromLatin1(study::kFineTuning)); !isKind(study::kFineTuning)) {
            m_kind->setCurrentIndex(at);
            loadProbe();
        }
        const study::Task task = dialog->task();
        m_probe.settings["data_task"] = task.name;
        addToProbe({task}, study::Role::InDistribution);
    });
    dialog->open();
}

} // namespace crest::ui
