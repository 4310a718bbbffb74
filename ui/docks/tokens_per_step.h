// SPDX-License-Identifier: GPL-3.0-or-later
// Asks, once for each series, how many tokens a step of pretraining has: a line below the tree with a field and what
// the files tell towards the answer.
#pragma once

#include <QSet>
#include <QWidget>

#include "ui/data/study_session.h"

class QLabel;
class QLineEdit;
class QPushButton;

namespace crest::ui {

class TokensPerStep : public QWidget {
    Q_OBJECT
public:
    explicit TokensPerStep(StudySession& session, QWidget* parent = nullptr);

    /// Asks for this series, with the number that it has now.
    void askFor(const QString& series);
    /// The series that is asked about, "" where none is.
    QString series() const;

private:
    /// Asks for the first series that needs it and was not put off.
    void askWhereNeeded();
    void accept();
    void putOff();

    StudySession& m_session;
    QString m_series;
    QSet<QString> m_putOff;
    QLabel *m_question, *m_hints;
    QLineEdit* m_field;
    QPushButton *m_use, *m_later;
};

} // namespace crest::ui
