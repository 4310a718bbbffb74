// SPDX-License-Identifier: GPL-3.0-or-later
// A list of strengths as one line: numbers with blanks or commas between them, checked while typing.
#pragma once

#include <vector>

#include <QLineEdit>

#include "core/study/probe_kind.h"

namespace crest::ui {

struct StrengthList {
    std::vector<double> values; ///< ascending, each once
    QString problem;            ///< "" where the text is a list of strengths
};
/// Decimal points whatever the locale. Each must lie in the range of the kind.
StrengthList parseStrengths(const QString& text, const study::ProbeKind& kind);
QString strengthsText(const std::vector<double>& strengths);

class StrengthEdit : public QLineEdit {
    Q_OBJECT
public:
    explicit StrengthEdit(QWidget* parent = nullptr);
    /// What the numbers are, noise at first, with its tip.
    void setKind(const study::ProbeKind& kind);
    /// Shown below the list, of which a narrow line has the front only.
    void setTip(const QString& tip);
    void setStrengths(const std::vector<double>& strengths);
    /// Of the text as it stands.
    StrengthList strengths() const { return parseStrengths(text(), *m_kind); }

Q_SIGNALS:
    /// The user has changed the text, which may be no list yet. editingFinished() follows when it stands.
    void strengthsEdited();

private:
    void showTip();

    const study::ProbeKind* m_kind;
    QString m_tip;
};

} // namespace crest::ui
