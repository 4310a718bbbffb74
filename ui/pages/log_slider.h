// SPDX-License-Identifier: GPL-3.0-or-later
// A slider whose steps are equal factors, with the exact number beside it.
#pragma once

#include <QLineEdit>
#include <QSlider>
#include <QWidget>

namespace crest::ui {

struct LogRange {
    double low = 0.01, high = 1; ///< > 0
    bool whole = false;          ///< counts
};

/// Slider: 40 steps a decade, arrow keys one step, Page keys ten. Field: any number of the range, taken on Return or when it is left; what is no such
/// number is put back, and refused() says why. The slider keeps the nearest step and never changes a typed number by itself.
class LogSlider : public QWidget {
    Q_OBJECT
public:
    LogSlider(const QString& name, const LogRange& range, QWidget* parent = nullptr);

    double value() const { return m_value; }
    /// Emits nothing.
    void setValue(double value);
    QSlider* slider() const { return m_slider; }
    QLineEdit* field() const { return m_field; }

Q_SIGNALS:
    void valueEdited(double value);
    /// A sentence, with the slider's name; "" when a number was taken.
    void refused(const QString& why);

private:
    int stepOf(double value) const;
    double valueOf(int step) const;
    void typed();
    void showValue();

    LogRange m_range;
    double m_value = 1;
    QSlider* m_slider;
    QLineEdit* m_field;
};

} // namespace crest::ui
