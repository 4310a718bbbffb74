// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/strength_edit.h"

#include <algorithm>
#include <cmath>

#include <QLocale>
#include <QRegularExpression>

#include "ui/data/format.h"

namespace crest::ui {
namespace {

QString capitalised(const char* words) {
    QString text = QString::fromUtf8(words);
    text[0] = text[0].toUpper();
    return text;
}

/// A few usual ones.
QString examples(const study::ProbeKind& kind) {
    const std::string_view id = kind.id;
    return id == study::kQuantisation ? QStringLiteral("3 4 8")
           : id == study::kPruning    ? QStringLiteral("0.1 0.3 0.5")
           : id == study::kInterpolation ? QStringLiteral("0.25 0.5 1")
           : id == study::kFineTuning ? QStringLiteral("0.0001 0.0003 0.001")
                                      : QStringLiteral("0.05 0.1 0.2");
}

QString rangeText(const study::ProbeKind& kind) {
    if (kind.whole)
        return QObject::tr("a whole number from %1 to %2").arg(kind.least).arg(kind.most);
    return kind.most < 1 ? QObject::tr("between 0 and 1") : QObject::tr("above 0 and at most %1").arg(kind.most);
}

} // namespace

StrengthList parseStrengths(const QString& text, const study::ProbeKind& kind) {
    StrengthList list;
    static const QRegularExpression kBetween(QStringLiteral("[\\s,;()\\[\\]]+")); // a list of Python's can be pasted
    for (const QString& word : text.split(kBetween, Qt::SkipEmptyParts)) {
        bool isNumber = false;
        const double value = QLocale::c().toDouble(word, &isNumber);
        if (!isNumber)
            return {{}, QObject::tr("\"%1\" is not a number. Write %2 as %3.")
                            .arg(word, QString::fromUtf8(kind.strengths), examples(kind))};
        if (!(value >= kind.least && value <= kind.most) || (kind.whole && value != std::floor(value)))
            return {{}, QObject::tr("%1 %2 is out of range: it must be %3.")
                            .arg(capitalised(kind.strength), word, rangeText(kind)) +
                            (value == 0 && text.contains(u',') ? QObject::tr(" A decimal is written with a point: 0.1.") : QString())};
        list.values.push_back(value);
    }
    if (list.values.empty())
        return {{}, QObject::tr("Give at least one %1, for instance %2.")
                        .arg(QString::fromUtf8(kind.strength), examples(kind).section(u' ', 1, 1))};
    std::sort(list.values.begin(), list.values.end());
    list.values.erase(std::unique(list.values.begin(), list.values.end()), list.values.end());
    return list;
}

QString strengthsText(const std::vector<double>& strengths) {
    QStringList words;
    for (const double value : strengths)
        words << QLocale::c().toString(value, 'g', QLocale::FloatingPointShortest);
    return words.join(u' ');
}

StrengthEdit::StrengthEdit(QWidget* parent)
    : QLineEdit(parent) {
    setKind(study::probeKind(study::kGaussianNoise));
    connect(this, &QLineEdit::textEdited, this, &StrengthEdit::strengthsEdited);
    connect(this, &QLineEdit::textChanged, this, &StrengthEdit::showTip);
    connect(this, &QLineEdit::editingFinished, this, [this] {
        if (const StrengthList list = strengths(); list.problem.isEmpty())
            setStrengths(list.values); // in order, each once
    });
}

void StrengthEdit::setKind(const study::ProbeKind& kind) {
    m_kind = &kind;
    setAccessibleName(capitalised(kind.strengths));
    setTip(tr("%1, with blanks between them, for instance %2").arg(capitalised(kind.strengths), examples(kind)));
}

void StrengthEdit::setTip(const QString& tip) {
    m_tip = tip;
    showTip();
}

void StrengthEdit::showTip() {
    setToolTip(text().trimmed().isEmpty() ? m_tip : text() + u'\n' + m_tip);
}

void StrengthEdit::setStrengths(const std::vector<double>& strengths) {
    if (const QString wanted = strengthsText(strengths); wanted != text())
        setText(wanted);
    if (!hasFocus())
        home(false); // a long list is shown from its first number
}

} // namespace crest::ui
