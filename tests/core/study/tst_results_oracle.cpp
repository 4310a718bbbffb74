// SPDX-License-Identifier: Apache-2.0
// results.h5 opened by h5py, pandas and xarray, and compared with what Crest reads.

#include <cmath>

#include "tests/core/run/study_fixture.h"

#include "core/study/study_json.h"
#include "tests/support/peers.h"

using namespace crest;

namespace {

Json metricsOf(const study::ResultRow& row) {
    Json metrics = Json::array();
    for (const data::MetricValue& metric : row.outcome.metrics)
        metrics.push_back({{"metric", metric.metric},
                           {"unit", metric.unit},
                           {"value", numberToJson(metric.value)},
                           {"stderr", numberToJson(metric.stderr_)},
                           {"values", metric.itemValues},
                           {"weights", metric.itemWeights}});
    return metrics;
}

Json detailsOf(const data::ItemDetails& details) {
    return {{"documents", details.itemDocuments},
            {"gold", details.itemGold},
            {"requests", details.itemRequests},
            {"request_nats", details.requestNats},
            {"request_tokens", details.requestTokens},
            {"request_greedy", details.requestGreedy},
            {"texts", details.texts}};
}

} // namespace

class TestResultsOracle : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void h5pyPandasAndXarrayReadIt() {
        const pretend::Shape shape{.suiteTasks = 3};
        StudyFixture study(shape);
        study.queue(shape);
        QVERIFY(study.work({}, {.notFiniteStrength = 0.1}));
        pretend::Shape part = shape; // a cube with holes: a third gamma for fewer seeds
        part.strengths = {0.3};
        part.seeds = 1;
        study.queue(part);
        QVERIFY(study.work());
        const QString expected = study.dir.path() + "/expected.jsonl";
        QFile file(expected);
        QVERIFY(file.open(QIODevice::WriteOnly));
        for (const auto& [key, row] : study.rows()) {
            Json json = study::toJson(row);
            json["sequence_nats"] = row.sequenceNats;
            json["sequence_tokens"] = row.sequenceTokens;
            json["metrics"] = metricsOf(row);
            json["details"] = detailsOf(row.outcome.details);
            file.write(QByteArray::fromStdString(canonicalJson(json)) + "\n");
        }
        file.close();
        const auto said = test::askPeer(
            {"tests/oracle/results_h5.py", {QString::fromStdString(study.folder.resultsFile().string()), expected}});
        QVERIFY2(said, said ? "" : said.error().text().c_str());
        qInfo("%s", said->c_str());
    }
};

QTEST_GUILESS_MAIN(TestResultsOracle)
#include "tst_results_oracle.moc"
