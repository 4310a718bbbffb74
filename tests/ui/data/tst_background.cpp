// SPDX-License-Identifier: Apache-2.0
// Work beside the window: when its answer comes, and which.
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
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

    /// An answer comes, whatever happens: as an error, or to who takes failures.
    void workThatThrowsIsAnswered() {
        const auto fails = [](const JobContext&) -> int { throw std::bad_alloc(); };
        std::vector<std::string> failures;
        Background plain(this, [&](const Error& error) { failures.push_back(error.message); });
        plain.start(fails, [](int) { QFAIL("there is no answer"); });
        QTRY_COMPARE(failures.size(), std::size_t(1));
        QVERIFY(failures.front().find("bad_alloc") != std::string::npos);
        // The next one is served, and of what was dropped nothing is told.
        int answer = 0;
        plain.start(fails, [](int) { QFAIL("there is no answer"); });
        plain.start([](const JobContext&) { return 7; }, [&](int seven) { answer = seven; });
        QTRY_COMPARE(answer, 7);
        QTest::qWait(20);
        QCOMPARE(failures.size(), std::size_t(1));
        // Where the answer can say so, it does.
        Background ofResults(this, [](const Error&) { QFAIL("the answer has it"); });
        std::optional<Result<int>> told;
        ofResults.start([](const JobContext&) -> Result<int> { throw std::runtime_error("of all things"); },
                        [&](Result<int> result) { told = std::move(result); });
        QTRY_VERIFY(told.has_value());
        QVERIFY(!*told && told->error().message.find("of all things") != std::string::npos);
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
