// SPDX-License-Identifier: GPL-3.0-or-later
// Offers to go on with a run that nobody works on, in the message bar: nothing is started without a click. Closed, the offer
// comes back when the study is opened again, when the run is chosen in Runs, or when it is cut short once more.
#pragma once

#include <QObject>
#include <QString>

#include "ui/data/study_session.h"

namespace crest::ui {

class MessageBar;

class ContinueOffer : public QObject {
    Q_OBJECT
public:
    ContinueOffer(StudySession& session, MessageBar& bar, QObject* parent);

private:
    struct Offer {
        QString run;              ///< "" for none
        std::size_t runners = 0;  ///< that the run has had: one more, and it was cut short again
        bool operator==(const Offer&) const = default;
    };
    const study::RunStatus* unattended() const;
    bool isShown() const;
    void update();
    void show(const study::RunStatus& run);
    void forget();

    StudySession& m_session;
    MessageBar& m_bar;
    Offer m_shown, m_closed, m_waiting;
    QString m_text;      ///< of the offer that is shown
    QString m_chosenRun; ///< in Runs, as of the last look
};

} // namespace crest::ui
