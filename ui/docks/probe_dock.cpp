// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/probe_dock.h"

#include <algorithm>

#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>

#include "core/study/finer_rates.h"
#include "core/study/study_json.h"
#include "core/study/usual_grid.h"
#include "core/train/fine_tune_settings.h"
#include "ui/data/format.h"
#include "ui/data/sample_study.h"
#include "ui/docks/finer_rates_row.h"
#include "ui/docks/probe_defaults.h"
#include "ui/docks/strength_edit.h"
#include "ui/docks/task_roles.h"
#include "ui/docks/training_details.h"
#include "ui/docks/tuning_extras.h"
#include "ui/window/actions.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"

namespace crest::ui {
ProbeDock::ProbeDock(StudySession& session, Actions& actions, QWidget* parent)
    : QDockWidget(tr("Probe"), parent)
    , m_session(session)
    , m_kind(new QComboBox)
    , m_series(new QComboBox)
    , m_scale(new QComboBox)
    , m_compute(new QComboBox)
    , m_device(new QComboBox)
    , m_seeds(new WholeBox)
    , m_group(new WholeBox)
    , m_data(new QComboBox)
    , m_epochs(new WholeBox)
    , m_batch(new WholeBox)
    , m_loraRank(new WholeBox)
    , m_details(new TrainingDetails)
    , m_extras(new TuningExtras)
    , m_rate(new StrengthEdit)
    , m_strengths(new StrengthEdit)
    , m_finer(new FinerRatesRow)
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
    const study::Probe* last = m_studyFolder != m_session.folder() ? lastProbe(m_session) : nullptr;
    const QString before = last ? toQString(last->series) : m_series->currentText();
    m_series->clear();
    for (const series::Series& one : m_session.series())
        m_series->addItem(toQString(one.name));
    const int same = m_series->findText(before);
    m_series->setCurrentIndex(same >= 0 && !before.isEmpty() ? same : firstUsable(m_session.series()));
    widget()->setEnabled(m_session.isOpen());
    m_tasks->setTasks(m_session.study().tasks);
    m_tasks->tabBehind(m_device);
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
    if (const QString problem = typedProblem(widget()); !problem.isEmpty())
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

/// A study that was opened shows the kind of its last probe; an edit (an undo, too) of a probe shows that one's kind.
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

/// The last one of the shown series and of a kind that measures such tasks in such roles; null where there is none.
const study::Probe* ProbeDock::probeAlike() const {
    const std::string series = m_series->currentText().toStdString();
    const std::vector<study::Probe>& probes = m_session.study().probes;
    const auto last = std::find_if(probes.rbegin(), probes.rend(), [&](const study::Probe& one) {
        const study::ProbeKind* kind = study::findProbeKind(one.kind);
        return one.series == series && kind && !isBase() && kind->trains == trains() && (!trains() || canBeShown(one.settings));
    });
    return last == probes.rend() ? nullptr : &*last;
}

/// Of a probe that the study does not have yet: what is ticked stays from one kind to another. Tasks of suites are dear under noise:
/// they wait for a click.
std::vector<study::TaskInProbe> ProbeDock::firstRoles() const {
    study::Probe changed;
    if (const study::Probe* alike = probeAlike())
        changed = *alike;
    else
        for (const study::Task& task : m_session.study().tasks)
            if (task.kind == study::TaskKind::TextLoss || (isBase() && task.kind == study::TaskKind::Suite))
                changed.tasks.push_back({task.name, changed.tasks.empty() && !trains() ? study::Role::InDistribution
                                                                                       : study::Role::OutOfDistribution});
    if (trains())
        setDataTask(changed, m_data->currentData().toString().toStdString());
    return changed.tasks;
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
        const series::Series* one = seriesNamed(m_session, name);
        const std::vector<double> rates = study::usualRates(one ? *one : series::Series{});
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

void ProbeDock::showRowsOfKind() {
    m_form->setRowVisible(m_strengths, !isBase());
    m_form->setRowVisible(m_seeds, isDrawn());
    m_form->setRowVisible(m_scale, isKind(study::kGaussianNoise));
    m_form->setRowVisible(m_scaleHelp, !isBase());
    m_form->setRowVisible(m_group, isKind(study::kQuantisation));
    for (QWidget* row : {static_cast<QWidget*>(m_data), static_cast<QWidget*>(m_epochs), static_cast<QWidget*>(m_batch),
                         static_cast<QWidget*>(m_loraRank), static_cast<QWidget*>(m_details), static_cast<QWidget*>(m_extras)})
        m_form->setRowVisible(row, trains());
    m_form->setRowVisible(m_rate, isKind(study::kInterpolation));
    m_form->setRowVisible(m_finer, isKind(study::kFineTuning));
}

void ProbeDock::showProbe() {
    m_showing = true;
    const bool noise = isKind(study::kGaussianNoise);
    showRowsOfKind();
    m_finer->showProbe(m_probe);
    if (!isBase()) {
        m_strengths->setKind(study::probeKind(m_probe.kind));
        m_strengthsLabel->setText(strengthsLabel());
        m_seedsLabel->setText(noise ? tr("&Draws") : tr("See&ds"));
        m_seeds->setAccessibleName(noise ? tr("Noise draws") : tr("Fine-tuning seeds"));
        m_seeds->setToolTip(
            noise ? tr("Draws of the noise per checkpoint and gamma. Each is a pair, +z and -z, on the same tokens.")
                  : tr("Trainings of each checkpoint at each rate, in different orders of the data."));
        if (const std::vector<double> grid = study::gridOf(m_probe); m_strengths->strengths().values != grid)
            m_strengths->setStrengths(grid);
        if (m_probe.seeds > 0)
            showNumber(m_seeds, static_cast<int>(m_probe.seeds));
        if (isKind(study::kQuantisation))
            showNumber(m_group, groupOf(m_probe));
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
    showNumber(m_epochs, training.value("epochs", 1));
    showNumber(m_batch, training.value("batch_examples", 16));
    showNumber(m_loraRank, training.value("lora_rank", 0));
    m_details->showSettings(m_probe.settings);
    m_epochs->setEnabled(m_details->steps() == 0);
    m_extras->showSettings(m_probe.settings);
    if (const double rate = m_probe.settings.value("learning_rate", 0.0); rate > 0 && m_rate->strengths().values != std::vector{rate})
        m_rate->setStrengths({rate});
}

/// What is trained on is measured as in-distribution, and no longer what was trained on before: the ID score would be the mean of both.
void ProbeDock::setDataTask(study::Probe& probe, const std::string& name) {
    const Json before = probe.settings.is_object() ? probe.settings.value("data_task", Json()) : Json();
    if (before.is_string() && before.get<std::string>() != name)
        std::erase_if(probe.tasks, [&](const study::TaskInProbe& one) {
            return one.task == before.get<std::string>() && one.role == study::Role::InDistribution;
        });
    probe.settings["data_task"] = name;
    if (name.empty())
        return;
    const auto at = std::find_if(probe.tasks.begin(), probe.tasks.end(), [&](const study::TaskInProbe& one) { return one.task == name; });
    if (at == probe.tasks.end())
        probe.tasks.insert(probe.tasks.begin(), {name, study::Role::InDistribution});
    else
        at->role = study::Role::InDistribution;
}

void ProbeDock::takeTuning(study::Probe& changed) const {
    setDataTask(changed, m_data->currentData().toString().toStdString());
    changed.settings["training"]["epochs"] = m_epochs->value();
    changed.settings["training"]["batch_examples"] = m_batch->value();
    changed.settings["training"]["lora_rank"] = m_loraRank->value();
    m_details->takeInto(changed.settings);
    m_extras->takeInto(changed.settings);
    if (isKind(study::kInterpolation))
        changed.settings["learning_rate"] = m_rate->strengths().values.front();
    changed.settings["training"]["compute"] = study::computeTypeName(changed.compute);
    // All that is used and nothing else is said, as commands say it: equal trainings have equal keys.
    if (const auto whole = train::fineTuneSettingsFromJson(changed.settings["training"], ""))
        changed.settings["training"] = train::toJson(*whole);
}

QString ProbeDock::strengthsLabel() const {
    if (isKind(study::kFineTuning))
        return tr("&Rates");
    if (isKind(study::kInterpolation))
        return tr("Sha&res");
    return isKind(study::kQuantisation) ? tr("&Bits") : isKind(study::kPruning) ? tr("Sha&re") : tr("&Gamma");
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
                : tr("Each checkpoint is trained on the same data (AdamW, %1), once for each rate and seed.").arg(m_details->scheduleWords()));
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

/// The probe with what the fields hold, all of which are good.
study::Probe ProbeDock::probeOfFields() const {
    study::Probe changed = study::withFinerRates(m_probe, {});
    if (!isBase())
        changed.strengths = m_strengths->strengths().values;
    if (isKind(study::kQuantisation))
        changed.settings["group"] = m_group->value();
    if (isDrawn())
        changed.seeds = m_seeds->value();
    if (isKind(study::kGaussianNoise))
        changed.noiseScale = static_cast<study::NoiseScale>(m_scale->currentData().toInt());
    changed.compute = static_cast<study::ComputeType>(m_compute->currentData().toInt());
    changed.tasks = m_tasks->roles();
    if (trains())
        takeTuning(changed);
    if (tunesAlike(changed, m_probe)) // finer rates belong to what they were found by
        changed = study::withFinerRates(changed, study::finerRatesOf(m_probe));
    return changed;
}

void ProbeDock::edited() {
    if (m_showing)
        return;
    m_plan.reset();
    m_untaken = !fieldsAreGood();
    if (!m_untaken) {
        m_probe = probeOfFields();
        m_finer->showProbe(m_probe);
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

} // namespace crest::ui
