// SPDX-License-Identifier: GPL-3.0-or-later
// The session end to end, against a runner that only pretends to compute: opening, editing, saving, looking on.
#include <atomic>

#include <unistd.h>

#include "tests/ui/data/open_session.h"
#include "ui/data/places.h"
#include "ui/data/probe_loading.h"
#include "ui/data/recent_studies.h"
#include "ui/data/sample_study.h"

using namespace crest;
using namespace crest::ui;
using namespace crest::test;

class TestStudySession : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void opensAFolderOfCheckpoints() {
        SessionFixture fixture;
        fixture.breakLargest();
        Session one;
        QVERIFY(one.open(fixture.series));
        QVERIFY(one.session.isOpen() && one.session.untitled() && one.session.writable());
        QVERIFY(one.session.folder().startsWith(dataFolder()));
        QCOMPARE(one.session.name(), QStringLiteral("series"));
        QCOMPARE(one.session.series().size(), 1u);
        const auto& checkpoints = one.session.series()[0].checkpoints;
        QCOMPARE(checkpoints.size(), 4u);
        QCOMPARE(*checkpoints[0].tokens, 1'000'000);
        QVERIFY(checkpoints[3].state == series::CheckpointState::Broken);
        QCOMPARE(one.session.issues().size(), 1u); // said once
        QVERIFY(one.session.issues()[0].where.contains(QStringLiteral("tokens-8M")));
        QCOMPARE(recentStudies().size(), 1u);
        // The same folder finds the same study again.
        const QString folder = one.session.folder();
        Session again;
        QVERIFY(again.open(fixture.series + u'/'));
        QCOMPARE(again.session.folder(), folder);
        QCOMPARE(again.session.name(), QStringLiteral("series"));
    }

    void saysWhatCannotBeOpened() {
        SessionFixture fixture;
        QDir(fixture.dir.path()).mkpath(QStringLiteral("empty"));
        QDir(fixture.dir.path()).mkpath(QStringLiteral("other/notes"));
        QDir(fixture.dir.path()).mkpath(QStringLiteral("newer"));
        test::writeFile(fixture.dir.filePath(QStringLiteral("newer/study.json")), "{\"format\": 99, \"name\": \"x\"}");
        const auto says = [&](const char* folder, const char* what) {
            Session one;
            one.session.open(fixture.dir.filePath(QString::fromLatin1(folder)));
            const QString message = one.failure();
            const bool right = message.contains(QString::fromLatin1(what)) &&
                               message.contains(QString::fromLatin1(folder)) && !one.session.isOpen();
            if (!right)
                qWarning().noquote() << folder << "said:" << message;
            return right;
        };
        QVERIFY(says("not-there", "no such file or folder"));
        QVERIFY(says("empty", "No checkpoint was found"));
        QVERIFY(says("other", "No checkpoint was found"));
        QVERIFY(says("newer", "newer"));
        QVERIFY(!QFileInfo::exists(dataFolder() + QStringLiteral("/studies")) ||
                QDir(dataFolder() + QStringLiteral("/studies")).isEmpty());
    }

    void aProbeOfALongNameHasAName() {
        std::string series;
        for (int i = 0; i < 200; ++i)
            series += "\u4e2d"; // three bytes each: 600, of which 150 end within none of them
        for (const char* kind : {study::kGaussianNoise, study::kBaseEvaluation, study::kQuantisation, study::kFineTuning}) {
            const std::string name = defaultProbe(QString::fromLatin1(kind), series, {}).name;
            QVERIFY2(name.size() <= 200 && name.size() > 150, name.c_str());
            QVERIFY(!QString::fromStdString(name).contains(QChar(QChar::ReplacementCharacter)));
        }
    }

    void editsAreSavedAndUndone() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.setProbe(fixture.probe(one.session));
        const auto onDisk = [&] { return study::StudyFolder::open(one.session.folder().toStdString())->study(); };
        QTRY_COMPARE(onDisk().probes.size(), 1u);
        QVERIFY(onDisk() == one.session.study());
        one.session.undoStack()->undo();
        QVERIFY(one.session.study().probes.empty());
        QTRY_VERIFY(onDisk().probes.empty());
        one.session.undoStack()->redo();
        QTRY_COMPARE(onDisk().probes.size(), 1u);
        study::Probe changed = fixture.probe(one.session);
        changed.seeds = 7;
        one.session.setProbe(changed);
        QTRY_COMPARE(onDisk().probes[0].seeds, 7);
        QCOMPARE(onDisk().probes.size(), 1u);
        one.session.setExcluded(QStringLiteral("series"), QStringLiteral("tokens-1M"), true);
        QTRY_VERIFY(one.session.series()[0].checkpoints[0].state == series::CheckpointState::Excluded);
        one.session.undoStack()->undo();
        QTRY_VERIFY(one.session.series()[0].checkpoints[0].state == series::CheckpointState::Ok);
    }

    void aSlowDiskHoldsNoEditUpAndLosesNone() {
        SessionFixture fixture;
        std::atomic<int> saves = 0;
        const SaveStudy slow = [&](study::StudyFolder& folder, const study::Study& study) {
            QThread::msleep(400);
            ++saves;
            return folder.save(study);
        };
        QString folder;
        {
            Session one(slow);
            QVERIFY(one.open(fixture.series));
            folder = one.session.folder();
            QElapsedTimer clock;
            clock.start();
            one.session.addTask(fixture.task("heldout"));
            study::Probe probe = fixture.probe(one.session);
            for (probe.seeds = 1; probe.seeds <= 20; ++probe.seeds)
                one.session.setProbe(probe);
            QVERIFY2(clock.elapsed() < 50, qPrintable(QString::number(clock.elapsed())));
            one.session.setExcluded(QStringLiteral("series"), QStringLiteral("tokens-2M"), true);
            clock.restart();
            one.session.close(); // with edits on their way
            QVERIFY2(clock.elapsed() < 50, qPrintable(QString::number(clock.elapsed())));
            // Opened again at once it shows the last edit, and is this window's.
            one.scanned.clear();
            QVERIFY(one.open(folder));
            QVERIFY(one.session.writable());
            QCOMPARE(one.session.study().probes.at(0).seeds, 20);
            QCOMPARE(one.session.study().series.at(0).excluded, std::vector<std::string>{"tokens-2M"});
            QVERIFY2(saves < 6, "edits in a row are one write");
            probe.seeds = 33;
            one.session.setProbe(probe);
        } // the window goes with an edit on its way
        QCOMPARE(study::StudyFolder::open(folder.toStdString())->study().probes.at(0).seeds, 33);
    }

    void anEditThatCannotBeSavedIsKeptAndTriedAgain() {
        SessionFixture fixture;
        std::atomic<bool> full = true;
        Session one([&](study::StudyFolder& folder, const study::Study& study) -> Result<void> {
            if (full)
                return fail(ErrorKind::NoSpace, "No space left on the disk.", folder.path().string());
            return folder.save(study);
        });
        QVERIFY(one.open(fixture.series));
        one.session.addTask(fixture.task("heldout"));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY(one.failed[0][0].toString().contains(QStringLiteral("No space left")) &&
                one.failed[0][0].toString().contains(QStringLiteral("is kept")));
        QCOMPARE(one.session.study().tasks.size(), 1u);
        full = false;
        const auto onDisk = [&] { return study::StudyFolder::open(one.session.folder().toStdString())->study(); };
        QTRY_COMPARE_WITH_TIMEOUT(onDisk().tasks.size(), 1u, kWaitMs); // without another edit
        QCOMPARE(one.failed.count(), 1);
    }

    void aSecondWindowLooksOnly() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        QTRY_COMPARE(study::StudyFolder::open(one.session.folder().toStdString())->study().tasks.size(), 1u);
        Session other;
        QVERIFY(other.open(one.session.folder()));
        QVERIFY(one.session.writable() && !other.session.writable());
        QVERIFY(other.session.readOnlyReason().contains(QStringLiteral("another window")));
        const auto plan = other.plan(fixture.probe(other.session));
        QVERIFY(plan.has_value());
        other.session.run(*plan);
        QTRY_COMPARE(other.failed.count(), 1);
        QVERIFY(other.failed[0][0].toString().contains(QStringLiteral("only be looked at")));
        one.session.close();
        Session third;
        QVERIFY(third.open(other.session.folder()));
        QVERIFY(third.session.writable());
    }

    void aReadOnlyFolderCanBeLookedAt() {
        if (::geteuid() == 0)
            QSKIP("root may write into every folder; aSecondWindowLooksOnly covers what follows");
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const QString folder = one.session.folder();
        one.session.close();
        QFile::setPermissions(folder, QFile::ReadOwner | QFile::ExeOwner);
        Session other;
        QVERIFY(other.open(folder));
        QVERIFY(!other.session.writable());
        QVERIFY(other.session.readOnlyReason().contains(QStringLiteral("cannot be written")));
        QFile::setPermissions(folder, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
    }

    void savingMovesTheStudy() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const QString from = one.session.folder(), full = fixture.dir.filePath(QStringLiteral("full")),
                      to = fixture.dir.filePath(QStringLiteral("my study"));
        QDir().mkpath(full + QStringLiteral("/something"));
        one.session.saveAs(full);
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY(one.failed[0][0].toString().contains(QStringLiteral("not empty")));
        QTRY_VERIFY(one.session.isOpen());
        QCOMPARE(one.session.folder(), from); // still there, and open
        one.session.saveAs(to);
        QTRY_COMPARE(one.session.folder(), to);
        QCOMPARE(one.session.name(), QStringLiteral("my study"));
        QVERIFY(!one.session.untitled() && !QFileInfo::exists(from));
        QCOMPARE(one.session.study().tasks.size(), 1u);
        QTRY_COMPARE(one.session.series().size(), 1u);
    }

    void aFolderOfSeveralSeriesGivesThemAll() {
        SessionFixture fixture;
        SessionFixture::makeSeries(fixture.dir.filePath(QStringLiteral("both/a")), "alpha", 2);
        SessionFixture::makeSeries(fixture.dir.filePath(QStringLiteral("both/b")), "beta", 3);
        Session one;
        QVERIFY(one.open(fixture.dir.filePath(QStringLiteral("both"))));
        QCOMPARE(one.session.series().size(), 2u);
        QCOMPARE(one.session.study().series.size(), 2u);
        QCOMPARE(one.session.series()[1].name, one.session.study().series[1].name);
        one.session.addTask(fixture.task("heldout"));
        study::Probe probe = fixture.probe(one.session);
        probe.series = one.session.series()[1].name;
        const auto plan = one.plan(probe);
        QVERIFY2(plan.has_value(), qPrintable(one.problem));
        QCOMPARE(plan->checkpoints.size(), one.session.series()[1].checkpoints.size());
        one.session.addSeries(fixture.series);
        QTRY_COMPARE(one.session.series().size(), 3u);
        one.session.undoStack()->undo();
        QTRY_COMPARE(one.session.series().size(), 2u);
    }

    void theSampleOpensReadyToRun() {
        SessionFixture fixture;
        const QString resources = fixture.dir.filePath(QStringLiteral("resources"));
        SessionFixture::makeSeries(resources + QStringLiteral("/sample/series"), "sample", 4);
        QDir().mkpath(resources + QStringLiteral("/sample/texts"));
        for (const char* text : {"dictionary", "glosses", "bible"}) {
            QFile source(fixture.text);
            QVERIFY(source.open(QIODevice::ReadOnly));
            test::writeFile(resources + QStringLiteral("/sample/texts/%1.jsonl").arg(QString::fromLatin1(text)),
                            source.readAll() + "\n{\"text\": \"" + text + "\"}\n");
        }
        qputenv("CREST_RESOURCES", resources.toUtf8());
        {
            Session one;
            one.session.openSample();
            QTRY_VERIFY_WITH_TIMEOUT(one.scanned.count() > 0, kWaitMs);
            QCOMPARE(one.session.study().probes.size(), 1u);
            const study::Probe& probe = one.session.study().probes[0];
            QCOMPARE(probe.tasks.size(), 3u);
            QVERIFY(probe.tasks[0].task == "dictionary" && probe.tasks[0].role == study::Role::InDistribution);
            QVERIFY(probe.tasks[1].role == study::Role::OutOfDistribution &&
                    probe.tasks[2].role == study::Role::OutOfDistribution);
            const auto plan = one.plan(probe);
            QVERIFY2(plan.has_value(), qPrintable(one.problem));
            QCOMPARE(plan->cellCount(), 4 * (1 + 5 * 16));
        }
        // Another installation: the study stays, its paths follow.
        const QString moved = fixture.dir.filePath(QStringLiteral("elsewhere"));
        QVERIFY(QDir().rename(resources, moved));
        qputenv("CREST_RESOURCES", moved.toUtf8());
        Session again;
        again.session.openSample();
        QTRY_VERIFY_WITH_TIMEOUT(again.scanned.count() > 0, kWaitMs);
        QVERIFY(QString::fromStdString(again.session.study().series[0].path).startsWith(moved));
        QVERIFY(QString::fromStdString(again.session.study().tasks[0].textsPath).startsWith(moved));
        QCOMPARE(again.session.series().size(), 1u);
        qunsetenv("CREST_RESOURCES");
    }

    void endsInTheMiddleOfEverything() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        for (int i = 0; i < 5; ++i) {
            one.session.rescan();
            one.session.requestPlan(fixture.probe(one.session));
            one.session.open(fixture.series);
        }
        QElapsedTimer clock;
        clock.start();
        one.session.close();
        QVERIFY2(clock.elapsed() < 500, "closing waits for work in the background");
    }
};

QTEST_GUILESS_MAIN(TestStudySession)
#include "tst_study_session.moc"
