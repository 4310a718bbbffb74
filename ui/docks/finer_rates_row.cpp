// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/finer_rates_row.h"

#include <set>

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "core/study/finer_rates.h"
#include "ui/data/format.h"
#include "ui/docks/strength_edit.h"
#include "ui/window/theme.h"

namespace crest::ui {

FinerRatesRow::FinerRatesRow(QWidget* parent)
    : QWidget(parent)
    , m_ask(new QPushButton(tr("Fi&ner around the best")))
    , m_remove(new QToolButton)
    , m_text(new QLabel) {
    m_remove->setText(QStringLiteral("\u00d7")); // the dock is narrow
    m_remove->setAutoRaise(true);
    m_remove->setToolTip(tr("Takes the finer rates out of the probe again; their results stay"));
    m_remove->setAccessibleName(tr("Without finer rates"));
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.9);
    m_text->setFont(small);
    m_text->setForegroundRole(QPalette::PlaceholderText);
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(kRhythm / 2);
    buttons->addWidget(m_ask, 1);
    buttons->addWidget(m_remove);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm / 2);
    column->addLayout(buttons);
    column->addWidget(m_text);
    connect(m_ask, &QPushButton::clicked, this, &FinerRatesRow::asked);
    connect(m_remove, &QToolButton::clicked, this, &FinerRatesRow::removed);
    setReady(false);
    showText();
}

void FinerRatesRow::showProbe(const study::Probe& probe) {
    if (probe == m_probe)
        return;
    m_probe = probe;
    m_problem.clear();
    showText();
}

void FinerRatesRow::setReady(bool ready) {
    m_ask->setEnabled(ready);
    m_ask->setToolTip(ready ? tr("Adds, for each checkpoint, a learning rate on each side of the one that is best in ID; where that is the "
                                 "smallest or largest, the grid goes on. Again: finer still.")
                            : tr("Once these rates have been measured"));
}

void FinerRatesRow::setProblem(const QString& problem) {
    m_problem = problem;
    showText();
}

void FinerRatesRow::showText() {
    const study::FinerRates finer = study::finerRatesOf(m_probe);
    qsizetype count = 0;
    std::set<double> each;
    for (const auto& [weights, rates] : finer) {
        count += static_cast<qsizetype>(rates.size());
        each.insert(rates.begin(), rates.end());
    }
    QString text = m_problem;
    if (text.isEmpty() && count > 0)
        text = tr("and %1 finer at %2").arg(count).arg(countText(finer.size(), "checkpoint"));
    m_text->setText(text);
    m_text->setToolTip(each.empty() ? QString() : tr("Learning rates %1").arg(strengthsText({each.begin(), each.end()})));
    m_text->setVisible(!text.isEmpty());
    m_remove->setVisible(count > 0);
}

} // namespace crest::ui
