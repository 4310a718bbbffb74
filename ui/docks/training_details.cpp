// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/training_details.h"

#include <algorithm>

#include <QComboBox>
#include <QSpinBox>

#include "core/train/fine_tune_settings.h"
#include "ui/data/format.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"

namespace crest::ui {
namespace {

constexpr int kMostSteps = 1'000'000'000;
constexpr double kUsualStateSeconds = -1; ///< as the runner thinks best

void choose(QComboBox* box, const Json& training, const char* key) {
    const auto at = training.find(key);
    const int found = at != training.end() && at->is_string() ? box->findData(toQString(at->get<std::string>())) : -1;
    box->setCurrentIndex(std::max(0, found));
}

std::string chosen(const QComboBox* box) {
    return box->currentData().toString().toStdString();
}

/// The settings apart from those of other rows, to see whether they are the usual ones.
bool hasUsualDetails(const Json& settings) {
    const Json training = trainingIn(settings), usual = train::toJson(train::FineTuneSettings{});
    for (const char* key : {"max_steps", "schedule", "warmup_share", "weight_decay", "clip_norm"})
        if (training.contains(key) && training[key] != usual[key])
            return false;
    const train::FineTuneSettings lora;
    return numberIn(training, "lora_alpha", lora.loraAlpha) == lora.loraAlpha &&
           training.value("lora_matrices", Json("all")) == "all" && !settings.contains("state_seconds");
}

} // namespace

TrainingDetails::TrainingDetails(QWidget* parent)
    : FoldedRows(tr("More: steps, schedule, decay"),
                 tr("How long a training is, how its rate rises and falls, weight decay, clipping, how often its state is saved"), parent)
    , m_steps(new WholeBox)
    , m_schedule(new QComboBox)
    , m_loraMatrices(new QComboBox) {
    setupFields();
    setupRows();
}

void TrainingDetails::setupFields() {
    m_steps->setRange(0, kMostSteps);
    m_steps->setSpecialValueText(tr("as epochs say"));
    m_steps->setAlignment(Qt::AlignRight);
    m_steps->setKeyboardTracking(false);
    m_steps->setAccessibleName(tr("Optimiser steps"));
    m_steps->setToolTip(tr("So many optimiser steps instead of epochs; the data are gone through as often as that takes"));
    m_schedule->addItem(tr("linear to zero"), QStringLiteral("linear"));
    m_schedule->addItem(tr("cosine to zero"), QStringLiteral("cosine"));
    m_schedule->addItem(tr("constant"), QStringLiteral("constant"));
    m_schedule->setAccessibleName(tr("Schedule of the learning rate"));
    m_schedule->setToolTip(tr("How the learning rate goes on after the warm-up"));
    m_warmup = {amountBox(0, 100, 2, tr(" %"), tr("none")), 0.01, 0, 0};
    m_warmup.box->setAccessibleName(tr("Warm-up"));
    m_warmup.box->setToolTip(tr("Share of the steps, at first, in which the learning rate rises to its peak"));
    m_decay = {amountBox(0, 10, 6, {}, tr("none")), 1, 0, 0};
    m_decay.box->setSingleStep(0.01);
    m_decay.box->setAccessibleName(tr("Weight decay"));
    m_decay.box->setToolTip(tr("Each step also takes this times the learning rate off every weight (AdamW's decoupled decay), such as 0.01"));
    m_clip = {amountBox(0, 1e6, 4, {}, tr("never")), 1, 0, 0};
    m_clip.box->setSingleStep(0.5);
    m_clip.box->setAccessibleName(tr("Norm that gradients are clipped to"));
    m_clip.box->setToolTip(tr("A step's gradient of a larger norm is scaled down to this one"));
    m_loraAlpha = {amountBox(0, 1e6, 6, {}, {}), 1, 0, 0};
    m_loraAlpha.box->setMinimum(1e-6);
    m_loraAlpha.box->setAccessibleName(tr("Alpha of LoRA"));
    m_loraAlpha.box->setToolTip(tr("Adapters count alpha / rank times"));
    m_loraMatrices->addItem(tr("all matrices"), QStringLiteral("all"));
    m_loraMatrices->addItem(tr("attention"), QStringLiteral("attention"));
    m_loraMatrices->addItem(tr("MLP"), QStringLiteral("mlp"));
    m_loraMatrices->setAccessibleName(tr("Matrices with an adapter"));
    m_loraMatrices->setToolTip(tr("Which matrices of the blocks get a low-rank adapter"));
    m_stateSeconds = {amountBox(kUsualStateSeconds, 1e6, 1, tr(" s"), tr("as usual")), 1, kUsualStateSeconds, kUsualStateSeconds};
    m_stateSeconds.box->setAccessibleName(tr("Seconds between saved states"));
    m_stateSeconds.box->setToolTip(tr("A training that was killed goes on from its last saved state. As usual: every 30 s, or less often where saving "
                                      "would cost above 1 % of the time. 0: after every step."));
}

void TrainingDetails::setupRows() {
    rows()->addRow(tr("S&teps"), m_steps);
    rows()->addRow(tr("Sched&ule"), m_schedule);
    rows()->addRow(tr("&Warm-up"), m_warmup.box);
    rows()->addRow(tr("Weight decay"), m_decay.box);
    rows()->addRow(tr("Clip at norm"), m_clip.box);
    rows()->addRow(tr("LoRA alpha"), m_loraAlpha.box);
    rows()->addRow(tr("LoRA of"), m_loraMatrices);
    rows()->addRow(tr("Save every"), m_stateSeconds.box);
    connect(m_steps, &QSpinBox::valueChanged, this, &TrainingDetails::edited);
    for (const QComboBox* box : {m_schedule, m_loraMatrices})
        connect(box, &QComboBox::activated, this, &TrainingDetails::edited);
    for (const StoredAmount* one : {&m_warmup, &m_decay, &m_clip, &m_loraAlpha})
        connect(one->box, &QDoubleSpinBox::valueChanged, this, &TrainingDetails::edited);
    connect(m_stateSeconds.box, &QDoubleSpinBox::valueChanged, this, [this](double seconds) {
        if (seconds < 0 && seconds != kUsualStateSeconds)
            m_stateSeconds.box->setValue(kUsualStateSeconds); // what it means is what stands there
        else
            Q_EMIT edited();
    });
    m_loraAlpha.show(train::FineTuneSettings().loraAlpha);
    showSettings(Json::object());
}

void TrainingDetails::showLoraRows(bool hasAdapters) {
    rows()->setRowVisible(m_loraAlpha.box, hasAdapters);
    rows()->setRowVisible(m_loraMatrices, hasAdapters);
}

void TrainingDetails::showSettings(const Json& settings) {
    if (settings == m_settings)
        return; // what is half typed stays
    m_settings = settings;
    const Json training = trainingIn(settings);
    const train::FineTuneSettings usual;
    showNumber(m_steps, static_cast<int>(std::clamp(numberIn(training, "max_steps"), 0.0, double(kMostSteps))));
    choose(m_schedule, training, "schedule");
    m_warmup.show(numberIn(training, "warmup_share", usual.warmupShare));
    m_decay.show(numberIn(training, "weight_decay", usual.weightDecay));
    m_clip.show(numberIn(training, "clip_norm", usual.clipNorm));
    m_stateSeconds.show(numberIn(settings, "state_seconds", kUsualStateSeconds));
    const bool hasAdapters = numberIn(training, "lora_rank") > 0;
    // Without adapters nothing is said of them: what was chosen stays, for when the rank comes back.
    if (hasAdapters || training.contains("lora_alpha"))
        m_loraAlpha.show(numberIn(training, "lora_alpha", usual.loraAlpha));
    if (hasAdapters || training.contains("lora_matrices"))
        choose(m_loraMatrices, training, "lora_matrices");
    showLoraRows(hasAdapters);
    if (!hasUsualDetails(settings))
        unfold();
}

void TrainingDetails::takeInto(Json& settings) const {
    Json& training = settings["training"];
    training["max_steps"] = m_steps->value();
    training["schedule"] = chosen(m_schedule);
    training["warmup_share"] = m_warmup.value();
    training["weight_decay"] = m_decay.value();
    training["clip_norm"] = m_clip.value();
    training["lora_alpha"] = m_loraAlpha.value();
    training["lora_matrices"] = chosen(m_loraMatrices);
    if (m_stateSeconds.value() >= 0)
        settings["state_seconds"] = m_stateSeconds.value();
    else
        settings.erase("state_seconds");
}

int TrainingDetails::steps() const {
    return m_steps->value();
}

QString TrainingDetails::scheduleWords() const {
    return m_schedule->currentText();
}

} // namespace crest::ui
