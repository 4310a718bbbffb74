// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/training_page.h"

#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QStackedLayout>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/data/training_loading.h"
#include "ui/pages/choice_box.h"
#include "ui/window/flow_layout.h"
#include "ui/window/theme.h"

namespace crest::ui {

TrainingPage::TrainingPage(StudySession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_reading(this)
    , m_bar(new QWidget)
    , m_checkpoint(choiceBox(tr("Checkpoint whose training is shown")))
    , m_rate(choiceBox(tr("Learning rate whose training is shown")))
    , m_seed(choiceBox(tr("Seed whose training is shown")))
    , m_follow(new QCheckBox(tr("&Follow the run")))
    , m_grid(new PanelGrid)
    , m_empty(new QLabel) {
    setAccessibleName(tr("Training"));
    setupBar();
    setupLayout();
    connectSession();
    fillChoices();
}

void TrainingPage::setupBar() {
    m_follow->setChecked(true);
    m_follow->setToolTip(tr("Show the checkpoint and seed that are trained now; choosing others ends it"));
    auto* row = new FlowLayout(m_bar);
    row->addField(tr("Check&point"), m_checkpoint);
    row->addField(tr("&Rate"), m_rate);
    m_seedLabel = row->addField(tr("See&d"), m_seed);
    row->addWidget(m_follow);
}

void TrainingPage::setupLayout() {
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setMargin(4 * kRhythm);
    m_empty->setAccessibleName(tr("Why there is no training curve"));
    auto* shown = new QWidget;
    m_stack = new QStackedLayout(shown);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_grid);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_bar);
    column->addWidget(shown, 1);
}

void TrainingPage::connectSession() {
    connect(&m_session, &StudySession::probeChanged, this, [this] {
        fillChoices();
        ask();
    });
    connect(&m_session, &StudySession::runsChanged, this, &TrainingPage::watch);
    connect(&m_session, &StudySession::closed, this, [this] {
        m_reading.cancel();
        m_busy = m_again = false;
        m_filledFor.clear();
        fillChoices();
    });
    connect(m_rate, &QComboBox::activated, this, &TrainingPage::ask);
    for (QComboBox* box : {m_checkpoint, m_seed})
        connect(box, &QComboBox::activated, this, [this] {
            m_follow->setChecked(false);
            ask();
        });
    connect(m_follow, &QCheckBox::clicked, this, &TrainingPage::ask);
    connect(m_grid, &PanelGrid::figureChanged, this, &TrainingPage::figureChanged);
}

void TrainingPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    ask();
}

bool TrainingPage::atWork() const {
    const auto& runs = m_session.runs();
    return std::any_of(runs.begin(), runs.end(), [this](const study::RunStatus& run) {
        return toQString(run.id) == m_session.shownRun() &&
               (run.state == study::RunState::Running || run.state == study::RunState::Stopping);
    });
}

void TrainingPage::fillChoices() {
    Choices checkpoints, rates, seeds;
    if (isTrained()) {
        const study::Plan& plan = results()->plan;
        for (int i = 0; i < static_cast<int>(plan.checkpoints.size()); ++i)
            checkpoints.append({toQString(analysis::checkpointLabel(plan, i)), i});
        const std::vector<double> all = analysis::trainingRates(plan);
        if (all.size() > 1)
            rates.append({tr("all rates"), QVariant()});
        for (const double rate : all)
            rates.append({toQString(analysis::rateLabel(rate)), rate});
        for (std::int64_t seed = plan.probe.firstSeed; seed < plan.probe.firstSeed + plan.probe.seeds; ++seed)
            seeds.append({QString::number(seed), static_cast<qlonglong>(seed)});
        if (m_filledFor != toQString(plan.id))
            m_follow->setChecked(true);
        m_filledFor = toQString(plan.id);
    }
    refill(m_checkpoint, checkpoints);
    refill(m_rate, rates);
    refill(m_seed, seeds);
    m_seed->setVisible(seeds.size() > 1);
    m_seedLabel->setVisible(seeds.size() > 1);
    m_follow->setVisible(atWork());
    m_bar->setEnabled(!checkpoints.isEmpty());
    showEmpty();
}

analysis::TrainingChoice TrainingPage::choice() const {
    analysis::TrainingChoice chosen{m_checkpoint->currentData().toInt(), m_seed->currentData().toLongLong(), std::nullopt};
    if (m_rate->currentData().isValid())
        chosen.rate = m_rate->currentData().toDouble();
    return chosen;
}

void TrainingPage::show(const analysis::TrainingChoice& choice) {
    m_checkpoint->setCurrentIndex(m_checkpoint->findData(choice.checkpoint));
    m_seed->setCurrentIndex(m_seed->findData(static_cast<qlonglong>(choice.seed)));
}

/// The session has looked at the runs: twice a second.
void TrainingPage::watch() {
    const bool now = atWork();
    m_follow->setVisible(now);
    if (now || m_wasAtWork) // once more after its end
        ask();
    m_wasAtWork = now;
}

/// One reading at a time; what came in meanwhile makes one more.
void TrainingPage::ask() {
    if (!isVisible())
        return;
    if (m_busy) {
        m_again = true;
        return;
    }
    if (!isTrained() || m_checkpoint->currentIndex() < 0)
        return showEmpty();
    m_busy = true;
    m_reading.start(
        [results = results(), chosen = choice(), shown = m_fingerprint, follow = m_follow->isChecked() && atWork(),
         folder = m_session.trainingsFolder()](const JobContext&) {
            Reading reading;
            reading.choice = follow ? trainingAtWork(folder, *results, chosen).value_or(chosen) : chosen;
            const auto curves = readTrainings(folder, *results, reading.choice);
            reading.fingerprint = results->plan.id + "\n" + analysis::checkpointLabel(results->plan, reading.choice.checkpoint) + "\n" +
                                  results->plan.checkpoints[static_cast<std::size_t>(reading.choice.checkpoint)].weights + "\n" +
                                  fingerprintOf(reading.choice, curves);
            if (reading.fingerprint != shown)
                reading.figure = analysis::trainingFigure(*results, reading.choice, curves);
            return reading;
        },
        [this](Reading reading) { take(std::move(reading)); });
}

void TrainingPage::take(Reading reading) {
    m_busy = false;
    const bool again = std::exchange(m_again, false);
    if (!isTrained())
        return showEmpty();
    if (reading.figure && reading.fingerprint.starts_with(results()->plan.id + "\n")) {
        if (m_follow->isChecked() && m_follow->isVisible())
            show(reading.choice);
        draw(*reading.figure, std::move(reading.fingerprint));
    }
    if (again)
        ask();
}

void TrainingPage::draw(const analysis::Figure& figure, std::string fingerprint) {
    m_fingerprint = std::move(fingerprint);
    m_grid->setFigure(figure);
    m_stack->setCurrentIndex(figure.panels.empty() ? 0 : 1);
    showEmpty();
}

/// In words what is missing where no curve is drawn. What was drawn of another run goes.
void TrainingPage::showEmpty() {
    if (!isTrained() && !m_fingerprint.empty())
        return draw({}, {});
    if (!results())
        m_empty->setText(tr("No run yet.\nFine-tune the series with the probe on the right: the curves of its trainings are drawn "
                            "here while it runs."));
    else if (!isTrained())
        m_empty->setText(tr("The shown run trains nothing.\nOnly runs of fine-tuning have training curves: choose one in Runs, or "
                            "set up a probe of the kind Fine-tuning on the right."));
    else if (atWork())
        m_empty->setText(tr("Not trained yet.\nThe curves begin with the first step."));
    else
        m_empty->setText(tr("Nothing is kept of these trainings: they have not begun, or were made before curves were kept."));
}

} // namespace crest::ui
