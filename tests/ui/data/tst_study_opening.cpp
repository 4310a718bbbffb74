// SPDX-License-Identifier: GPL-3.0-or-later
// What a study's series look like when it is opened.
#include <algorithm>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/core/series/make_checkpoint.h"
#include "ui/data/study_opening.h"

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
};

QTEST_GUILESS_MAIN(TestStudyOpening)
#include "tst_study_opening.moc"
