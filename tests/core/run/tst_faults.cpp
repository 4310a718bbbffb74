// SPDX-License-Identifier: Apache-2.0
// Every write, sync, rename, open and truncate of everything that Crest writes into a study fails once, and from some
// moment on for good: no crash, no acknowledged result lost, nothing left lying about, a message that names the file,
// and it goes on afterwards. All of them with CREST_FULL=1, a share otherwise.
#include <QtTest>

#include <cerrno>
#include <random>

#include "tests/support/fault_sandbox.h"
#include "tests/support/file_trace.h"

using namespace crest;

namespace {

struct Fault {
    QString call;
    int at = 0, error = 0;
    bool always = false;

    QString text() const {
        return QStringLiteral("%1 %2%3: %4")
            .arg(call)
            .arg(at)
            .arg(always ? QStringLiteral(" and all later") : QString(),
                 error > 0 ? QString::fromLatin1(std::strerror(error)) : QStringLiteral("half"));
    }
};

/// How many calls of each kind the longest process of the scenario makes.
std::map<QString, int> countCalls() {
    const test::FaultSandbox sandbox;
    const auto ended =
        sandbox.run({{QStringLiteral("CREST_FAULT_TRACE"), QString::fromStdString(sandbox.traceFile())}});
    if (!ended.whole || !ended.said.isEmpty())
        qFatal("the scenario fails without faults: %s", qPrintable(ended.said));
    const auto trace = io::readTextFile(sandbox.traceFile());
    std::map<QString, int> most;
    for (std::size_t at = trace->find("counts "); at != std::string::npos; at = trace->find("counts ", at + 1)) {
        const QStringList numbers = QString::fromStdString(trace->substr(at, 60)).split(u' ');
        for (int i = 0; const char* name : {"write", "sync", "rename", "open", "truncate"}) {
            int& count = most[QString::fromLatin1(name)];
            count = std::max(count, QString::fromStdString(numbers[++i].toStdString().c_str()).toInt());
        }
    }
    return most;
}

std::vector<Fault> allFaults() {
    std::vector<Fault> faults;
    for (const auto& [call, count] : countCalls()) {
        std::vector<int> errors{ENOSPC, EIO};
        if (call == QStringLiteral("write"))
            errors.push_back(0);
        for (int at = 1; at <= count + 1; ++at) { // one more than there are: calls after a failure
            for (const int error : errors)
                for (const bool always : {false, true})
                    faults.push_back({call, at, error, always});
            if (call != QStringLiteral("rename"))
                faults.push_back({call, at, EINTR, false}); // an interruption that never ends is none
        }
    }
    return faults;
}

} // namespace

class TestFaults : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void everyCallFails() {
        std::vector<Fault> faults = allFaults();
        const auto all = faults.size();
        QVERIFY2(all > 200, qPrintable(QString::number(all)));
        if (!qEnvironmentVariableIsSet("CREST_FULL")) {
            std::mt19937 random(20261122);
            std::shuffle(faults.begin(), faults.end(), random);
            faults.resize(60);
        }
        int failed = 0, acknowledged = 0;
        for (const Fault& fault : faults) {
            const test::FaultSandbox sandbox;
            const auto ended = sandbox.run(
                {{QStringLiteral("CREST_FAULT_CALL"), fault.call},
                 {QStringLiteral("CREST_FAULT_AT"), QString::number(fault.at)},
                 {QStringLiteral("CREST_FAULT_ERROR"), QString::number(fault.error)},
                 {QStringLiteral("CREST_FAULT_ALWAYS"), fault.always ? QStringLiteral("1") : QStringLiteral("0")}});
            const QByteArray context = (fault.text() + u'\n' + ended.said).toUtf8();
            QVERIFY2(ended.whole, context.constData());
            for (const QString& line : ended.said.split(u'\n', Qt::SkipEmptyParts)) {
                QVERIFY2(line.contains(QString::fromStdString(sandbox.study().string())), context.constData());
                ++failed;
            }
            const auto acks = io::readTextFile(sandbox.acksFile());
            const std::set<std::string> keys = acks ? test::linesOf(*acks) : std::set<std::string>();
            acknowledged += static_cast<int>(keys.size());
            const std::string wrong = test::whatIsWrong(sandbox.study(), keys);
            QVERIFY2(wrong.empty(), (context + wrong.c_str()).constData());
            for (const auto& entry : std::filesystem::recursive_directory_iterator(sandbox.study()))
                QVERIFY2(entry.path().extension() != ".tmp", (context + entry.path().c_str()).constData());
            const std::string kept = test::whatKeepsItFromGoingOn(sandbox.study());
            QVERIFY2(kept.empty(), (context + kept.c_str()).constData());
        }
        qInfo("%zu of %zu faults, %d failures said, %d results acknowledged, none lost", faults.size(), all, failed,
              acknowledged);
        QVERIFY(failed > static_cast<int>(faults.size()) / 4);
        QVERIFY(acknowledged > static_cast<int>(faults.size()));
    }
};

QTEST_GUILESS_MAIN(TestFaults)
#include "tst_faults.moc"
