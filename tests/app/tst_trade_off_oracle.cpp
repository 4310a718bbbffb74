// SPDX-License-Identifier: GPL-3.0-or-later
// crest export --figure trade-off of a study with several settings, its CSV against pandas and scipy (tests/oracle/trade_off.py).
#include <QFile>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "core/run/executor.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "tests/support/peers.h"
#include "tests/support/pretend_runner.h"

using namespace crest;

class TestTradeOffOracle : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void csvHasWhatPandasFinds() {
        QTemporaryDir dir;
        const QString path = dir.filePath(QStringLiteral("study"));
        pretend::Shape shape;
        shape.tuning = true;
        auto folder = study::StudyFolder::create(path.toStdString(), pretend::makeStudy(shape));
        QVERIFY(folder.has_value());
        for (const double pull : {0.0, 0.1, 1.0}) {
            shape.pull = pull;
            shape.strengths = pull > 0 ? std::vector{0.1, 0.2} : std::vector{0.1, 0.2, 0.4};
            QVERIFY(study::queueRun(*folder, pretend::makePlan(shape)));
            QVERIFY(run::workStudy(*folder, {}, pretend::makeFactory(), {}).has_value());
        }
        QFile rows(dir.filePath(QStringLiteral("rows.jsonl")));
        QVERIFY(rows.open(QIODevice::WriteOnly));
        study::ResultReader reader(*folder);
        const auto stored = reader.poll();
        QVERIFY(stored.has_value() && !stored->empty());
        for (const study::ResultRow& row : *stored)
            rows.write(QByteArray::fromStdString(
                Json{{"key", row.key}, {"value", row.value}, {"nats", row.sequenceNats}, {"tokens", row.sequenceTokens}}.dump() + "\n"));
        rows.close();
        QStringList csvs;
        for (const char* rate : {"0.2", "best"})
            for (const char* y : {"value", "change"}) {
                csvs << dir.filePath(QStringLiteral("%1-%2.csv").arg(QLatin1String(rate), QLatin1String(y)));
                QProcess process;
                process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest"),
                              {QStringLiteral("export"), path, QStringLiteral("--figure"), QStringLiteral("trade-off"), QStringLiteral("--y"),
                               QLatin1String(y), QStringLiteral("--strength"), QLatin1String(rate), QStringLiteral("-o"), csvs.back()});
                QVERIFY2(process.waitForFinished(60'000) && process.exitCode() == 0, process.readAllStandardError());
            }
        const auto agreed = test::askPeer({QStringLiteral("tests/oracle/trade_off.py"), QStringList{path, rows.fileName()} + csvs});
        QVERIFY2(agreed, agreed ? "" : agreed.error().message.c_str());
        qInfo("%s", agreed->c_str());
    }
};

QTEST_GUILESS_MAIN(TestTradeOffOracle)
#include "tst_trade_off_oracle.moc"
