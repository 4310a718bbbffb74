// SPDX-License-Identifier: Apache-2.0
// The shipped texts are those that resources/sample/make-texts recorded, and its overlap statistics mean what they say.
#include <QtTest>

#include "tests/support/peers.h"

class TestSampleTexts : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void textsAndStatistics() {
        const auto said = crest::test::askPeer({"tests/app/sample_texts.py", {QStringLiteral(CREST_SOURCE_DIR "/resources/sample")}});
        QVERIFY2(said, said ? "" : said.error().text().c_str());
        qInfo("%s", said->c_str());
    }
};

QTEST_GUILESS_MAIN(TestSampleTexts)
#include "tst_sample_texts.moc"
