// SPDX-License-Identifier: GPL-3.0-or-later
// What the bar of the curves page offers: the runs, figures, metrics and places that the results have.
#include <algorithm>

#include <QComboBox>
#include <QLabel>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_training_runs.h"
#include "core/study/finer_rates.h"
#include "ui/data/format.h"
#include "ui/pages/choice_box.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/share_slider.h"
#include "ui/window/actions.h"

namespace crest::ui {

/// Runs that train are mostly called alike: what tells them apart stands first.
void CurvesPage::fillRuns() {
    if (const auto& results = m_session.probeView().results; results && analysis::isTraining(results->plan)) {
        m_runWords[results->plan.id] = toQString(analysis::trainingWords(results->plan));
        for (const analysis::ProbeResults& sibling : results->siblings)
            m_runWords[sibling.plan.id] = toQString(analysis::trainingWords(sibling.plan));
    }
    Choices runs;
    for (auto run = m_session.runs().rbegin(); run != m_session.runs().rend(); ++run) {
        const QString words = runWords(run->id);
        runs.append({words.isEmpty() ? runText(run->id) : tr("%1 (%2)").arg(words, runText(run->id)), toQString(run->id)});
    }
    refill(m_run, runs);
    m_run->setCurrentIndex(m_run->findData(m_session.shownRun()));
    m_run->setToolTip(m_run->currentText()); // which the bar cuts
    m_run->setVisible(m_run->count() > 1); // one that is alone is named in Runs
    m_runLabel->setVisible(m_run->count() > 1);
    if (!hasFigure())
        showEmpty();
}

/// Of the runs that may be drawn with the shown one with the number of their finer rates; "" of runs that do not train.
QString CurvesPage::runWords(const std::string& run) const {
    if (const auto known = m_runWords.find(run); known != m_runWords.end())
        return known->second;
    return m_session.trainingWordsOf(run);
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
        if (choices.ownRates)
            strengths.append({tr("each setting's rate best in ID"), analysis::kEnvelopeStrength});
        for (const double rate : choices.rates)
            strengths.append({toQString(study::strengthLabel(study::probeKind(study::kFineTuning), rate)), rate});
        for (const double budget : choices.budgets)
            budgets.append({toQString(analysis::budgetText(budget, choices.ofSteps)), budget});
        const auto at = std::find_if(strengths.begin(), strengths.end(), [&](const auto& one) { return one.second.toDouble() == choices.rate; });
        usual = static_cast<int>(at - strengths.begin());
    } else if (results && ofStrength) {
        for (const double strength : study::gridOf(results->plan.probe)) // finer rates are those of single checkpoints
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
    for (QWidget* one : {static_cast<QWidget*>(m_x), static_cast<QWidget*>(m_xLabel)})
        one->setVisible(!tradeOff); // which has a score on either axis
    m_inflections->setVisible(analysis::showsInflections(m_name));
    fillX();
    fillShares();
}

/// Quantities that the shown run has. The box shows what is drawn: steps where no token count is known, whatever was chosen for
/// another run.
void CurvesPage::fillX() {
    using analysis::XQuantity;
    const auto& results = m_session.probeView().results;
    const study::Plan* plan = results ? &results->plan : nullptr;
    const XQuantity other = m_options.x == XQuantity::Steps ? XQuantity::Tokens : m_options.x;
    const XQuantity shown = plan ? analysis::shownX(*plan, m_options.x) : other;
    Choices quantities;
    if (!plan || analysis::shownX(*plan) == XQuantity::Tokens)
        quantities = {{tr("pretraining tokens"), static_cast<int>(XQuantity::Tokens)},
                      {tr("tokens per parameter"), static_cast<int>(XQuantity::TokensPerParameter)},
                      {tr("FLOPs"), static_cast<int>(XQuantity::Flops)}};
    if (plan && analysis::canShowSteps(*plan))
        quantities.append({tr("steps"), static_cast<int>(XQuantity::Steps)});
    refill(m_x, quantities);
    m_x->setCurrentIndex(std::max(0, m_x->findData(static_cast<int>(shown))));
}

void CurvesPage::fillShares() {
    const auto& results = m_session.probeView().results;
    const bool mixed = results && results->plan.probe.kind == study::kInterpolation;
    QStringList shares;
    if (mixed && m_name == "curves")
        for (const double share : results->plan.probe.strengths)
            shares << toQString(study::strengthLabel(study::probeKind(study::kInterpolation), share));
    m_share->setShares(shares);
    m_share->setVisible(shares.size() > 1);
    m_shareLabel->setVisible(shares.size() > 1);
}

/// Hides the other shares, as a click on the legend would: what is exported is what is seen.
void CurvesPage::showShare() {
    const auto& results = m_session.probeView().results;
    if (!results || results->plan.probe.kind != study::kInterpolation)
        return;
    const std::vector<double>& shares = results->plan.probe.strengths;
    Visibility wanted;
    for (std::size_t i = 0; i < shares.size(); ++i)
        wanted[analysis::curveId(*results, shares[i])] = m_share->chosen() < 0 || m_share->chosen() == static_cast<int>(i);
    m_grid->setCurvesVisible(wanted);
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

} // namespace crest::ui
