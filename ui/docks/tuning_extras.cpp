// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/tuning_extras.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <QCheckBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QLocale>
#include <QSpinBox>
#include <QToolButton>

#include "ui/data/format.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr double kBytesOfGigabyte = 1e9, kStrongestPull = 1e6;
constexpr int kUsualReplayTokens = 128, kLongestWindow = 1 << 24;

/// Nothing typed is 0; no number is none.
std::optional<double> pullOf(const QString& text) {
    const QString typed = text.trimmed();
    if (typed.isEmpty())
        return 0;
    bool good = false;
    const double value = QLocale::c().toDouble(typed, &good);
    return good && value >= 0 && value <= kStrongestPull ? std::optional(value) : std::nullopt;
}

} // namespace

TuningExtras::TuningExtras(QWidget* parent)
    : FoldedRows(tr("Mitigations, weights, memory"),
                 tr("What is done against forgetting, whether tuned weights are kept, and training in less memory"), parent)
    , m_choose(new QToolButton)
    , m_pull(new QLineEdit)
    , m_text(new QLineEdit)
    , m_textRow(new QWidget)
    , m_window(new WholeBox)
    , m_recompute(new QCheckBox(tr("in up to 1.25 x the time"))) {
    setupFields();
    setupRows();
    connectFields();
}

void TuningExtras::setupFields() {
    m_pull->setAlignment(Qt::AlignRight);
    m_pull->setPlaceholderText(tr("off"));
    m_pull->setAccessibleName(tr("Pull to the start"));
    m_pull->setToolTip(tr("c in the penalty c/2 |w - start|² on the way from the pretrained weights (L2)"));
    m_head = {amountBox(0, 99, 2, tr(" %"), tr("off")), 0.01, 0, 0};
    m_head.box->setAccessibleName(tr("Head first"));
    m_head.box->setToolTip(tr("Share of the steps, at first, in which only the head is trained (LP-FT)"));
    m_replay = {amountBox(0, 99, 2, tr(" %"), tr("off")), 0.01, 0, 0};
    m_replay.box->setAccessibleName(tr("Share of replayed text"));
    m_replay.box->setToolTip(tr("Weight of pretraining text in the loss of every step"));
    m_keep = {amountBox(0, 100'000, 1, tr(" GB"), tr("nothing")), kBytesOfGigabyte, 0, 0};
    m_keep.box->setAccessibleName(tr("Room for tuned weights"));
    m_keep.box->setToolTip(tr("Tuned weights stay in the study, as long as all of them fit into this room, so that a task that is added "
                              "later needs no new training"));
    m_recompute->setAccessibleName(tr("Less memory"));
    m_recompute->setToolTip(tr("Computes activations a second time instead of keeping them (activation checkpointing): the same numbers. "
                               "What a training takes stands above the button Run."));
    m_text->setAccessibleName(tr("Text that is replayed"));
    m_text->setToolTip(tr("File of pretraining text: JSON lines with a \"text\", or plain text"));
    m_text->setMinimumWidth(0);
    m_window->setRange(2, kLongestWindow);
    m_window->setValue(kUsualReplayTokens);
    m_window->setSuffix(tr(" tokens"));
    m_window->setAlignment(Qt::AlignRight);
    m_window->setKeyboardTracking(false);
    m_window->setAccessibleName(tr("Tokens of a window of replayed text"));
    m_window->setToolTip(tr("The text is cut into windows of so many tokens, of which every step takes some"));
    m_choose->setText(QStringLiteral("..."));
    m_choose->setAccessibleName(tr("Choose the text that is replayed"));
}

void TuningExtras::setupRows() {
    auto* textRow = new QHBoxLayout(m_textRow);
    textRow->setContentsMargins(0, 0, 0, 0);
    textRow->setSpacing(kRhythm / 2);
    textRow->addWidget(m_text, 1);
    textRow->addWidget(m_choose);
    m_textRow->setFocusProxy(m_text);
    rows()->addRow(tr("L&2 pull"), m_pull);
    rows()->addRow(tr("Head f&irst"), m_head.box);
    rows()->addRow(tr("Repla&y"), m_replay.box);
    rows()->addRow(tr("of te&xt"), m_textRow);
    rows()->addRow(tr("in windows"), m_window);
    rows()->addRow(tr("Keep wei&ghts"), m_keep.box);
    rows()->addRow(tr("Less &memory"), m_recompute);
    showReplayRows();
}

void TuningExtras::connectFields() {
    connect(m_choose, &QToolButton::clicked, this, &TuningExtras::chooseText);
    connect(m_pull, &QLineEdit::editingFinished, this, [this] {
        if (pullOf(m_pull->text()) == 0.0)
            m_pull->clear(); // reads "off"
    });
    for (const QLineEdit* edit : {m_pull, m_text}) {
        connect(edit, &QLineEdit::textEdited, this, &TuningExtras::edited);
        connect(edit, &QLineEdit::editingFinished, this, &TuningExtras::settled);
    }
    connect(m_recompute, &QCheckBox::clicked, this, [this] {
        Q_EMIT edited();
        Q_EMIT settled();
    });
    connect(m_replay.box->findChild<QLineEdit*>(), &QLineEdit::textChanged, this, &TuningExtras::showReplayRows);
    connect(m_window, &QSpinBox::valueChanged, this, [this] {
        Q_EMIT edited();
        Q_EMIT settled();
    });
    for (const StoredAmount* one : {&m_head, &m_replay, &m_keep})
        connect(one->box, &QDoubleSpinBox::valueChanged, this, [this] {
            showReplayRows();
            Q_EMIT edited();
            Q_EMIT settled();
        });
}

void TuningExtras::showReplayRows() {
    for (QWidget* row : {m_textRow, static_cast<QWidget*>(m_window)})
        rows()->setRowVisible(row, m_replay.box->text() != m_replay.box->specialValueText()); // from the first key, for Tab to find them
}

void TuningExtras::chooseText() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Pretraining text to replay"), m_text->text(),
                                                      tr("Texts (*.jsonl *.json *.txt *.md);;All files (*)"));
    if (file.isEmpty())
        return;
    m_text->setText(file);
    Q_EMIT edited();
    Q_EMIT settled();
}

void TuningExtras::showSettings(const Json& settings) {
    if (settings == m_settings)
        return; // what is half typed stays
    m_settings = settings;
    const Json training = trainingIn(settings);
    m_storedPull = numberIn(training, "l2_to_start");
    if (pullOf(m_pull->text()) != m_storedPull)
        m_pull->setText(m_storedPull > 0 ? QString::number(m_storedPull, 'g', QLocale::FloatingPointShortest) : QString());
    m_head.show(numberIn(training, "head_share"));
    m_replay.show(numberIn(training, "replay_share"));
    showNumber(m_window, static_cast<int>(std::clamp<double>(numberIn(training, "replay_tokens", kUsualReplayTokens), 2, kLongestWindow)));
    m_keep.show(numberIn(settings, "keep_bytes"));
    const auto file = settings.is_object() ? settings.find("replay") : settings.end();
    const bool named = settings.is_object() && file != settings.end() && file->is_string();
    if (const QString text = named ? toQString(file->get<std::string>()) : QString(); text != m_text->text())
        m_text->setText(text);
    const bool recomputes = settings.is_object() && settings.value("recompute_activations", Json()) == true;
    m_recompute->setChecked(recomputes);
    showReplayRows();
    if (recomputes || m_storedPull > 0 || m_head.stored > 0 || m_replay.stored > 0 || m_keep.stored > 0)
        unfold();
}

void TuningExtras::takeInto(Json& settings) const {
    Json& training = settings["training"];
    const auto put = [](Json& object, const char* key, const Json& value, bool used) {
        if (used)
            object[key] = value;
        else
            object.erase(key);
    };
    training["l2_to_start"] = pullOf(m_pull->text()).value_or(m_storedPull);
    put(training, "head_share", m_head.value(), m_head.value() > 0);
    const bool replays = m_replay.value() > 0;
    put(training, "replay_share", m_replay.value(), replays);
    put(training, "replay_tokens", m_window->value(), replays);
    put(settings, "replay", m_text->text().trimmed().toStdString(), replays);
    put(settings, "recompute_activations", true, m_recompute->isChecked());
    put(settings, "keep_bytes", static_cast<std::int64_t>(std::llround(m_keep.value())), m_keep.value() > 0);
}

QString TuningExtras::problem(bool hasAdapters) const {
    if (!pullOf(m_pull->text()))
        return tr("The L2 pull must be a number from 0 to a million, with a decimal point, such as 0.1; empty is off.");
    if (m_head.value() > 0 && hasAdapters)
        return tr("With LoRA only adapters of the blocks are trained, so the head cannot come first. Set one of them to off.");
    if (m_replay.value() > 0 && m_text->text().trimmed().isEmpty())
        return tr("Choose the pretraining text that is replayed, or set its share to off.");
    return {};
}

} // namespace crest::ui
