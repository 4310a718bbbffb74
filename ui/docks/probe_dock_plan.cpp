// SPDX-License-Identifier: GPL-3.0-or-later
// The probe dock's plan: what it costs, running it, and finer learning rates once it is measured.
#include <algorithm>
#include <filesystem>

#include <QComboBox>
#include <QEvent>
#include <QLabel>
#include <QPointer>
#include <QPushButton>

#include "core/study/finer_rates.h"
#include "core/study/replayed_text.h"
#include "ui/data/format.h"
#include "ui/docks/finer_rates_row.h"
#include "ui/docks/probe_defaults.h"
#include "ui/docks/probe_dock.h"
#include "ui/window/icons.h"
#include "ui/window/number_box.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kFinerOnEachSide = 1; ///< asked again: half-way once more

/// What it costs, and what is to be known of it before it runs.
QString planText(const PlanPreview& preview) {
    QString text = costText(preview.cost, preview.repeatedTrainings);
    for (const std::string& note : study::replayNotes(*preview.plan))
        text += u'\n' + toQString(note);
    return text;
}

} // namespace

void ProbeDock::askPlan() {
    if (!fieldsAreGood())
        m_untaken = true;
    else if (m_session.isOpen() && !m_probe.series.empty())
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
        states += QString::number(static_cast<int>(run.state)) + (m_session.probeOfRun(run.id) ? u' ' : u'?');
    if (states == m_runStates)
        return;
    m_runStates = states;
    m_planTimer.start();
    showPlan();
}

/// Of the newest run of this probe, whichever run is shown.
std::optional<study::RunState> ProbeDock::stateOfRun() const {
    const std::vector<study::RunStatus>& runs = m_session.runs();
    const std::filesystem::path folder(m_session.folder().toStdString());
    const auto newest = std::find_if(runs.rbegin(), runs.rend(), [&](const study::RunStatus& run) {
        const study::Probe* planned = m_session.probeOfRun(run.id);
        return planned && isAsAsked(*planned, m_probe, folder);
    });
    return newest == runs.rend() ? std::nullopt : std::optional(newest->state);
}

/// A probe that was run or is half typed stays.
void ProbeDock::offerSeries(const QString& name) {
    const int at = m_series->findText(name);
    if (at < 0 || at == m_series->currentIndex() || m_untaken || !fieldsAreGood() || stateOfRun())
        return;
    m_series->setCurrentIndex(at);
    loadProbe();
}

void ProbeDock::showPlan() {
    QString problem = fieldProblem(), button = tr("Run");
    if (problem.isEmpty() && m_plan)
        problem = m_plan->problem;
    if (problem.isEmpty() && m_session.isOpen() && !m_session.writable())
        problem = tr("This study can only be looked at: %1").arg(m_session.readOnlyReason());
    const bool known = m_plan && m_plan->plan && problem.isEmpty();
    const std::optional<study::RunState> state = stateOfRun();
    const bool atWork = state == study::RunState::Running || state == study::RunState::Queued ||
                        state == study::RunState::Paused || state == study::RunState::Stopping;
    m_ready = known && m_plan->cost.fresh > 0 && !atWork;
    // Of what is still to be measured the best may be among; cells that failed will not come.
    m_finer->setReady(known && !atWork && m_plan->cost.cached > 0 && (m_plan->cost.fresh == 0 || state == study::RunState::Failed));
    if (atWork) // by what Runs says of it
        button = state == study::RunState::Paused   ? tr("This probe is paused")
                 : state == study::RunState::Queued ? tr("This probe waits for a runner")
                                                    : tr("This probe is at work");
    else if (known)
        button = m_plan->cost.fresh > 0 ? tr("Run %1").arg(countText(m_plan->cost.fresh, "cell")) : tr("Nothing new to run");
    m_run->setText(button);
    styleRun();
    m_run->setAccessibleName(button);
    if (atWork || !m_session.isOpen() || !problem.isEmpty())
        m_cost->clear(); // at work, how far it is stands in Runs
    else if (known)
        m_cost->setText(planText(*m_plan));
    else if (!m_plan && m_cost->text().isEmpty())
        m_cost->setText(tr("Planning..."));
    m_cost->setVisible(!m_cost->text().isEmpty());
    m_problem->setText(m_session.isOpen() ? problem : QString());
    m_problem->setVisible(!m_problem->text().isEmpty());
    colorProblem();
    Q_EMIT planChanged();
}

void ProbeDock::colorProblem() {
    QPalette colored = palette();
    colored.setColor(QPalette::WindowText, stateColors(palette()).bad);
    m_problem->setPalette(colored);
}

/// Problem and Run have colours of their own.
void ProbeDock::changeEvent(QEvent* event) {
    QDockWidget::changeEvent(event);
    if (event->type() != QEvent::PaletteChange)
        return;
    colorProblem();
    styleRun();
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

/// What stands in the fields is what runs: a number that was typed and not taken yet is planned first, for another click.
void ProbeDock::run() {
    takeTyped(widget());
    if (!m_ready || !m_plan || !m_plan->plan)
        return;
    const study::Plan plan = *m_plan->plan;
    store(); // a probe that was run as it was offered is the study's last, too
    m_ready = false;
    m_plan.reset();
    m_session.run(plan);
    showPlan();
}

/// Into the probe, as an edit; the plan, and what it costs, follows.
void ProbeDock::refine() {
    if (!m_plan || !m_plan->plan)
        return;
    m_finer->setReady(false);
    m_session.findFinerRates(*m_plan->plan, kFinerOnEachSide,
                             [dock = QPointer<ProbeDock>(this), asked = m_probe](const Result<analysis::Refinement>& found) {
                                 if (dock && dock->m_probe == asked)
                                     dock->takeFiner(found);
                             });
}

void ProbeDock::takeFiner(const Result<analysis::Refinement>& found) {
    if (found && found->added() > 0)
        return setFiner(found->finer);
    const std::string why = !found ? found.error().text() : found->notes.empty() ? std::string() : found->notes.front();
    m_finer->setProblem(tr("Nothing finer to try. %1").arg(toQString(why)));
}

void ProbeDock::setFiner(const study::FinerRates& finer) {
    m_probe = study::withFinerRates(m_probe, finer);
    m_plan.reset();
    m_finer->showProbe(m_probe);
    m_planTimer.start();
    showPlan();
    store();
}

} // namespace crest::ui
