// SPDX-License-Identifier: Apache-2.0
// How far weights went from their start, through journals and results.h5: rows with and without it, of texts and of suites,
// beside rows that were written before there was any; and as h5py reads it.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "core/study/journal_writer.h"
#include "core/study/published.h"
#include "tests/core/run/study_fixture.h"
#include "tests/support/peers.h"

using namespace crest;

namespace {

study::WeightChange changeOf(double times) {
    study::WeightChange change;
    change.distance = 5 * times, change.start = 50; // 3, 4 and 30, 40
    change.tensors = {"model.embed_tokens.weight", "model.norm.weight"};
    change.distances = {static_cast<float>(3 * times), static_cast<float>(4 * times)};
    change.starts = {30, 40};
    return change;
}

study::ResultRow rowOf(const std::string& key, double strength) {
    study::ResultRow row;
    row.key = key, row.series = "small", row.checkpoint = "step1", row.task = "words", row.modification = "fine-tuning";
    row.tokens = 1000, row.strength = strength, row.seed = 1, row.n = 2, row.value = 1.5;
    row.sequenceNats = {1, 2}, row.sequenceTokens = {3, 4};
    return row;
}

study::ResultRow suiteRow(const std::string& key) {
    study::ResultRow row = rowOf(key, 0.1);
    row.sequenceNats.clear(), row.sequenceTokens.clear();
    row.task = "suite", row.metric = "acc", row.unit = "accuracy", row.value = 0.5, row.scoredTokens = 7;
    row.outcome.metrics = {{"acc", "accuracy", 0.5, 0.1, {0, 1}, {}}, {"acc_norm", "accuracy", 1.0, 0.2, {1, 1}, {}}};
    row.stderr_ = 0.1;
    row.outcome.details.itemDocuments = {4, 5}, row.outcome.details.itemGold = {0, 1};
    row.outcome.details.itemRequests = {1, 1};
    row.outcome.scoredTokens = 7;
    return row;
}

} // namespace

class TestWeightChange : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void journalsAndResultsHoldIt() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study::JournalWriter writer(study.folder.journalFolder(), "by-hand");
        std::vector<study::ResultRow> rows = {rowOf("plain", 0), rowOf("tuned", 0.1), rowOf("far", 0.2), suiteRow("of a suite")};
        rows[1].change = rows[3].change = changeOf(1); // tasks of one cell
        rows[2].change = changeOf(2);
        QVERIFY(writer.commit(rows));
        const auto check = [&] {
            const auto read = study.rows();
            QCOMPARE(read.size(), rows.size());
            for (const study::ResultRow& row : rows) {
                const study::ResultRow& found = read.at(row.key);
                QVERIFY2(found.change == row.change, row.key.c_str());
                QCOMPARE(found.outcome.metrics.size(), row.outcome.metrics.size());
                QVERIFY(found.sequenceNats == row.sequenceNats);
            }
            QCOMPARE(read.at("tuned").change->relative(), 0.1);
        };
        check(); // from the journal
        QVERIFY(study::publishResults(study.folder));
        std::filesystem::rename(study.folder.journalFolder(), study.folder.path() / "aside");
        check(); // from results.h5
    }

    /// The names of tensors and what tasks of a cell share are stored once.
    void whatIsSharedIsStoredOnce() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study::JournalWriter writer(study.folder.journalFolder(), "by-hand");
        const auto bytes = [&] { return std::filesystem::file_size(study.folder.journalFolder() / "by-hand.bin"); };
        study::ResultRow row = rowOf("first", 0.1);
        row.change = changeOf(1);
        QVERIFY(writer.commit({&row, 1}));
        const auto before = bytes();
        row.key = "another task of it";
        QVERIFY(writer.commit({&row, 1}));
        QCOMPARE(bytes() - before, std::uintmax_t{8}); // two losses
        row.key = "another cell", row.change = changeOf(3);
        QVERIFY(writer.commit({&row, 1}));
        QCOMPARE(bytes() - before, std::uintmax_t{8 + 8 + 8}); // and two distances
    }

    void h5pyReadsIt() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study::JournalWriter writer(study.folder.journalFolder(), "by-hand");
        std::vector<study::ResultRow> rows = {rowOf("plain", 0), rowOf("tuned", 0.1)};
        rows[1].change = changeOf(1);
        QVERIFY(writer.commit(rows));
        QVERIFY(study::publishResults(study.folder));
        const auto said = test::askPeer({{}, {QString::fromStdString(study.folder.resultsFile().string())}, {}, {}, R"(
import sys, h5py
with h5py.File(sys.argv[1]) as file:
    rows = {row["key"].decode(): row for row in file["results"][:]}
    tuned, plain = rows["tuned"], rows["plain"]
    first, count = int(tuned["distance_first"]), int(tuned["distance_tensors"])
    names = [file["distances/names"][i]["tensor"].decode() for i in file["distances/tensor"][first:first + count]]
    print(tuned["distance"], tuned["distance_start"], names, file["distances/distance"][first:first + count].tolist(),
          file["distances/start"][first:first + count].tolist(), plain["distance"], plain["distance_first"])
)"});
        QVERIFY2(said, said ? "" : said.error().text().c_str());
        QCOMPARE(QString::fromStdString(*said).trimmed(),
                 QStringLiteral("5.0 50.0 ['model.embed_tokens.weight', 'model.norm.weight'] [3.0, 4.0] [30.0, 40.0] nan -1"));
    }
};

QTEST_GUILESS_MAIN(TestWeightChange)
#include "tst_weight_change.moc"
