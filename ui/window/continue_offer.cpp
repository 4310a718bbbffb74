// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/continue_offer.h"

#include <utility>

#include "ui/data/format.h"
#include "ui/window/message_bar.h"

namespace crest::ui {

ContinueOffer::ContinueOffer(StudySession& session, MessageBar& bar, QObject* parent)
    : QObject(parent)
    , m_session(session)
    , m_bar(bar) {
    connect(&m_session, &StudySession::opened, this, &ContinueOffer::forget);
    connect(&m_session, &StudySession::closed, this, &ContinueOffer::forget);
    connect(&m_session, &StudySession::runsChanged, this, &ContinueOffer::update);
    connect(&m_bar, &MessageBar::closed, this, [this](const QString& message) {
        if (message == m_text)
            m_closed = m_shown;
        update(); // another message may have stood before it
    });
    connect(&m_bar, &MessageBar::actionAsked, this, [this] { m_session.resume(m_shown.run); });
}

void ContinueOffer::forget() {
    if (isShown())
        m_bar.hide();
    m_shown = m_closed = m_waiting = {};
    m_text.clear();
    m_chosenRun.clear();
}

bool ContinueOffer::isShown() const {
    return !m_text.isEmpty() && m_bar.message() == m_text;
}

/// The newest.
const study::RunStatus* ContinueOffer::unattended() const {
    if (!m_session.writable())
        return nullptr;
    const auto& runs = m_session.runs();
    for (auto run = runs.rbegin(); run != runs.rend(); ++run)
        if (m_session.isUnattended(*run))
            return &*run;
    return nullptr;
}

void ContinueOffer::update() {
    const study::RunStatus* run = unattended();
    const Offer offer = run ? Offer{toQString(run->id), run->writers.size()} : Offer{};
    if (std::exchange(m_chosenRun, m_session.shownRun()) != m_session.shownRun() && m_chosenRun == m_closed.run)
        m_closed = {};
    if (isShown() && m_shown != offer) // taken up, or over
        m_bar.hide();
    // One that was just queued has its runner within a moment.
    const bool isSettled = !run || run->state != study::RunState::Queued || std::exchange(m_waiting, offer) == offer;
    if (run && isSettled && offer != m_closed && m_bar.message().isEmpty()) {
        m_shown = offer;
        show(*run);
    }
}

void ContinueOffer::show(const study::RunStatus& run) {
    const bool isCut = run.state == study::RunState::Interrupted;
    const QString stored = tr("%1 of %2 are done and kept").arg(run.doneCells).arg(countText(run.totalCells, "cell"));
    m_text = isCut ? tr("A run was cut short (%1): %2.").arg(runText(run.id), stored)
                   : tr("A run waits, and nobody works on it (%1): %2.").arg(runText(run.id), stored);
    if (m_session.shownRun().isEmpty()) // a study that was just opened shows it; later nothing is taken from the eyes
        m_session.showRun(toQString(run.id));
    m_chosenRun = m_session.shownRun();
    m_bar.showMessage(m_text, isCut ? tr("Continue with the rest") : tr("Start it"));
}

} // namespace crest::ui
