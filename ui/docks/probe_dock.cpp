// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/probe_dock.h"

#include <algorithm>

#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>

#include "core/study/study_json.h"
#include "core/train/fine_tune_settings.h"
#include "ui/data/format.h"
#include "ui/data/sample_study.h"
#include "ui/docks/strength_edit.h"
#include "ui/docks/task_roles.h"
#include "ui/docks/tuning_extras.h"
#include "ui/window/actions.h"
#include "ui/window/icons.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

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

std::int64_t parametersOf(const series::Series* one) {
    if (one)
        for (const series::Checkpoint& checkpoint : one->checkpoints)
            if (checkpoint.spec)
                return series::parameterCount(*checkpoint.spec);
    return 0;
}

/// Where fine-tuning begins to help and where it begins to harm: the smaller a model, the larger its rates. For large ones
/// the grid of Springer et al. (from 4e-6, by doublings).
std::vector<double> usualRates(std::int64_t parameters) {
    if (parameters < 5'000'000)
        return {2e-3, 4e-3, 8e-3, 1.2e-2, 2e-2};
    return parameters < 200'000'000 ? std::vector<double>{3e-5, 1e-4, 3e-4, 1e-3}
                                    : std::vector<double>{4e-6, 8e-6, 1.6e-5, 3.2e-5, 6.4e-5};
}

/// A study's file may have been written by hand; what cannot be shown gives way to the defaults.
bool canBeShown(const Json& settings) {
    return settings.is_object() && settings.value("data_task", Json("")).is_string() &&
           settings.value("learning_rate", Json(0)).is_number() &&
           train::fineTuneSettingsFromJson(settings.value("training", Json()), "").has_value();
}

/// Weights in a group of a quantisation; the usual number where the study does not say it, or says something else.
int groupOf(const study::Probe& probe) {
    const study::ProbeKind& kind = study::probeKind(study::kQuantisation);
    const auto settings = study::completeSettings(kind, probe.settings);
    return (settings ? *settings : *study::completeSettings(kind, Json())).value("group", 0);
}

/// Whether a plan is that of a probe: it knows the content of data and replayed text, too, and where that lies.
bool isAsAsked(study::Probe planned, const study::Probe& asked, const std::filesystem::path& folder) {
    if (planned.settings.is_object() && asked.settings.is_object()) {
        for (const char* key : {"data_hash", "replay_hash"})
            planned.settings.erase(key);
        const Json own = asked.settings.value("replay", Json());
        if (own.is_string() && planned.settings.value("replay", Json()) == (folder / own.get<std::string>()).string())
            planned.settings["replay"] = own;
    }
    return planned == asked;
}

Json usualTuning(const std::string& dataTask, const std::vector<double>& rates, bool interpolates) {
    Json settings = {{"data_task", dataTask}, {"training", train::toJson(train::FineTuneSettings{})}};
    if (interpolates)
        settings["learning_rate"] = rates[rates.size() / 2];
    return settings;
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
    , m_loraRank(new QSpinBox)
    , m_extras(new TuningExtras)
    , m_rate(new StrengthEdit)
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

void ProbeDock::loadStudy() {
    const QString before = m_series->currentText();
    m_series->clear();
    for (const series::Series& one : m_session.series())
        m_series->addItem(toQString(one.name));
    const int same = m_series->findText(before);
    m_series->setCurrentIndex(same >= 0 && !before.isEmpty() ? same : firstUsable(m_session.series()));
    widget()->setEnabled(m_session.isOpen());
    m_tasks->setTasks(m_session.study().tasks);
    const QVariant chosen = m_data->currentData();
    m_data->clear();
    for (const study::Task& task : m_session.study().tasks)
        if (task.kind == study::TaskKind::TuningLoss)
            m_data->addItem(toQString(task.name), toQString(task.name));
    m_data->setCurrentIndex(std::max(m_data->count() > 0 ? 0 : -1, m_data->findData(chosen)));
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
bool ProbeDock::trains() const {
    return !isBase() && study::probeKind(m_kind->currentData().toString().toStdString()).trains;
}
/// What is wrong with what was typed; "" where nothing is.
QString ProbeDock::fieldProblem() const {
    if (isBase())
        return {};
    if (const QString problem = m_strengths->strengths().problem; !problem.isEmpty())
        return problem;
    if (trains())
        if (const QString problem = m_extras->problem(m_loraRank->value() > 0); !problem.isEmpty())
            return problem;
    if (!isKind(study::kInterpolation))
        return {};
    const StrengthList rate = m_rate->strengths();
    if (!rate.problem.isEmpty())
        return rate.problem;
    return rate.values.size() == 1 ? QString() : tr("Interpolation has one learning rate; give just one.");
}
bool ProbeDock::fieldsAreGood() const {
    return fieldProblem().isEmpty();
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
    const std::string dataTask = m_data->currentData().toString().toStdString();
    if (trains() && !dataTask.empty())
        roles.push_back({dataTask, study::Role::InDistribution});
    for (const study::Task& task : m_session.study().tasks)
        if (task.kind == study::TaskKind::TextLoss || (isBase() && task.kind == study::TaskKind::Suite))
            roles.push_back({task.name, roles.empty() && !trains() ? study::Role::InDistribution
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
    const bool isNew = stored == study.probes.rend();
    m_probe = isNew ? defaultProbe(m_kind->currentData().toString(), name, firstRoles()) : *stored;
    if (!m_probe.settings.is_object())
        m_probe.settings = Json();
    if (trains() && (isNew || !canBeShown(m_probe.settings))) {
        const std::vector<double> rates = usualRates(parametersOf(seriesNamed(m_session, name)));
        m_probe.settings =
            usualTuning(m_data->currentData().toString().toStdString(), rates, isKind(study::kInterpolation));
        if (isNew && isKind(study::kFineTuning))
            m_probe.strengths = rates;
    }
    if (const series::Series* one = seriesNamed(m_session, name);
        isNew && one && isKind(study::kGaussianNoise) && !hasInitStd(*one))
        m_probe.noiseScale = study::NoiseScale::TensorRms;
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
    for (QWidget* row : {static_cast<QWidget*>(m_data), static_cast<QWidget*>(m_epochs), static_cast<QWidget*>(m_batch),
                         static_cast<QWidget*>(m_loraRank), static_cast<QWidget*>(m_extras)})
        m_form->setRowVisible(row, trains());
    m_form->setRowVisible(m_rate, isKind(study::kInterpolation));
    if (!isBase()) {
        m_strengths->setKind(study::probeKind(m_probe.kind));
        m_strengthsLabel->setText(strengthsLabel());
        m_seedsLabel->setText(noise ? tr("&Draws") : tr("S&eeds"));
        m_seeds->setAccessibleName(noise ? tr("Noise draws") : tr("Fine-tuning seeds"));
        m_seeds->setToolTip(
            noise ? tr("Draws of the noise per checkpoint and gamma. Each is a pair, +z and -z, on the same tokens.")
                  : tr("Trainings of each checkpoint at each rate, in different orders of the data."));
        if (m_strengths->strengths().values != m_probe.strengths)
            m_strengths->setStrengths(m_probe.strengths);
        if (m_probe.seeds > 0)
            m_seeds->setValue(static_cast<int>(m_probe.seeds));
        if (isKind(study::kQuantisation))
            m_group->setValue(groupOf(m_probe));
        if (trains())
            showTuning();
        m_scale->setCurrentIndex(m_scale->findData(static_cast<int>(m_probe.noiseScale)));
    }
    m_compute->setCurrentIndex(m_compute->findData(static_cast<int>(m_probe.compute)));
    m_tasks->setRoles(m_probe.tasks);
    showScaleHelp();
    m_showing = false;
}

void ProbeDock::showTuning() {
    const QString dataTask = toQString(m_probe.settings.value("data_task", std::string()));
    if (const int at = m_data->findData(dataTask); at >= 0)
        m_data->setCurrentIndex(at);
    const Json training = m_probe.settings.value("training", Json::object());
    m_epochs->setValue(training.value("epochs", 1));
    m_batch->setValue(training.value("batch_examples", 16));
    m_loraRank->setValue(training.value("lora_rank", 0));
    m_extras->showSettings(m_probe.settings);
    if (const double rate = m_probe.settings.value("learning_rate", 0.0); rate > 0 && m_rate->strengths().values != std::vector{rate})
        m_rate->setStrengths({rate});
}

/// What is trained on is measured as in-distribution.
void ProbeDock::takeTuning(study::Probe& changed) const {
    const std::string dataTask = m_data->currentData().toString().toStdString();
    changed.settings["data_task"] = dataTask;
    changed.settings["training"]["epochs"] = m_epochs->value();
    changed.settings["training"]["batch_examples"] = m_batch->value();
    changed.settings["training"]["lora_rank"] = m_loraRank->value();
    m_extras->takeInto(changed.settings);
    if (isKind(study::kInterpolation))
        changed.settings["learning_rate"] = m_rate->strengths().values.front();
    changed.settings["training"]["compute"] = study::computeTypeName(changed.compute);
    // All that is used and nothing else is said, as commands say it: equal trainings have equal keys.
    if (const auto whole = train::fineTuneSettingsFromJson(changed.settings["training"], ""))
        changed.settings["training"] = train::toJson(*whole);
    if (dataTask.empty())
        return;
    const auto at = std::find_if(changed.tasks.begin(), changed.tasks.end(),
                                 [&](const study::TaskInProbe& one) { return one.task == dataTask; });
    if (at == changed.tasks.end())
        changed.tasks.insert(changed.tasks.begin(), {dataTask, study::Role::InDistribution});
    else
        at->role = study::Role::InDistribution;
}

QString ProbeDock::strengthsLabel() const {
    if (isKind(study::kFineTuning))
        return tr("&Rates");
    if (isKind(study::kInterpolation))
        return tr("&Shares");
    return isKind(study::kQuantisation) ? tr("&Bits") : isKind(study::kPruning) ? tr("&Share") : tr("&Gamma");
}

void ProbeDock::showScaleHelp() {
    if (isKind(study::kQuantisation))
        return m_scaleHelp->setText(tr("Each matrix of the blocks is rounded to the nearest level, symmetric, one scale for "
                                       "each group. Embeddings, head, norms and biases are left alone."));
    if (trains())
        return m_scaleHelp->setText(
            m_data->count() == 0
                ? tr("Add data to fine-tune on first.")
            : isKind(study::kInterpolation)
                ? tr("Each checkpoint is trained once for each seed; these shares of the tuned weights are mixed with the "
                     "pretrained ones (WiSE-FT). 1 is the tuned model.")
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
        if (trains())
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
    if (!isAsAsked(results->plan.probe, m_probe, m_session.folder().toStdString()))
        return false;
    for (const study::RunStatus& run : m_session.runs())
        if (run.id == m_session.shownRun().toStdString())
            return run.state == study::RunState::Running || run.state == study::RunState::Queued ||
                   run.state == study::RunState::Paused || run.state == study::RunState::Stopping;
    return false;
}

void ProbeDock::showPlan() {
    QString problem = fieldProblem(), button = tr("Run");
    if (problem.isEmpty() && m_plan)
        problem = m_plan->problem;
    if (problem.isEmpty() && m_session.isOpen() && !m_session.writable())
        problem = tr("This study can only be looked at: %1").arg(m_session.readOnlyReason());
    const bool known = m_plan && m_plan->plan && problem.isEmpty();
    const bool atWork = shownRunIsThisProbe();
    m_ready = known && m_plan->cost.fresh > 0 && !atWork;
    if (atWork)
        button = tr("This probe is at work");
    else if (known)
        button = m_plan->cost.fresh > 0 ? tr("Run %1").arg(countText(m_plan->cost.fresh, "cell")) : tr("Nothing new to run");
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

} // namespace crest::ui
