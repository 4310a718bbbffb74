// SPDX-License-Identifier: GPL-3.0-or-later
// How long the examples of fine-tuning data are: a histogram in tokens, with the longest that is kept whole.
#pragma once

#include <QWidget>

#include "core/data/tuning_data.h"

namespace crest::ui {

class LengthBars : public QWidget {
    Q_OBJECT
public:
    explicit LengthBars(QWidget* parent = nullptr);

    /// `most`: longer examples are cut or left out.
    void setLengths(const data::LengthHistogram& lengths, std::int64_t most);
    QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QRectF plot() const;
    double placeOf(double tokens) const;
    QString limitText() const;
    QRectF limit() const;
    void paintLimit(QPainter& painter) const;

    data::LengthHistogram m_lengths;
    std::int64_t m_most = 0;
};

} // namespace crest::ui
