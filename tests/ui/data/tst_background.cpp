// SPDX-License-Identifier: Apache-2.0
// Work beside the window: when its answer comes, and which.
#include <memory>
#include <vector>

#include <QtTest>

#include "ui/data/background.h"

namespace crest::ui {

class BackgroundTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// Work that is through at once must not answer before its number is known.
    void answersComeAfterTheirNumber() {
        Background background(this);
        for (int i = 0; i < 300; ++i) {
            quint64 number = 0;
            bool answered = false, early = false;
            number = background.start([](const JobContext&) { return 1; },
                                      [&](int) {
                                          answered = true;
                                          early = number == 0;
                                      });
            QTRY_VERIFY(answered);
            QVERIFY2(!early, qPrintable(QString::number(i)));
        }
    }

    void theLatestRequestWins() {
        Background background(this);
        std::vector<int> answers;
        for (int i = 0; i < 20; ++i)
            background.start([i](const JobContext&) { return i; }, [&](int answer) { answers.push_back(answer); });
        QTRY_VERIFY(!answers.empty());
        QTest::qWait(20);
        QCOMPARE(answers, std::vector<int>{19});
    }

    void theDestructorStopsAndWaits() {
        bool stopped = false;
        {
            Background background(this);
            background.start(
                [&](const JobContext& job) {
                    while (!job.stopRequested())
                        QThread::msleep(1);
                    return stopped = true;
                },
                [](bool) { QFAIL("nobody waits for it any more"); });
        }
        QVERIFY(stopped);
    }
};

} // namespace crest::ui

QTEST_GUILESS_MAIN(crest::ui::BackgroundTest)
#include "tst_background.moc"
