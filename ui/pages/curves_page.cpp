// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/curves_page.h"

#include <algorithm>
#include <map>
#include <set>

#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QPlainTextEdit>
#include <QStackedLayout>
#include <QToolButton>
#include <QVBoxLayout>

#include "core/analysis/probe_trade_off.h"
#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/pages/choice_box.h"
#include "ui/window/actions.h"
#include "ui/window/flow_layout.h"
#include "ui/window/icons.h"
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
    , m_grid(new PanelGrid)
    , m_empty(new QLabel)
    , m_notes(new QLabel)
    , m_recipe(new QWidget)
    , m_recipeText(new QPlainTextEdit) {
    setAccessibleName(tr("Curves"));
    setupBar();
    setupRecipe();
    setupLayout();
    connectSession();
    connectView(actions);
    showEmpty();
}

void CurvesPage::setupBar() {
    m_metric->setToolTip(tr("Tasks that do not have it show their own first one"));
    m_x->addItem(tr("pretraining tokens"), static_cast<int>(analysis::XQuantity::Tokens));
    m_x->addItem(tr("tokens per parameter"), static_cast<int>(analysis::XQuantity::TokensPerParameter));
    m_x->addItem(tr("FLOPs"), static_cast<int>(analysis::XQuantity::Flops));
    m_spread->addItem(tr("95 % interval"), static_cast<int>(analysis::Spread::Confidence95));
    m_spread->addItem(tr("standard deviation"), static_cast<int>(analysis::Spread::Deviation));
    m_inflections->setChecked(true);
    m_inflections->setToolTip(tr("Draw the inflection point with its interval where the data support one"));
    auto* row = new FlowLayout(m_bar);
    m_runLabel = row->addField(tr("R&un"), m_run);
    m_figureLabel = row->addField(tr("Fi&gure"), m_figure);
    m_strengthLabel = row->addField(tr("a&t"), m_strength);
    m_budgetLabel = row->addField(tr("&of"), m_budget);
    m_metricLabel = row->addField(tr("&Metric"), m_metric);
    row->addField(tr("&x axis"), m_x);
    row->addField(tr("&Band"), m_spread);
    row->addWidget(m_inflections);
    for (QWidget* later : std::initializer_list<QWidget*>{m_run, m_runLabel, m_figure, m_figureLabel, m_strength,
                                                          m_strengthLabel, m_budget, m_budgetLabel, m_metric, m_metricLabel})
        later->hide();
}

void CurvesPage::setupRecipe() {
    m_recipeText->setReadOnly(true);
    m_recipeText->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_recipeText->setAccessibleName(tr("Recipe of the pinned point"));
    m_recipeText->setFixedHeight(13 * kRhythm);
    m_recipeText->setFrameShape(QFrame::NoFrame);
    auto* copy = new QToolButton;
    copy->setIcon(icon(QStringLiteral("copy")));
    copy->setToolTip(tr("Copy the recipe"));
    auto* close = new QToolButton;
    close->setIcon(icon(QStringLiteral("close")));
    close->setToolTip(tr("Hide the recipe"));
    for (QToolButton* button : {copy, close}) {
        button->setAutoRaise(true);
        button->setAccessibleName(button->toolTip());
    }
    auto* buttons = new QVBoxLayout;
    buttons->addWidget(close);
    buttons->addWidget(copy);
    buttons->addStretch(1);
    auto* row = new QHBoxLayout(m_recipe);
    row->setContentsMargins(kRhythm, 0, kRhythm / 2, kRhythm / 2);
    row->addWidget(m_recipeText, 1);
    row->addLayout(buttons);
    m_recipe->hide();
    connect(copy, &QToolButton::clicked, this,
            [this] { QGuiApplication::clipboard()->setText(m_recipeText->toPlainText()); });
    connect(close, &QToolButton::clicked, m_recipe, &QWidget::hide);
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
    below->addWidget(m_notes);
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
    connect(m_metric, &QComboBox::activated, this,
            [this] { m_session.showMetric(m_metric->currentData().toString()); });
    connect(&m_session, &StudySession::closed, this, [this] {
        fillRuns();
        m_options.metric.clear();
        m_grid->setFigure({});
        m_recipe->hide();
        showEmpty();
        Q_EMIT figureChanged();
    });
    connect(m_run, &QComboBox::activated, this, [this] { m_session.showRun(m_run->currentData().toString()); });
    for (QComboBox* box : {m_x, m_spread})
        connect(box, &QComboBox::activated, this, [this] {
            m_options.x = static_cast<analysis::XQuantity>(m_x->currentData().toInt());
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
    connect(m_grid, &PanelGrid::pointPinned, this, &CurvesPage::pin);
    connect(m_grid, &PanelGrid::pointReleased, m_recipe, &QWidget::hide);
}

void CurvesPage::fillRuns() {
    const auto& runs = m_session.runs();
    bool same = m_run->count() == static_cast<int>(runs.size());
    for (std::size_t i = 0; same && i < runs.size(); ++i)
        same = m_run->itemData(static_cast<int>(runs.size() - 1 - i)).toString() == toQString(runs[i].id);
    if (!same) {
        m_run->clear();
        for (auto run = runs.rbegin(); run != runs.rend(); ++run)
            m_run->addItem(runText(run->id), toQString(run->id));
    }
    m_run->setCurrentIndex(m_run->findData(m_session.shownRun()));
    m_run->setVisible(m_run->count() > 1); // one that is alone is named in Runs
    m_runLabel->setVisible(m_run->count() > 1);
    if (!hasFigure())
        showEmpty();
}

/// The metrics that the shown results have; none where only losses of texts were measured.
void CurvesPage::fillMetrics() {
    const ProbeView& view = m_session.probeView();
    m_options.metric = view.metric;
    QStringList names{tr("each task's own")};
    for (const std::string& metric : view.metrics)
        names << toQString(metric);
    QStringList shown;
    for (int i = 0; i < m_metric->count(); ++i)
        shown << m_metric->itemText(i);
    if (names != shown) {
        m_metric->clear();
        m_metric->addItem(names.first(), QString());
        for (const QString& name : names.mid(1))
            m_metric->addItem(name, name);
    }
    m_metric->setCurrentIndex(std::max(0, m_metric->findData(toQString(view.metric))));
    m_metric->setVisible(view.metrics.size() > 1);
    m_metricLabel->setVisible(view.metrics.size() > 1);
}

/// Those that the shown run can give: one that it cannot gives way to the curves.
void CurvesPage::fillFigures() {
    const ProbeView& view = m_session.probeView();
    Choices figures;
    for (const analysis::NamedFigure& figure : view.figures)
        figures.append({toQString(figure.label), toQString(figure.name)});
    refill(m_figure, figures);
    m_figure->setVisible(figures.size() > 1);
    m_figureLabel->setVisible(figures.size() > 1);
    const int at = m_figure->findData(toQString(m_name));
    m_figure->setCurrentIndex(std::max(0, at));
    if (at < 0 && m_name != "curves")
        chooseFigure("curves");
    fillPlaces();
}

/// The strengths, and of a trade-off learning rates and budgets, that the figure can be of. Where none was chosen, the box shows what
/// the figure takes by itself.
void CurvesPage::fillPlaces() {
    const auto& results = m_session.probeView().results;
    const bool tradeOff = m_name == "trade-off", ofStrength = tradeOff || m_name == "decomposition" || m_name == "distance";
    Choices strengths, budgets;
    int usual = 0;
    if (results && tradeOff) {
        const analysis::TradeOffChoices choices = analysis::tradeOffChoices(*results);
        for (const double rate : choices.rates)
            strengths.append({toQString(study::strengthLabel(study::probeKind(study::kFineTuning), rate)), rate});
        for (const double budget : choices.budgets)
            budgets.append({tr("%1 tokens").arg(toQString(formatTokens(budget))), budget});
        usual = static_cast<int>(std::find(choices.rates.begin(), choices.rates.end(), choices.rate) - choices.rates.begin());
    } else if (results && ofStrength) {
        for (const double strength : results->plan.probe.strengths)
            strengths.append({toQString(study::strengthLabel(study::probeKind(results->plan.probe.kind), strength)), strength});
        usual = static_cast<int>(strengths.size() / 2);
    }
    refill(m_strength, strengths);
    refill(m_budget, budgets);
    const auto wanted = m_at.find(m_name);
    const int kept = wanted == m_at.end() ? -1 : m_strength->findData(wanted->second);
    m_options.strength = kept >= 0 ? std::optional(wanted->second) : std::nullopt;
    m_strength->setCurrentIndex(kept >= 0 ? kept : usual);
    const int budget = m_wantedBudget ? m_budget->findData(*m_wantedBudget) : -1;
    m_options.budget = budget >= 0 ? m_wantedBudget : std::nullopt;
    m_budget->setCurrentIndex(budget >= 0 ? budget : static_cast<int>(budgets.size()) - 1);
    for (QWidget* one : {static_cast<QWidget*>(m_strength), static_cast<QWidget*>(m_strengthLabel)})
        one->setVisible(ofStrength);
    for (QWidget* one : {static_cast<QWidget*>(m_budget), static_cast<QWidget*>(m_budgetLabel)})
        one->setVisible(tradeOff);
}

/// Each figure keeps what its vertical axis showed last.
void CurvesPage::chooseFigure(const std::string& name) {
    m_name = name;
    const auto chosen = m_y.find(name);
    m_options.y = chosen == m_y.end() ? analysis::defaultsOf(name).y : chosen->second;
    m_actions.at(m_options.y == analysis::YQuantity::Value    ? ActionId::ShowValue
                 : m_options.y == analysis::YQuantity::Change ? ActionId::ShowChange
                                                              : ActionId::ShowBoth)
        ->setChecked(true);
    fillPlaces();
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
        moveNotes(*figure);
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

/// What two panels or more say alike leaves them and stands once below, so that the curves have the room; where others
/// say something else, with the names of those that say it.
void CurvesPage::moveNotes(analysis::Figure& figure) {
    constexpr qsizetype kMostNamed = 3;
    std::map<std::string, QStringList> tasks;
    m_panelNotes.clear();
    for (const analysis::FigurePanel& panel : figure.panels) {
        m_panelNotes.push_back(panel.notes);
        for (const std::string& note : panel.notes)
            tasks[note] << toQString(panel.title).section(u':', 0, 0);
    }
    QStringList shared;
    std::set<std::string> moved;
    for (analysis::FigurePanel& panel : figure.panels)
        std::erase_if(panel.notes, [&](const std::string& note) {
            QStringList of = tasks[note];
            if (of.size() < 2)
                return false;
            if (moved.insert(note).second) {
                const bool all = of.size() == static_cast<qsizetype>(figure.panels.size());
                of.removeDuplicates();
                QString who;
                if (!all)
                    who = QString(of.size() <= kMostNamed ? of.join(QStringLiteral(", "))
                                                          : tr("%1 tasks").arg(of.size()))
                              .append(QStringLiteral(": "));
                shared.insert(all ? 0 : shared.size(), who.append(toQString(note)));
            }
            return true;
        });
    m_notes->setText(shared.join(u'\n'));
    m_notes->setVisible(!shared.isEmpty());
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

void CurvesPage::pin(const QString& recipe) {
    m_recipeText->setPlainText(recipe);
    m_recipe->setVisible(!recipe.isEmpty());
}

} // namespace crest::ui
