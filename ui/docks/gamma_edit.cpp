// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/gamma_edit.h"

#include <algorithm>

#include <QLocale>
#include <QRegularExpression>

#include "ui/data/format.h"

namespace crest::ui {

GammaList parseGammas(const QString& text) {
    GammaList list;
    static const QRegularExpression kBetween(QStringLiteral("[\\s,;]+"));
    for (const QString& word : text.split(kBetween, Qt::SkipEmptyParts)) {
        bool isNumber = false;
        const double gamma = QLocale::c().toDouble(word, &isNumber);
        if (!isNumber)
            return {{}, QObject::tr("\"%1\" is not a number. Write gammas as 0.05 0.1 0.2.").arg(word)};
        if (!(gamma > 0 && gamma <= 10))
            return {{}, QObject::tr("Gamma %1 is out of range: it must be above 0 and at most 10.").arg(word)};
        list.values.push_back(gamma);
    }
    if (list.values.empty())
        return {{}, QObject::tr("Give at least one gamma, for instance 0.1.")};
    std::sort(list.values.begin(), list.values.end());
    list.values.erase(std::unique(list.values.begin(), list.values.end()), list.values.end());
    return list;
}

QString gammasText(const std::vector<double>& gammas) {
    QStringList words;
    for (const double gamma : gammas)
        words << QLocale::c().toString(gamma, 'g', QLocale::FloatingPointShortest);
    return words.join(u' ');
}

GammaEdit::GammaEdit(QWidget* parent)
    : QLineEdit(parent) {
    setAccessibleName(tr("Gammas"));
    setToolTip(tr("Strengths of the noise, with blanks between them"));
    connect(this, &QLineEdit::textEdited, this, &GammaEdit::gammasEdited);
    connect(this, &QLineEdit::editingFinished, this, [this] {
        if (const GammaList list = gammas(); list.problem.isEmpty())
            setGammas(list.values); // in order, each once
    });
}

void GammaEdit::setGammas(const std::vector<double>& gammas) {
    if (const QString wanted = gammasText(gammas); wanted != text())
        setText(wanted);
}

} // namespace crest::ui
