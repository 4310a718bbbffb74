// SPDX-License-Identifier: GPL-3.0-or-later
// A session of a test, with what it said, waited for.
#pragma once

#include <optional>
#include <utility>

#include <QSignalSpy>

#include "tests/ui/data/session_fixture.h"

namespace crest::test {

inline constexpr int kWaitMs = 30000;

/// A session with what it said.
struct Session {
    explicit Session(ui::SaveStudy save = {})
        : session(nullptr, std::move(save)) {}
    ui::StudySession session;
    QSignalSpy opened{&session, &ui::StudySession::opened}, failed{&session, &ui::StudySession::failed},
        scanned{&session, &ui::StudySession::seriesChanged};

    bool open(const QString& folder) {
        session.open(folder);
        return QTest::qWaitFor([&] { return scanned.count() > 0 || failed.count() > 0; }, kWaitMs) &&
               scanned.count() > 0;
    }
    QString failure() {
        (void)QTest::qWaitFor([&] { return failed.count() > 0 || opened.count() > 0; }, kWaitMs);
        return failed.isEmpty() ? QString() : failed.takeFirst().at(0).toString();
    }
    std::optional<study::Plan> plan(const study::Probe& probe) {
        ui::PlanPreview preview;
        QObject scope;
        QObject::connect(&session, &ui::StudySession::planReady, &scope,
                         [&](const ui::PlanPreview& ready) { preview = ready; });
        const quint64 number = session.requestPlan(probe);
        (void)QTest::qWaitFor([&] { return preview.request == number; }, kWaitMs);
        problem = preview.problem;
        return preview.plan;
    }
    study::RunState state() const {
        return session.runs().empty() ? study::RunState::Queued : session.runs().back().state;
    }
    bool reaches(study::RunState wanted) {
        return QTest::qWaitFor([&] { return !session.runs().empty() && state() == wanted; }, kWaitMs);
    }
    QString problem;
};

/// A session on the fixture's series with one task.
inline bool openWithTask(Session& one, const SessionFixture& fixture) {
    if (!one.open(fixture.series))
        return false;
    one.session.addTask(fixture.task("heldout"));
    return true;
}

/// The same, with its probe run to the end.
inline bool openAndMeasure(Session& one, const SessionFixture& fixture) {
    if (!openWithTask(one, fixture))
        return false;
    const auto plan = one.plan(fixture.probe(one.session));
    if (!plan)
        return false;
    one.session.run(*plan);
    return one.reaches(study::RunState::Done);
}

} // namespace crest::test
