// SPDX-License-Identifier: GPL-3.0-or-later
// One line of text that says by "…" that there is more of it than its place shows; text() stays whole.
#pragma once

#include <QLabel>

class QPaintEvent;

namespace crest::ui {

class ElidedLabel : public QLabel {
public:
    using QLabel::QLabel;

protected:
    void paintEvent(QPaintEvent* event) override;
};

} // namespace crest::ui
