// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/curves_page.h"

#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QScrollArea>
#include <QStackedLayout>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/pages/choice_box.h"
#include "ui/pages/recipe_panel.h"
#include "ui/pages/shared_notes.h"
#include "ui/pages/share_slider.h"
#include "ui/window/actions.h"
#include "ui/window/flow_layout.h"
#include "ui/window/theme.h"

namespace crest::ui {

using analysis::AxisScale;

CurvesPage::CurvesPage(StudySession& session, Actions& actions, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_actions(actions)
    , m_making(this)
    , m_bar(new QWidget)
    , m_run(choiceBox(tr("Run whose curves are shown")))
    , m_figure(choiceBox(tr("Figure that is shown")))
    , m_strength(choiceBox(tr("Strength that is shown")))
    , m_budget(choiceBox(tr("Budget that is shown")))
    , m_metric(choiceBox(tr("Metric of the tasks of suites")))
    , m_x(choiceBox(tr("Quantity on the x axis")))
    , m_spread(choiceBox(tr("What the band shows")))
    , m_inflections(new QCheckBox(tr("Inflections")))
    , m_share(new ShareSlider(tr("Share of the tuned weights that is shown")))
    , m_grid(new PanelGrid)
    , m_empty(new QLabel)
    , m_notes(new QLabel)
    , m_notesArea(new QScrollArea)
    , m_recipe(new RecipePanel) {
    setAccessibleName(tr("Curves"));
    setupBar();
    setupLayout();
    connectSession();
    connectView(actions);
    showEmpty();
}

void CurvesPage::setupBar() {
    m_metric->setToolTip(tr("Tasks that do not have it show their own first one"));
    m_spread->addItem(tr("95 % interval"), static_cast<int>(analysis::Spread::Confidence95));
    m_spread->addItem(tr("standard deviation"), static_cast<int>(analysis::Spread::Deviation));
    m_inflections->setChecked(true);
    m_inflections->setToolTip(tr("Draw the inflection point with its interval where the data support one"));
    auto* row = new FlowLayout(m_bar);
    m_runLabel = row->addField(tr("R&un"), m_run);
    m_figureLabel = row->addField(tr("Fi&gure"), m_figure);
    m_strengthLabel = row->addField(tr("a&t"), m_strength);
    m_budgetLabel = row->addField(tr("&of"), m_budget);
    m_shareLabel = row->addField(tr("Sha&re"), m_share);
    m_metricLabel = row->addField(tr("&Metric"), m_metric);
    m_xLabel = row->addField(tr("&x axis"), m_x);
    fillX();
    row->addField(tr("&Band"), m_spread);
    row->addWidget(m_inflections);
    for (QWidget* later : std::initializer_list<QWidget*>{m_run, m_runLabel, m_figure, m_figureLabel, m_strength,
                                                          m_strengthLabel, m_budget, m_budgetLabel, m_share, m_shareLabel, m_metric, m_metricLabel})
        later->hide();
}

void CurvesPage::setupLayout() {
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setMargin(4 * kRhythm);
    auto* shown = new QWidget;
    m_stack = new QStackedLayout(shown);
    m_stack->addWidget(m_empty);
    auto* curves = new QWidget;
    auto* below = new QVBoxLayout(curves);
    below->setContentsMargins(0, 0, 0, 0);
    below->setSpacing(0);
    below->addWidget(m_grid, 1);
    below->addWidget(m_notesArea);
    m_notesArea->setWidget(m_notes);
    m_notesArea->setWidgetResizable(true);
    m_notesArea->setFrameShape(QFrame::NoFrame);
    m_notesArea->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_notesArea->setFocusPolicy(Qt::NoFocus);
    m_notesArea->installEventFilter(this);
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.9);
    m_notes->setFont(small);
    m_notes->setWordWrap(true);
    m_notes->setTextFormat(Qt::PlainText);
    m_notes->setMargin(kRhythm / 2);
    m_notes->setAccessibleName(tr("What the curves show"));
    m_notes->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_notes->setForegroundRole(QPalette::PlaceholderText);
    m_stack->addWidget(curves);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_bar);
    column->addWidget(shown, 1);
    column->addWidget(m_recipe);
}

void CurvesPage::connectSession() {
    connect(&m_session, &StudySession::runsChanged, this, &CurvesPage::fillRuns);
    connect(&m_session, &StudySession::probeChanged, this, [this] {
        fillRuns();
        fillFigures();
        fillMetrics();
        requestFigure();
    });
    connect(m_figure, &QComboBox::activated, this, [this] {
        chooseFigure(m_figure->currentData().toString().toStdString());
        requestFigure();
    });
    connect(m_strength, &QComboBox::activated, this, [this] {
        m_options.strength = m_at[m_name] = m_strength->currentData().toDouble();
        requestFigure();
    });
    connect(m_budget, &QComboBox::activated, this, [this] {
        m_options.budget = m_wantedBudget = m_budget->currentData().toDouble();
        requestFigure();
    });
    connect(m_share, &ShareSlider::chosenChanged, this, &CurvesPage::showShare);
    connect(m_metric, &QComboBox::activated, this,
            [this] { m_session.showMetric(m_metric->currentData().toString()); });
    connect(&m_session, &StudySession::closed, this, [this] {
        m_runWords.clear();
        fillRuns();
        m_options.metric.clear();
        m_grid->setFigure({});
        m_recipe->hide();
        showEmpty();
        Q_EMIT figureChanged();
    });
    connect(m_run, &QComboBox::activated, this, [this] { m_session.showRun(m_run->currentData().toString()); });
    connect(m_x, &QComboBox::activated, this, [this] {
        m_options.x = static_cast<analysis::XQuantity>(m_x->currentData().toInt());
        requestFigure();
    });
    connect(m_spread, &QComboBox::activated, this, [this] {
        m_options.spread = static_cast<analysis::Spread>(m_spread->currentData().toInt());
        requestFigure();
    });
    connect(m_inflections, &QCheckBox::toggled, this, [this](bool on) {
        m_options.inflections = on;
        requestFigure();
    });
}

void CurvesPage::connectView(Actions& actions) {
    const auto showY = [this](analysis::YQuantity wanted) {
        m_options.y = m_y[m_name] = wanted;
        requestFigure();
    };
    connect(actions.at(ActionId::ShowValue), &QAction::triggered, this, [showY] { showY(analysis::YQuantity::Value); });
    connect(actions.at(ActionId::ShowChange), &QAction::triggered, this,
            [showY] { showY(analysis::YQuantity::Change); });
    connect(actions.at(ActionId::ShowBoth), &QAction::triggered, this, [showY] { showY(analysis::YQuantity::Both); });
    connect(actions.at(ActionId::LogX), &QAction::triggered, this,
            [this] { m_grid->toggleLog(analysis::Dimension::X); });
    connect(actions.at(ActionId::LogY), &QAction::triggered, this,
            [this] { m_grid->toggleLog(analysis::Dimension::Y); });
    connect(actions.at(ActionId::ResetZoom), &QAction::triggered, m_grid, &PanelGrid::resetZoom);
    connect(actions.at(ActionId::PreviousZoom), &QAction::triggered, this, [this] {
        for (CurvePanel* panel : m_grid->panels())
            panel->previousZoom();
    });
    connect(m_grid, &PanelGrid::figureChanged, this, &CurvesPage::showScales);
    connect(m_grid, &PanelGrid::pointPinned, m_recipe, &RecipePanel::showRecipe);
    connect(m_grid, &PanelGrid::pointReleased, m_recipe, &QWidget::hide);
}

/// One figure is made at a time; what came in meanwhile makes one more.
void CurvesPage::requestFigure() {
    if (m_busy) {
        m_again = true;
        return;
    }
    const ProbeView view = m_session.probeView();
    if (!view.results)
        return;
    m_busy = true;
    m_making.start([view, name = m_name, options = m_options](const JobContext&) {
                       return analysis::makeFigure(name, *view.results, options, view.inflections);
                   },
                   [this](Result<analysis::Figure> figure) { takeFigure(std::move(figure)); });
}

void CurvesPage::takeFigure(Result<analysis::Figure> figure) {
    m_busy = false;
    if (!m_session.isOpen())
        return;
    if (figure) {
        m_panelNotes = notesOfPanels(*figure);
        const QString shared = takeSharedNotes(*figure);
        m_notes->setText(shared);
        m_notesArea->setVisible(!shared.isEmpty());
        fitNotes();
        m_grid->setFigure(*figure);
        m_stack->setCurrentIndex(figure->panels.empty() ? 0 : 1);
        showEmpty();
    } else {
        m_empty->setText(toQString(figure.error().text()));
        m_stack->setCurrentIndex(0);
    }
    if (std::exchange(m_again, false))
        requestFigure();
}

/// As high as they are, up to an eighth of the page: figures over several data sets have a dozen lines, and the curves need the room.
void CurvesPage::fitNotes() {
    const int few = 3 * m_notes->fontMetrics().lineSpacing() + kRhythm;
    const int whole = std::max(0, m_notes->heightForWidth(m_notesArea->width())); // -1 where nothing is said
    m_notesArea->setFixedHeight(std::min(whole, std::max(few, height() / 8)));
}

void CurvesPage::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitNotes();
}

/// Narrower, the notes have more lines, also where the page is as large as before.
bool CurvesPage::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_notesArea && event->type() == QEvent::Resize)
        fitNotes();
    return QWidget::eventFilter(watched, event);
}

analysis::Figure CurvesPage::figureForExport() const {
    analysis::Figure out = figure();
    if (out.panels.size() == m_panelNotes.size())
        for (std::size_t i = 0; i < out.panels.size(); ++i)
            out.panels[i].notes = m_panelNotes[i];
    return out;
}

void CurvesPage::showEmpty() {
    if (!m_session.isOpen())
        m_stack->setCurrentIndex(0);
    if (m_session.isOpen() && !m_session.runsKnown())
        m_empty->setText(tr("Reading the study..."));
    else if (m_session.runs().empty())
        m_empty->setText(tr("No run yet.\nSet up the probe on the right, look at its cost, and click Run: the curves "
                            "fill while it runs."));
    else if (!m_session.probeView().textTasks.empty())
        m_empty->setText(tr("This run writes texts and measures no number: its texts stand in Samples."));
    else
        m_empty->setText(tr("No result yet. The first ones come within seconds of the start of a run."));
    m_bar->setEnabled(m_session.isOpen() && !m_session.runs().empty());
}

void CurvesPage::showScales() {
    if (hasFigure()) {
        m_actions.at(ActionId::LogX)->setChecked(figure().panels.front().x.scale == AxisScale::Log);
        m_actions.at(ActionId::LogY)->setChecked(figure().panels.front().y.scale == AxisScale::Log);
    }
    Q_EMIT figureChanged();
}

} // namespace crest::ui
