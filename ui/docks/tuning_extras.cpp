// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/tuning_extras.h"

#include <cmath>
#include <optional>

#include <QCheckBox>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QLocale>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr double kBytesOfGigabyte = 1e9, kStrongestPull = 1e6;
constexpr std::int64_t kUsualReplayTokens = 128;

double number(const Json& object, const char* key) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && at != object.end() && at->is_number() ? at->get<double>() : 0;
}

/// Nothing typed is 0; no number is none.
std::optional<double> pullOf(const QString& text) {
    const QString typed = text.trimmed();
    if (typed.isEmpty())
        return 0;
    bool good = false;
    const double value = QLocale::c().toDouble(typed, &good);
    return good && value >= 0 && value <= kStrongestPull ? std::optional(value) : std::nullopt;
}

QDoubleSpinBox* amountBox(double most, int decimals, const QString& suffix, const QString& off) {
    auto* box = new AmountBox;
    box->setDecimals(decimals);
    box->setRange(0, most);
    box->setSuffix(suffix);
    box->setSpecialValueText(off);
    box->setAlignment(Qt::AlignRight);
    box->setKeyboardTracking(false);
    return box;
}

} // namespace

double TuningExtras::Amount::value() const {
    return box->value() == shown ? stored : box->value() * unit;
}

void TuningExtras::Amount::show(double wanted) {
    if (wanted != value())
        box->setValue(wanted / unit);
    stored = wanted;
    shown = box->value();
}

TuningExtras::TuningExtras(QWidget* parent)
    : QWidget(parent)
    , m_fold(new QToolButton)
    , m_choose(new QToolButton)
    , m_body(new QWidget)
    , m_pull(new QLineEdit)
    , m_text(new QLineEdit)
    , m_textRow(new QWidget)
    , m_recompute(new QCheckBox(tr("in up to 1.25 x the time"))) {
    setupFields();
    setupLayout();
    connectFields();
    fold(false);
}

void TuningExtras::setupFields() {
    m_fold->setText(tr("Mitigations, weights, memory"));
    m_fold->setCheckable(true);
    m_fold->setAutoRaise(true);
    m_fold->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_fold->setToolTip(tr("What is done against forgetting, whether tuned weights are kept, and training in less memory"));
    m_pull->setAlignment(Qt::AlignRight);
    m_pull->setPlaceholderText(tr("off"));
    m_pull->setAccessibleName(tr("Pull to the start"));
    m_pull->setToolTip(tr("c in the penalty c/2 |w - start|² on the way from the pretrained weights (L2)"));
    m_head = {amountBox(99, 2, tr(" %"), tr("off")), 0.01, 0, 0};
    m_head.box->setAccessibleName(tr("Head first"));
    m_head.box->setToolTip(tr("Share of the steps, at first, in which only the head is trained (LP-FT)"));
    m_replay = {amountBox(99, 2, tr(" %"), tr("off")), 0.01, 0, 0};
    m_replay.box->setAccessibleName(tr("Share of replayed text"));
    m_replay.box->setToolTip(tr("Weight of pretraining text in the loss of every step"));
    m_keep = {amountBox(100'000, 1, tr(" GB"), tr("nothing")), kBytesOfGigabyte, 0, 0};
    m_keep.box->setAccessibleName(tr("Room for tuned weights"));
    m_keep.box->setToolTip(tr("Tuned weights stay in the study, as long as all of them fit into this room, so that a task that is added "
                              "later needs no new training"));
    m_recompute->setAccessibleName(tr("Less memory"));
    m_recompute->setToolTip(tr("Computes activations a second time instead of keeping them (activation checkpointing): the same numbers. "
                               "What a training takes stands above the button Run."));
    m_text->setAccessibleName(tr("Text that is replayed"));
    m_text->setToolTip(tr("File of pretraining text: JSON lines with a \"text\", or plain text"));
    m_text->setMinimumWidth(0);
    m_choose->setText(QStringLiteral("..."));
    m_choose->setAccessibleName(tr("Choose the text that is replayed"));
}

void TuningExtras::setupLayout() {
    auto* textRow = new QHBoxLayout(m_textRow);
    textRow->setContentsMargins(0, 0, 0, 0);
    textRow->setSpacing(kRhythm / 2);
    textRow->addWidget(m_text, 1);
    textRow->addWidget(m_choose);
    m_textRow->setFocusProxy(m_text);
    m_form = new RowForm;
    m_form->setContentsMargins(kRhythm, 0, 0, 0);
    m_form->addRow(tr("L2 pul&l"), m_pull);
    m_form->addRow(tr("&Head first"), m_head.box);
    m_form->addRow(tr("Repla&y"), m_replay.box);
    m_form->addRow(tr("of te&xt"), m_textRow);
    m_form->addRow(tr("Kee&p"), m_keep.box);
    m_form->addRow(tr("Less &memory"), m_recompute);
    m_body->setLayout(m_form);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm / 2);
    column->addWidget(m_fold);
    column->addWidget(m_body);
    showReplayRow();
}

void TuningExtras::connectFields() {
    connect(m_fold, &QToolButton::toggled, this, &TuningExtras::fold);
    connect(m_choose, &QToolButton::clicked, this, &TuningExtras::chooseText);
    for (const QLineEdit* edit : {m_pull, m_text}) {
        connect(edit, &QLineEdit::textEdited, this, &TuningExtras::edited);
        connect(edit, &QLineEdit::editingFinished, this, &TuningExtras::settled);
    }
    connect(m_recompute, &QCheckBox::clicked, this, [this] {
        Q_EMIT edited();
        Q_EMIT settled();
    });
    for (const Amount* one : {&m_head, &m_replay, &m_keep})
        connect(one->box, &QDoubleSpinBox::valueChanged, this, [this] {
            showReplayRow();
            Q_EMIT edited();
            Q_EMIT settled();
        });
}

void TuningExtras::fold(bool open) {
    m_fold->setArrowType(open ? Qt::DownArrow : Qt::RightArrow);
    m_body->setVisible(open);
}

void TuningExtras::showReplayRow() {
    m_form->setRowVisible(m_textRow, m_replay.box->value() > 0);
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
    const Json training = settings.is_object() ? settings.value("training", Json::object()) : Json::object();
    m_storedPull = number(training, "l2_to_start");
    if (pullOf(m_pull->text()) != m_storedPull)
        m_pull->setText(m_storedPull > 0 ? QString::number(m_storedPull, 'g', QLocale::FloatingPointShortest) : QString());
    m_head.show(number(training, "head_share"));
    m_replay.show(number(training, "replay_share"));
    m_keep.show(number(settings, "keep_bytes"));
    const auto file = settings.is_object() ? settings.find("replay") : settings.end();
    const bool named = settings.is_object() && file != settings.end() && file->is_string();
    if (const QString text = named ? toQString(file->get<std::string>()) : QString(); text != m_text->text())
        m_text->setText(text);
    const bool recomputes = settings.is_object() && settings.value("recompute_activations", Json()) == true;
    m_recompute->setChecked(recomputes);
    showReplayRow();
    if (recomputes || m_storedPull > 0 || m_head.stored > 0 || m_replay.stored > 0 || m_keep.stored > 0)
        m_fold->setChecked(true);
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
    put(training, "replay_tokens", training.value("replay_tokens", Json(kUsualReplayTokens)), replays);
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
