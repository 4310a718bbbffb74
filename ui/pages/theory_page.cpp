// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/theory_page.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/pages/theory_controls.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kSampleDelayMs = 60; ///< a slider that moves on starts no Monte Carlo
constexpr int kColumnWidth = 40 * kRhythm;

} // namespace

TheoryPage::TheoryPage(QWidget* parent)
    : QWidget(parent)
    , m_controls(new TheoryControls)
    , m_grid(new PanelGrid)
    , m_sentence(new QLabel)
    , m_back(new QPushButton(tr("Start page")))
    , m_sampling(this) {
    setAccessibleName(tr("Theory lab"));
    setupLayout();
    m_sampleTimer.setSingleShot(true);
    m_sampleTimer.setInterval(kSampleDelayMs);
    connect(&m_sampleTimer, &QTimer::timeout, this, &TheoryPage::sample);
    connect(m_controls, &TheoryControls::changed, this, [this] {
        if (isVisible())
            showState();
    });
    connect(m_back, &QPushButton::clicked, this, &TheoryPage::startAsked);
    setStandalone(false);
}

void TheoryPage::setupLayout() {
    auto* scroll = new QScrollArea;
    scroll->setWidget(m_controls);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setFocusPolicy(Qt::NoFocus);
    m_sentence->setWordWrap(true);
    m_sentence->setTextFormat(Qt::PlainText);
    m_sentence->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    m_sentence->setAccessibleName(tr("What the settings show"));
    m_sentence->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_sentence->setContentsMargins(kRhythm, kRhythm, kRhythm, 0);
    m_sentence->setMinimumHeight(2 * m_sentence->fontMetrics().lineSpacing() + kRhythm); // does not jump while a slider moves
    auto* left = new QVBoxLayout;
    left->setSpacing(0);
    auto* back = new QHBoxLayout;
    back->setContentsMargins(kRhythm, kRhythm, kRhythm, 0);
    back->addWidget(m_back);
    back->addStretch(1);
    left->addLayout(back);
    left->addWidget(scroll, 1);
    auto* right = new QVBoxLayout;
    right->setSpacing(0);
    right->addWidget(m_sentence);
    right->addWidget(m_grid, 1);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    row->addLayout(left);
    row->addLayout(right, 1);
    scroll->setMinimumWidth(std::max(kColumnWidth, m_controls->minimumSizeHint().width() + scroll->verticalScrollBar()->sizeHint().width()));
    scroll->setMaximumWidth(scroll->minimumWidth());
}

bool TheoryPage::isComplete() const {
    return m_grid->isUpToDate() && !figure().panels.empty() && analysis::missingGammas(m_controls->state(), m_estimates).empty();
}

void TheoryPage::setStandalone(bool standalone) {
    m_back->setVisible(standalone);
}

void TheoryPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    showState();
}

void TheoryPage::showState() {
    const analysis::TheoryState& state = m_controls->state();
    const analysis::TheoryReading reading = analysis::readTheory(state);
    m_sentence->setText(toQString(reading.theory + "\n" + reading.computed));
    m_grid->showNow(analysis::theoryFigure(state, reading, m_estimates));
    if (!analysis::missingGammas(state, m_estimates).empty())
        m_sampleTimer.start();
}

/// What is asked for while it runs starts anew; what of it is known already is kept.
void TheoryPage::sample() {
    const analysis::TheoryState state = m_controls->state();
    if (!m_estimates.isOf(state))
        m_estimates = {state.model, state.draws, state.seed, {}};
    const std::vector<double> gammas = analysis::missingGammas(state, m_estimates);
    if (gammas.empty())
        return;
    m_sampling.start(
        [state, gammas](const JobContext& job) {
            analysis::TheoryEstimates out{state.model, state.draws, state.seed, {}};
            const auto sampled = analysis::sampleNoisyLosses(state.model, gammas, state.draws, state.seed, job);
            for (std::size_t g = 0; sampled && g < gammas.size(); ++g)
                out.byGamma[gammas[g]] = (*sampled)[g];
            return out;
        },
        [this](const analysis::TheoryEstimates& estimates) { takeEstimates(estimates); });
}

void TheoryPage::takeEstimates(const analysis::TheoryEstimates& estimates) {
    const analysis::TheoryState& state = m_controls->state();
    if (!estimates.isOf(state) || estimates.byGamma.empty())
        return;
    if (!m_estimates.isOf(state))
        m_estimates = {state.model, state.draws, state.seed, {}};
    // Those of gammas that a slider has left are dropped.
    std::erase_if(m_estimates.byGamma, [&](const auto& entry) {
        return entry.first != state.gamma && std::find(state.gammas.begin(), state.gammas.end(), entry.first) == state.gammas.end();
    });
    for (const auto& [gamma, means] : estimates.byGamma)
        m_estimates.byGamma[gamma] = means;
    if (isVisible())
        showState();
}

} // namespace crest::ui
