// SPDX-License-Identifier: GPL-3.0-or-later
// What a study's series look like when it is opened.
#include <algorithm>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/core/series/layouts.h"
#include "ui/data/study_opening.h"
#include "ui/data/study_scan.h"

using namespace crest;
using namespace crest::ui;

class TestStudyOpening : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void seriesThatShareAFolderListItsIssuesOnce() {
        const QTemporaryDir dir;
        const std::filesystem::path root = dir.path().toStdString();
        series::DecoderSpec wide = test::tinySpec();
        wide.mlpWidth = 20;
        for (const char* step : {"step1000", "step2000"}) {
            QVERIFY(test::makeCheckpoint(root / (std::string("narrow-") + step)));
            QVERIFY(test::makeCheckpoint(root / (std::string("wide-") + step), wide));
        }
        QVERIFY(test::makeCheckpoint(root / "narrow-step3000"));
        std::filesystem::resize_file(root / "narrow-step3000" / "model.safetensors", 40);
        const auto scanned = series::scanFolder(root);
        QVERIFY(scanned && scanned->series.size() >= 2);
        study::Study study;
        for (const series::Series& one : scanned->series)
            study.series.push_back({one.name, root.string(), {}});
        const StudiedSeries scan = studiedSeries(scanStudy(study, root, {}, {}), study, {});
        QCOMPARE(scan.series.size(), scanned->series.size());
        QCOMPARE(static_cast<std::size_t>(scan.issues.size()), scanned->issues.size());
        QVERIFY(std::ranges::any_of(
            scan.issues, [](const auto& issue) { return issue.where.contains(QStringLiteral("narrow-step3000")); }));
    }

    void filesStandForTheirSeries() {
        const QTemporaryDir dir;
        const std::filesystem::path root = dir.path().toStdString();
        QVERIFY(test::makeCheckpoint(root / "run/step1000") && test::makeCheckpoint(root / "alone"));
        const std::filesystem::path snapshot = test::makeSnapshot(root / "hub", "a--tiny", "step1", 3);
        // A checkpoint in one file is opened alone, whatever else its folder holds.
        test::writeText(root / "nano/ckpt.pt", "no zip at all");
        test::writeText(root / "nano/notes.pt", "no zip at all");
        test::writeText(root / "nano/config.json", "{}");
        test::writeText(root / "folders/iter_100/ckpt.pt", "no zip at all");
        test::writeText(root / "study/study.json", "{}");
        test::writeText(root / "notes/notes.txt", "hello");
        const auto opened = [&](const std::filesystem::path& path) {
            const auto folder = folderToOpen(QString::fromStdString(path.string()));
            return folder ? folder->toStdString() : "failed: " + folder.error().text();
        };
        QCOMPARE(opened(root / "run"), (root / "run").string()); // a folder is itself
        QCOMPARE(opened(root / "run/step1000/model.safetensors"), (root / "run").string());
        QCOMPARE(opened(root / "run/step1000/tokenizer.json"), (root / "run").string());
        QCOMPARE(opened(root / "alone/config.json"), (root / "alone").string()); // its name says no step
        QCOMPARE(opened(snapshot / "config.json"), (root / "hub/models--a--tiny").string());
        QCOMPARE(opened(root / "nano/ckpt.pt"), (root / "nano/ckpt.pt").string());
        QCOMPARE(opened(root / "nano/notes.pt"), (root / "nano").string()); // no checkpoint: its folder is one
        QCOMPARE(opened(root / "folders/iter_100/ckpt.pt"), (root / "folders").string());
        QCOMPARE(opened(root / "study/study.json"), (root / "study").string());
        const std::string notes = opened(root / "notes/notes.txt");
        QVERIFY2(notes.find("no part of a checkpoint or study") != std::string::npos &&
                     notes.find("notes.txt") != std::string::npos,
                 notes.c_str());
        QVERIFY(opened(root / "nothing.pt").find("no such file") != std::string::npos);
    }

    void seriesThatAreCalledAlikeSayTheirFolder() {
        const QTemporaryDir dir;
        const std::filesystem::path root = dir.path().toStdString();
        for (const char* place : {"a/run/step1", "a/run/step2", "b/run/step1", "b/run/step2", "run/step1", "run/step2"})
            QVERIFY(test::makeCheckpoint(root / place, test::tinySpec(), place[0]));
        study::Study study;
        study.series.push_back({"run", (root / "a/run").string(), {}});
        const auto added = seriesBelow(QString::fromStdString((root / "b/run").string()), study, {});
        QVERIFY(added.has_value());
        QCOMPARE(added->size(), 1u);
        QCOMPARE(added->front().name, std::string("run (b)"));
        QCOMPARE(added->front().foundAs, std::string("run")); // found again by the name the scan gives it
        // A folder that says nothing more than the name does not stand behind it.
        study.series[0].path = (root / "elsewhere").string();
        const auto twice = seriesBelow(QString::fromStdString((root / "run").string()), study, {});
        QVERIFY(twice.has_value());
        QCOMPARE(twice->front().name, std::string("run 2"));
        study.series[0].path = (root / "a/run").string();
        study.series.push_back(added->front());
        const StudyScan scan = scanStudy(study, root, {}, {});
        QCOMPARE(scan.series.size(), 2u);
        QCOMPARE(scan.series[1].found.checkpoints.size(), 2u);
        QVERIFY(scan.series[1].found.checkpoints[0].path.string().find("/b/run/") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestStudyOpening)
#include "tst_study_opening.moc"
