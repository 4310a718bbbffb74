// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/log_slider.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QLocale>
#include <QSignalBlocker>

#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kStepsPerDecade = 40, kFieldWidth = 9 * kRhythm, kDigits = 3, kShownDigits = 6;

QString numberText(double value) {
    return toQString(formatNumber(value, kShownDigits));
}

} // namespace

LogSlider::LogSlider(const QString& name, const LogRange& range, QWidget* parent)
    : QWidget(parent)
    , m_range(range)
    , m_slider(new QSlider(Qt::Horizontal))
    , m_field(new QLineEdit) {
    setAccessibleName(name);
    m_slider->setAccessibleName(name);
    m_field->setAccessibleName(tr("%1, exact").arg(name));
    m_slider->setRange(0, static_cast<int>(std::lround(std::log10(range.high / range.low) * kStepsPerDecade)));
    m_slider->setPageStep(10);
    m_field->setFixedWidth(kFieldWidth);
    m_field->setAlignment(Qt::AlignRight);
    setFocusProxy(m_slider);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(kRhythm);
    row->addWidget(m_slider, 1);
    row->addWidget(m_field);
    connect(m_slider, &QSlider::valueChanged, this, [this](int step) {
        m_value = valueOf(step);
        showValue();
        Q_EMIT refused({});
        Q_EMIT valueEdited(m_value);
    });
    connect(m_field, &QLineEdit::editingFinished, this, &LogSlider::typed);
    setValue(range.low);
}

void LogSlider::setValue(double value) {
    m_value = std::clamp(value, m_range.low, m_range.high);
    const QSignalBlocker blocked(m_slider);
    m_slider->setValue(stepOf(m_value));
    showValue();
}

int LogSlider::stepOf(double value) const {
    return static_cast<int>(std::lround(std::log10(value / m_range.low) * kStepsPerDecade));
}

/// To three digits, so that the number shown is the number used.
double LogSlider::valueOf(int step) const {
    const double exact = m_range.low * std::pow(10.0, static_cast<double>(step) / kStepsPerDecade);
    const double power = std::pow(10.0, std::floor(std::log10(exact)) - (kDigits - 1));
    const double rounded = std::clamp(std::round(exact / power) * power, m_range.low, m_range.high);
    return m_range.whole ? std::round(rounded) : QLocale::c().toDouble(toQString(formatNumber(rounded, kDigits)));
}

void LogSlider::typed() {
    bool isNumber = false;
    const double typed = QLocale::c().toDouble(m_field->text().trimmed(), &isNumber);
    const bool good = isNumber && typed >= m_range.low && typed <= m_range.high && (!m_range.whole || typed == std::round(typed));
    const QString form = m_range.whole ? tr("%1: a whole number from %2 to %3, not \"%4\".") : tr("%1: a number from %2 to %3, not \"%4\".");
    Q_EMIT refused(good ? QString()
                        : form.arg(accessibleName(), numberText(m_range.low), numberText(m_range.high), m_field->text().trimmed()));
    if (!good || typed == m_value)
        return showValue();
    setValue(typed);
    Q_EMIT valueEdited(m_value);
}

void LogSlider::showValue() {
    m_field->setText(numberText(m_value));
    m_field->setToolTip(tr("%1 to %2").arg(numberText(m_range.low), numberText(m_range.high)));
}

} // namespace crest::ui
