// SPDX-License-Identifier: GPL-3.0-or-later
// A list of gammas as one line: numbers with blanks or commas between them, checked while typing.
#pragma once

#include <vector>

#include <QLineEdit>

namespace crest::ui {

struct GammaList {
    std::vector<double> values; ///< ascending, each once
    QString problem;            ///< "" where the text is a list of gammas
};
/// Decimal points whatever the locale. Each gamma must lie in (0, 10].
GammaList parseGammas(const QString& text);
QString gammasText(const std::vector<double>& gammas);

class GammaEdit : public QLineEdit {
    Q_OBJECT
public:
    explicit GammaEdit(QWidget* parent = nullptr);
    void setGammas(const std::vector<double>& gammas);
    /// Of the text as it stands.
    GammaList gammas() const { return parseGammas(text()); }

Q_SIGNALS:
    /// The user has changed the text, which may be no list yet. editingFinished() follows when it stands.
    void gammasEdited();
};

} // namespace crest::ui
