// SPDX-License-Identifier: GPL-3.0-or-later
// Below the learning rates of the probe dock: finer ones around each checkpoint's best, how many there are, and without them again.
#pragma once

#include <QWidget>

#include "core/study/types.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace crest::ui {

class FinerRatesRow : public QWidget {
    Q_OBJECT
public:
    explicit FinerRatesRow(QWidget* parent = nullptr);

    /// What a probe has of them.
    void showProbe(const study::Probe& probe);
    /// Whether they can be asked for: the rates that there are have been measured.
    void setReady(bool ready);
    /// Why there are none, a sentence; stays until the probe changes.
    void setProblem(const QString& problem);

Q_SIGNALS:
    void asked();
    void removed();

private:
    void showText();

    QPushButton* m_ask;
    QToolButton* m_remove;
    QLabel* m_text;
    study::Probe m_probe; ///< as last shown
    QString m_problem;
};

} // namespace crest::ui
