// SPDX-License-Identifier: GPL-3.0-or-later
// Series and checkpoints that moved, found again by their content.
#include "tests/ui/data/open_session.h"
#include "ui/data/format.h"

using namespace crest;
using namespace crest::ui;
using namespace crest::test;

class TestLocatedSeries : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void aMovedSeriesIsLocatedByItsContent() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openAndMeasure(one, fixture));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-1M")) > 0);
        const int before = one.session.measuredResults(QStringLiteral("series/tokens-1M"));
        const QString moved = fixture.dir.filePath(QStringLiteral("elsewhere/moved"));
        QDir().mkpath(fixture.dir.filePath(QStringLiteral("elsewhere")));
        QVERIFY(QDir().rename(fixture.series, moved));
        one.session.rescan();
        QTRY_VERIFY(one.session.series().at(0).checkpoints.empty()); // its row stays
        QCOMPARE(one.session.issues().size(), 1u);
        QVERIFY(one.session.issues()[0].message.contains(QStringLiteral("Locate")));

        // Another series under the same names is refused: its weights are others.
        const auto other = std::filesystem::path(fixture.dir.filePath(QStringLiteral("other")).toStdString());
        for (int i = 0; i < 4; ++i)
            test::makeCheckpoint(other / ("tokens-" + std::to_string(1 << i) + "M"), test::tinySpec(),
                                 static_cast<unsigned>(50 + i));
        one.session.locate(QStringLiteral("series"), toQString(other));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY2(one.failed[0][0].toString().contains(QStringLiteral("other weights")),
                 qPrintable(one.failed[0][0].toString()));
        QTemporaryDir empty;
        one.session.locate(QStringLiteral("series"), empty.path());
        QTRY_COMPARE(one.failed.count(), 2);
        QVERIFY(one.session.series().at(0).checkpoints.empty());

        QSignalSpy located(&one.session, &StudySession::located);
        one.session.locate(QStringLiteral("series"), moved);
        QTRY_COMPARE(located.count(), 1);
        QVERIFY(located[0][0].toString().contains(QStringLiteral("4 measured checkpoints")));
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 4u);
        QTRY_VERIFY(one.session.issues().empty());
        QCOMPARE(one.session.measuredResults(QStringLiteral("series/tokens-1M")), before);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->cachedCellCount(), plan->cellCount()); // nothing is computed again
        one.session.undoStack()->undo();
        QTRY_VERIFY(one.session.series().at(0).checkpoints.empty());
    }

    void aSingleCheckpointIsLocatedByItsContent() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openAndMeasure(one, fixture));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-2M")) > 0);
        // Moved and renamed, beside a stranger of the old name.
        const QString archive = fixture.dir.filePath(QStringLiteral("archive"));
        QDir().mkpath(archive);
        QVERIFY(QDir().rename(fixture.series + QStringLiteral("/tokens-2M"), archive + QStringLiteral("/kept")));
        QVERIFY(test::makeCheckpoint(std::filesystem::path(archive.toStdString()) / "tokens-2M", test::tinySpec(), 99));
        one.session.rescan();
        const auto missing = [&] {
            return std::ranges::count_if(one.session.issues(), [](const Issue& issue) {
                return issue.message.startsWith(QStringLiteral("Measured, but not there any more: tokens-2M."));
            });
        };
        const auto found = [&] { // none while it is looked for
            return one.session.series().empty() ? std::size_t(0) : one.session.series().front().checkpoints.size();
        };
        QTRY_COMPARE(missing(), 1);
        QTemporaryDir empty;
        one.session.locate(QStringLiteral("series"), empty.path());
        QTRY_COMPARE(one.failed.count(), 1);
        QSignalSpy located(&one.session, &StudySession::located);
        one.session.locate(QStringLiteral("series"), archive);
        QTRY_COMPARE(located.count(), 1);
        QCOMPARE(located[0][0].toString(), QStringLiteral("tokens-2M was found again by its weights. Its results stay."));
        QTRY_COMPARE(found(), 4u);
        const series::Checkpoint& back = one.session.series().at(0).checkpoints.at(1);
        QCOMPARE(back.name, std::string("tokens-2M"));
        QCOMPARE(back.path.filename().string(), std::string("kept"));
        QCOMPARE(*back.tokens, 2'000'000);
        QTRY_COMPARE(missing(), 0);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->checkpoints.size(), 4u);
        QCOMPARE(plan->cachedCellCount(), plan->cellCount()); // nothing is computed again
        one.session.undoStack()->undo();
        QTRY_COMPARE(found(), 3u);
        one.session.undoStack()->redo();
        QTRY_COMPARE(found(), 4u);
        // The next window finds it by itself.
        const QString folder = one.session.folder();
        one.session.close();
        QVERIFY(one.open(folder));
        QTRY_COMPARE(found(), 4u);
    }

    void aCheckpointThatIsGoneIsSaidAndALinkBringsItBack() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openAndMeasure(one, fixture));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-2M")) > 0);
        const auto said = [&] {
            return std::ranges::count_if(one.session.issues(), [](const Issue& issue) {
                return issue.message.startsWith(QStringLiteral("Measured, but not there any more: tokens-2M."));
            });
        };
        QCOMPARE(said(), 0);
        const QString place = fixture.series + QStringLiteral("/tokens-2M"),
                      moved = fixture.dir.filePath(QStringLiteral("archived"));
        QVERIFY(QDir().rename(place, moved));
        one.session.rescan();
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 3u);
        QTRY_COMPARE(said(), 1);
        QVERIFY(QFile::link(moved, place)); // as the issue says
        one.session.rescan();
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 4u);
        QTRY_COMPARE(said(), 0);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->cachedCellCount(), plan->cellCount());
    }
};

QTEST_GUILESS_MAIN(TestLocatedSeries)
#include "tst_located_series.moc"
