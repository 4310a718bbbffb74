// SPDX-License-Identifier: Apache-2.0
// The shipped texts are those that resources/sample/make-texts recorded, and its overlap statistics mean what they say.
#include <QProcess>
#include <QtTest>

class TestSampleTexts : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void textsAndStatistics() {
        const QString python = qEnvironmentVariable("CREST_PYTHON");
        QVERIFY2(!python.isEmpty(), "CREST_PYTHON is not set: this test needs a Python");
        QProcess process;
        process.setProcessChannelMode(QProcess::MergedChannels);
        process.start(python, {QStringLiteral("-B"), QStringLiteral(CREST_SOURCE_DIR "/tests/app/sample_texts.py"),
                               QStringLiteral(CREST_SOURCE_DIR "/resources/sample")});
        QVERIFY(process.waitForFinished(60'000));
        const QByteArray output = process.readAll();
        QVERIFY2(process.exitStatus() == QProcess::NormalExit && process.exitCode() == 0, output.constData());
        qInfo("%s", output.trimmed().constData());
    }
};

QTEST_GUILESS_MAIN(TestSampleTexts)
#include "tst_sample_texts.moc"
