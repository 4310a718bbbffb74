// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/share_slider.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QSignalBlocker>

#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kStopWidth = 3 * kRhythm, kLeastWidth = 10 * kRhythm, kMostWidth = 24 * kRhythm;

} // namespace

ShareSlider::ShareSlider(const QString& name, QWidget* parent)
    : QWidget(parent)
    , m_slider(new QSlider(Qt::Horizontal))
    , m_text(new QLabel) {
    setAccessibleName(name);
    m_slider->setAccessibleName(name);
    m_slider->setToolTip(tr("From all shares to one alone: drag from the checkpoint to its tuned weights"));
    m_slider->setTickPosition(QSlider::TicksBelow);
    m_slider->setTickInterval(1);
    m_slider->setPageStep(1);
    m_slider->setRange(0, 0);
    setFocusProxy(m_slider);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(kRhythm);
    row->addWidget(m_slider);
    row->addWidget(m_text);
    connect(m_slider, &QSlider::valueChanged, this, [this] {
        showChosen();
        Q_EMIT chosenChanged();
    });
    showChosen();
}

void ShareSlider::setShares(const QStringList& labels) {
    if (labels == m_labels)
        return;
    m_labels = labels;
    {
        const QSignalBlocker blocked(m_slider);
        m_slider->setRange(0, static_cast<int>(labels.size()));
        m_slider->setValue(0);
    }
    m_slider->setFixedWidth(std::clamp(kStopWidth * static_cast<int>(labels.size()), kLeastWidth, kMostWidth));
    int widest = fontMetrics().horizontalAdvance(tr("all"));
    for (const QString& label : labels)
        widest = std::max(widest, fontMetrics().horizontalAdvance(label));
    m_text->setFixedWidth(widest); // does not jump while the slider moves
    showChosen();
    Q_EMIT chosenChanged();
}

void ShareSlider::showChosen() {
    m_text->setText(chosen() < 0 ? tr("all") : m_labels.at(chosen()));
}

} // namespace crest::ui
