// SPDX-License-Identifier: GPL-3.0-or-later
// A slider over the shares of an interpolation that were measured: from all of them together to one beside the base.
#pragma once

#include <QLabel>
#include <QSlider>
#include <QStringList>
#include <QWidget>

namespace crest::ui {

class ShareSlider : public QWidget {
    Q_OBJECT
public:
    explicit ShareSlider(const QString& name, QWidget* parent = nullptr);

    /// Ascending; the slider stands at all of them where they are others than before.
    void setShares(const QStringList& labels);
    /// Index of the share that is looked at alone; -1: all.
    int chosen() const { return m_slider->value() - 1; }
    QSlider* slider() const { return m_slider; }

Q_SIGNALS:
    /// By the user, or because the shares are others.
    void chosenChanged();

private:
    void showChosen();

    QStringList m_labels;
    QSlider* m_slider;
    QLabel* m_text;
};

} // namespace crest::ui
