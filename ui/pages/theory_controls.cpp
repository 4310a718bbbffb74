// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/theory_controls.h"

#include <algorithm>

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QPushButton>
#include <QRegularExpression>
#include <QSignalBlocker>
#include <QSpinBox>

#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/pages/log_slider.h"
#include "ui/pages/spectrum_edit.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {

using analysis::TheoryChange;
using analysis::TheoryState;

namespace {

constexpr int kSpacedStops = 24, kFewestModes = 2, kShownModes = 12;
constexpr std::int64_t kDraws[] = {200, 2'000, 20'000, 200'000};

/// A row of several widgets; its label leads to `field`.
void addRowOf(RowForm* form, const QString& text, QWidget* field, QHBoxLayout* row) {
    auto* widgets = new QWidget;
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(kRhythm);
    widgets->setLayout(row);
    form->addRow(text, widgets)->setBuddy(field);
}

QString ladderText(const std::vector<double>& ladder) {
    QStringList words;
    for (const double value : ladder)
        words << toQString(formatNumber(value, 6));
    return words.join(u' ');
}

struct Ladder {
    std::vector<double> values;
    QString problem; ///< "" where the text is a list of strengths
};

Ladder parseLadder(const QString& text) {
    Ladder ladder;
    static const QRegularExpression kBetween(QStringLiteral("[\\s,;]+"));
    for (const QString& word : text.split(kBetween, Qt::SkipEmptyParts)) {
        bool isNumber = false;
        const double value = QLocale::c().toDouble(word, &isNumber);
        if (!isNumber || !(value > 0 && value <= 1000))
            return {{}, QObject::tr("\"%1\" is no number above 0 and up to 1000. Write 0.05 0.1 0.2.").arg(word)};
        ladder.values.push_back(value);
    }
    std::sort(ladder.values.begin(), ladder.values.end());
    ladder.values.erase(std::unique(ladder.values.begin(), ladder.values.end()), ladder.values.end());
    if (ladder.values.size() > analysis::kMostLadder)
        return {{}, QObject::tr("At most %1 can be compared.").arg(analysis::kMostLadder)};
    return ladder;
}

QDoubleSpinBox* valueBox(const QString& name) {
    auto* box = new DecimalBox;
    box->setDecimals(2);
    box->setSingleStep(0.05);
    box->setRange(0, SpectrumEdit::kTop);
    box->setAlignment(Qt::AlignRight);
    box->setAccessibleName(name);
    return box;
}

} // namespace

TheoryControls::TheoryControls(QWidget* parent)
    : QWidget(parent)
    , m_form(new RowForm)
    , m_preset(new QComboBox)
    , m_change(new QComboBox)
    , m_draws(new QComboBox)
    , m_stops(new QComboBox)
    , m_reset(new QPushButton(tr("Rese&t")))
    , m_gamma(new LogSlider(tr("Noise γ"), {0.01, 1, false}))
    , m_rate(new LogSlider(tr("Learning rate η"), {1e-4, 0.1, false}))
    , m_pull(new LogSlider(tr("Pull λ"), {0.05, 50, false}))
    , m_steps(new LogSlider(tr("Steps K"), {1, 10'000, true}))
    , m_start(new LogSlider(tr("Start s0"), {1e-12, 1e-3, false}))
    , m_ladder(new QLineEdit)
    , m_problem(new QLabel)
    , m_spectra(new SpectrumEdit)
    , m_modes(new WholeBox)
    , m_mode(new WholeBox)
    , m_sigma(valueBox(tr("σ of the mode")))
    , m_target(valueBox(tr("σ' of the mode"))) {
    setAccessibleName(tr("Settings of the theory"));
    setLayout(m_form);
    m_form->setContentsMargins(kRhythm, kRhythm, kRhythm, kRhythm);
    setupChoices(m_form);
    setupStrengths(m_form);
    setupSpectra(m_form);
    m_form->setRowStretch(m_form->rowCount(), 1);
    connectFields();
    connectSpectra();
    m_state = analysis::theoryPresets().front().state;
    show();
}

void TheoryControls::setupChoices(RowForm* form) {
    for (QComboBox* box : {m_preset, m_change, m_draws, m_stops}) {
        box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        box->setMinimumContentsLength(10);
    }
    for (const analysis::TheoryPreset& preset : analysis::theoryPresets())
        m_preset->addItem(toQString(preset.name));
    m_preset->setAccessibleName(tr("Preset"));
    m_preset->setToolTip(tr("Settings to begin with"));
    m_reset->setToolTip(tr("Back to the preset"));
    m_change->addItem(tr("Gaussian noise"), static_cast<int>(TheoryChange::Noise));
    m_change->addItem(tr("Fine-tuning"), static_cast<int>(TheoryChange::FineTuning));
    m_change->addItem(tr("Fine-tuning, pulled back (L2)"), static_cast<int>(TheoryChange::Regularised));
    m_change->setAccessibleName(tr("Modification"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_preset, 1);
    row->addWidget(m_reset);
    addRowOf(form, tr("P&reset"), m_preset, row);
    form->addRow(tr("&Modification"), m_change);
}

void TheoryControls::setupStrengths(RowForm* form) {
    m_gamma->setToolTip(tr("Each weight gets γ times a standard normal"));
    m_rate->setToolTip(tr("Learning rate of fine-tuning"));
    m_pull->setToolTip(tr("λ/2 times the squared distance from the checkpoint is added to the fine-tuning loss"));
    m_steps->setToolTip(tr("Gradient steps of fine-tuning"));
    m_start->setToolTip(tr("Size of all singular values before pretraining"));
    form->addRow(tr("&Noise γ"), m_gamma);
    form->addRow(tr("Pu&ll λ"), m_pull);
    form->addRow(tr("R&ate η"), m_rate);
    form->addRow(tr("Steps &K"), m_steps);
    m_ladder->setAccessibleName(tr("Strengths to compare with"));
    m_ladder->setToolTip(tr("Other strengths drawn beside the chosen one, with blanks between them"));
    form->addRow(tr("&Compare"), m_ladder);
    m_problem->setWordWrap(true);
    m_problem->setForegroundRole(QPalette::PlaceholderText);
    form->addRow(m_problem);
    for (const std::int64_t draws : kDraws)
        m_draws->addItem(QLocale::c().toString(static_cast<qlonglong>(draws)), static_cast<qlonglong>(draws));
    m_draws->setAccessibleName(tr("Draws of the Monte Carlo"));
    form->addRow(tr("&Draws"), m_draws);
}

void TheoryControls::setupSpectra(RowForm* form) {
    form->addRow(m_spectra);
    m_modes->setRange(kFewestModes, kShownModes);
    for (QAbstractSpinBox* box : std::initializer_list<QAbstractSpinBox*>{m_modes, m_mode, m_sigma, m_target})
        box->setKeyboardTracking(false); // what is half typed is no number yet, and would be put into its range
    m_modes->setAccessibleName(tr("Number of modes d"));
    m_mode->setAccessibleName(tr("Mode that is edited"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_mode, 1);
    row->addWidget(new QLabel(QStringLiteral("σ")));
    row->addWidget(m_sigma, 2);
    addRowOf(form, tr("M&ode"), m_mode, row);
    form->addRow(tr("σ' f&ine-tuning"), m_target);
    form->addRow(tr("Mod&es d"), m_modes);
    form->addRow(tr("Start s&0"), m_start);
    m_stops->addItem(tr("one per feature"));
    m_stops->addItem(tr("%1, even on the log axis").arg(kSpacedStops));
    m_stops->setAccessibleName(tr("Where pretraining stops"));
    m_stops->setToolTip(tr("Pretraining times at which the network is modified"));
    form->addRow(tr("Sto&ps"), m_stops);
}

/// Takes a change of the state. Spaced stops follow the spectrum.
void TheoryControls::edit(const std::function<void(TheoryState&)>& change) {
    TheoryState next = m_state;
    change(next);
    if (m_stops->currentIndex() == 1)
        next.model.stops = analysis::spacedStops(next.model, kSpacedStops);
    else
        next.model.stops.clear();
    if (next == m_state || !analysis::checkTheoryState(next))
        return show(); // what cannot be is put back
    m_state = std::move(next);
    show();
    Q_EMIT changed();
}

analysis::TheoryTuning& TheoryControls::tuning(TheoryState& state) const {
    return state.change == TheoryChange::Regularised ? state.regularised : state.tuning;
}

void TheoryControls::connectFields() {
    const auto preset = [this] { setState(analysis::theoryPresets()[static_cast<std::size_t>(m_preset->currentIndex())].state); };
    connect(m_preset, &QComboBox::activated, this, preset);
    connect(m_reset, &QPushButton::clicked, this, preset);
    connect(m_change, &QComboBox::activated, this, [this] {
        edit([&](TheoryState& s) { s.change = static_cast<TheoryChange>(m_change->currentData().toInt()); });
    });
    connect(m_gamma, &LogSlider::valueEdited, this, [this](double value) { edit([&](TheoryState& s) { s.gamma = value; }); });
    connect(m_pull, &LogSlider::valueEdited, this, [this](double value) { edit([&](TheoryState& s) { s.regularised.pull = value; }); });
    connect(m_rate, &LogSlider::valueEdited, this, [this](double value) { edit([&](TheoryState& s) { tuning(s).rate = value; }); });
    connect(m_steps, &LogSlider::valueEdited, this,
            [this](double value) { edit([&](TheoryState& s) { tuning(s).steps = static_cast<int>(value); }); });
    connect(m_start, &LogSlider::valueEdited, this, [this](double value) { edit([&](TheoryState& s) { s.model.start = value; }); });
    connect(m_ladder, &QLineEdit::textEdited, this, &TheoryControls::takeLadder);
    connect(m_ladder, &QLineEdit::editingFinished, this, [this] {
        m_problem->hide();
        m_ladder->setText(ladderText(analysis::theoryLadder(m_state)));
    });
    connect(m_draws, &QComboBox::activated, this,
            [this] { edit([&](TheoryState& s) { s.draws = m_draws->currentData().toLongLong(); }); });
    connect(m_stops, &QComboBox::activated, this, [this] { edit([](TheoryState&) {}); });
}

void TheoryControls::connectSpectra() {
    for (const LogSlider* slider : {m_gamma, m_pull, m_rate, m_steps, m_start})
        connect(slider, &LogSlider::refused, this, &TheoryControls::showProblem);
    whenTyped(this, [this] { showProblem(typedProblem(this)); });
    connect(m_spectra, &SpectrumEdit::edited, this, [this] {
        edit([&](TheoryState& s) {
            s.model.sigma = m_spectra->sigma();
            s.model.target = m_spectra->target();
        });
    });
    connect(m_spectra, &SpectrumEdit::selected, this, &TheoryControls::showHandle);
    connect(m_mode, &QSpinBox::valueChanged, this, [this](int mode) { m_spectra->select(mode - 1, m_spectra->onTarget()); });
    connect(m_sigma, &QDoubleSpinBox::valueChanged, this, [this](double value) {
        m_spectra->moveTo(m_mode->value() - 1, false, value);
        showHandle();
    });
    connect(m_target, &QDoubleSpinBox::valueChanged, this, [this](double value) { m_spectra->moveTo(m_mode->value() - 1, true, value); });
    connect(m_modes, &QSpinBox::valueChanged, this, &TheoryControls::setModes);
}

/// A new mode is half as strong as the last, and asked for by fine-tuning as it is.
void TheoryControls::setModes(int count) {
    edit([count](TheoryState& s) {
        while (static_cast<int>(s.model.sigma.size()) > count) {
            s.model.sigma.pop_back();
            s.model.target.pop_back();
        }
        while (static_cast<int>(s.model.sigma.size()) < count && s.model.sigma.back() / 2 >= SpectrumEdit::kBottom) {
            s.model.sigma.push_back(s.model.sigma.back() / 2);
            s.model.target.push_back(s.model.sigma.back());
        }
    });
    const int modes = static_cast<int>(m_state.model.sigma.size());
    showProblem(modes == count ? QString()
                               : tr("%1 modes: half of the last one's σ would be below %2. Raise it to add more.").arg(modes).arg(SpectrumEdit::kBottom));
}

void TheoryControls::showProblem(const QString& problem) {
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
}

void TheoryControls::takeLadder() {
    const Ladder ladder = parseLadder(m_ladder->text());
    showProblem(ladder.problem);
    if (ladder.problem.isEmpty())
        edit([&](TheoryState& s) { analysis::setTheoryLadder(s, ladder.values); });
}

void TheoryControls::setState(const TheoryState& state) {
    m_state = state;
    m_stops->setCurrentIndex(state.model.stops.empty() ? 0 : 1);
    show();
    Q_EMIT changed();
}

void TheoryControls::show() {
    const QSignalBlocker modes(m_modes);
    const analysis::TheoryTuning& shown = tuning(m_state);
    m_change->setCurrentIndex(m_change->findData(static_cast<int>(m_state.change)));
    m_gamma->setValue(m_state.gamma);
    m_pull->setValue(m_state.regularised.pull);
    m_rate->setValue(shown.rate);
    m_steps->setValue(shown.steps);
    m_start->setValue(m_state.model.start);
    m_draws->setCurrentIndex(m_draws->findData(static_cast<qlonglong>(m_state.draws)));
    m_modes->setValue(static_cast<int>(m_state.model.sigma.size()));
    if (!m_ladder->hasFocus() || m_ladder->text().isEmpty())
        m_ladder->setText(ladderText(analysis::theoryLadder(m_state)));
    const bool noise = m_state.change == TheoryChange::Noise;
    m_spectra->setSpectra(m_state.model.sigma, m_state.model.target, !noise,
                          noise ? analysis::noiseThreshold(m_state.model.sigma.size(), m_state.gamma) : 0);
    showRows();
    showHandle();
}

/// Only what the modification has.
void TheoryControls::showRows() {
    const bool noise = m_state.change == TheoryChange::Noise, pulled = m_state.change == TheoryChange::Regularised;
    const std::pair<QWidget*, bool> rows[] = {{m_gamma, noise}, {m_pull, pulled}, {m_rate, !noise}, {m_steps, !noise},
                                              {m_draws, noise}, {m_target, !noise}};
    for (const auto& [field, shown] : rows)
        m_form->setRowVisible(field, shown);
    if (m_problem->text().isEmpty())
        m_problem->hide();
}

/// The numbers of the handle that is chosen.
void TheoryControls::showHandle() {
    const QSignalBlocker mode(m_mode), sigma(m_sigma), target(m_target);
    const auto at = static_cast<std::size_t>(m_spectra->mode());
    m_mode->setRange(1, static_cast<int>(m_state.model.sigma.size()));
    m_mode->setValue(m_spectra->mode() + 1);
    m_sigma->setValue(m_spectra->sigma()[at]);
    m_target->setValue(m_spectra->target()[at]);
}

} // namespace crest::ui
