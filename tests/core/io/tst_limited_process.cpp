// SPDX-License-Identifier: Apache-2.0
// A helper with limits: what it says arrives whole, what it may not do fails, and every way it can end has a sentence.
#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "core/io/files.h"
#include "core/io/limited_process.h"

using namespace crest;
using namespace crest::io;

class LimitedProcessTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    std::filesystem::path file(const char* name) const {
        return m_folder.filePath(QString::fromLatin1(name)).toStdString();
    }

    LimitedProcess naughty(const std::string& action, const std::string& argument = {}) const {
        LimitedProcess process;
        const auto program = helperProgram("crest-naughty-helper");
        if (program)
            process.program = *program;
        process.arguments = {action, argument};
        process.input = file("input");
        return process;
    }

    static void verify(const Result<std::string>& got, ErrorKind kind, const char* says) {
        QVERIFY2(!got, got ? got->substr(0, 100).c_str() : "");
        QVERIFY2(got.error().kind == kind, got.error().text().c_str());
        QVERIFY2(got.error().message.find(says) != std::string::npos, got.error().text().c_str());
    }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(helperProgram("crest-naughty-helper"));
        QVERIFY(writeFileAtomic(file("input"), std::string("a\0b", 3) + std::string(1'000'000, 'c')));
    }

    void theFileIsItsStandardInput() {
        const auto got = runLimited(naughty("echo"));
        QVERIFY2(got, got ? "" : got.error().text().c_str());
        QCOMPARE(*got, std::string("a\0b", 3) + std::string(1'000'000, 'c'));
    }

    void inPieces() {
        std::size_t total = 0, largest = 0;
        const auto done = runLimited(naughty("echo"), [&](std::string_view piece) -> Result<void> {
            total += piece.size();
            largest = std::max(largest, piece.size());
            return {};
        });
        QVERIFY(done);
        QCOMPARE(total, std::size_t(1'000'003));
        QVERIFY(largest <= 65'536);
        const auto ended = runLimited(
            naughty("flood"), [&](std::string_view) -> Result<void> { return fail(ErrorKind::Mismatch, "enough"); });
        QVERIFY(!ended);
        QCOMPARE(ended.error().message, std::string("enough"));
    }

    void itsOwnSentence() { verify(runLimited(naughty("refuse")), ErrorKind::Unsupported, "It is of version 9."); }

    void memory() {
#if defined(__SANITIZE_ADDRESS__)
        return; // the sanitizer needs the address space; the limit is not set
#endif
        LimitedProcess process = naughty("memory");
        process.limits.memoryBytes = 300'000'000;
        verify(runLimited(process), ErrorKind::OutOfRange, "memory");
        const auto limits = runLimited(naughty("limits"));
        QVERIFY(limits);
        QCOMPARE(*limits, std::string("1000000000 0"));
    }

    void time() {
        LimitedProcess process = naughty("spin");
        process.limits.processor = std::chrono::seconds(1);
        verify(runLimited(process), ErrorKind::Malformed, "1 s of processor time");
        process = naughty("sleep");
        process.limits.wall = std::chrono::seconds(1);
        verify(runLimited(process), ErrorKind::Malformed, "not done after 1 s");
    }

    void tooMuch() {
        LimitedProcess process = naughty("flood");
        process.limits.outputBytes = 3'000'000;
        verify(runLimited(process), ErrorKind::Malformed, "more than 3 MB");
    }

    void crashes() {
        verify(runLimited(naughty("crash")), ErrorKind::Malformed, "damaged");
    }

    void doorsAreClosed_data() {
        QTest::addColumn<QString>("action");
        QTest::addColumn<QString>("argument");
        QTest::newRow("a file of the system") << "open"
                                              << "/etc/passwd";
        QTest::newRow("its own input again") << "open" << m_folder.filePath(QStringLiteral("input"));
        QTest::newRow("a new file") << "create" << m_folder.filePath(QStringLiteral("new"));
        QTest::newRow("a file less") << "remove" << m_folder.filePath(QStringLiteral("input"));
        QTest::newRow("the network") << "connect"
                                     << "";
        QTest::newRow("a process") << "fork"
                                   << "";
        QTest::newRow("a program") << "exec"
                                   << "";
    }

    void doorsAreClosed() {
        QFETCH(QString, action);
        QFETCH(QString, argument);
        const auto got = runLimited(naughty(action.toStdString(), argument.toStdString()));
        QVERIFY2(got, got ? "" : got.error().text().c_str());
        QCOMPARE(*got, std::string("refused"));
        QVERIFY(QFile::exists(m_folder.filePath(QStringLiteral("input"))));
        QVERIFY(!QFile::exists(m_folder.filePath(QStringLiteral("new"))));
    }

    void threadsMayStart() {
        const auto got = runLimited(naughty("thread"));
        QVERIFY2(got, got ? "" : got.error().text().c_str());
        QCOMPARE(*got, std::string("managed"));
    }

    void stopping() {
        std::stop_source source;
        std::jthread stopper([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            source.request_stop();
        });
        const auto start = std::chrono::steady_clock::now();
        verify(runLimited(naughty("sleep"), JobContext(source.get_token())), ErrorKind::Stopped, "Stopped");
        QVERIFY(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    }

    void whatIsNotThere() {
        LimitedProcess process = naughty("echo");
        process.input = file("nothing");
        verify(runLimited(process), ErrorKind::NotFound, "no such file");
        process.input = m_folder.path().toStdString();
        verify(runLimited(process), ErrorKind::Io, "regular file");
        process = naughty("echo");
        process.program = file("nothing");
        verify(runLimited(process), ErrorKind::Io, "cannot be started");
        const auto missing = helperProgram("crest-no-such-helper");
        QVERIFY(!missing);
        QVERIFY(missing.error().message.find("crest-no-such-helper") != std::string::npos);
    }

    void manyAtOnce() {
        std::vector<std::jthread> threads;
        std::atomic<int> right = 0;
        for (int t = 0; t < 8; ++t)
            threads.emplace_back([&] {
                const auto got = runLimited(naughty("echo"));
                right += got && got->size() == 1'000'003 ? 1 : 0;
            });
        threads.clear();
        QCOMPARE(right.load(), 8);
    }
};

QTEST_GUILESS_MAIN(LimitedProcessTest)
#include "tst_limited_process.moc"
