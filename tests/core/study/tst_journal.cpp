// SPDX-License-Identifier: Apache-2.0
#include <QTemporaryDir>
#include <QtTest>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>

#include <unistd.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/study/journal_line.h"
#include "core/study/journal_reader.h"
#include "core/study/journal_writer.h"
#include "tests/core/study/journal_rows.h"

using namespace crest;
using namespace crest::study;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

enum class Fault { NoSpace, IoError, Interrupted, Short, ShortThenNoSpace };
enum class Call { Write, Sync, Truncate };

/// The n-th call of one kind (from 0) goes wrong, or all from the n-th on.
struct Faulty {
    Call call;
    Fault fault;
    int nth;
    bool persistent;
    int seen = 0, hit = 0;

    bool now(Call made) {
        if (made != call)
            return false;
        const int index = seen++;
        const bool wrong = index == nth || (persistent && index > nth);
        hit += wrong;
        return wrong;
    }
    FileCalls calls() {
        return {[this](int file, const void* data, std::size_t size) -> ssize_t {
                    if (!now(Call::Write))
                        return ::write(file, data, size);
                    if (fault == Fault::Short || (fault == Fault::ShortThenNoSpace && seen % 2 == 1))
                        return ::write(file, data, std::max<std::size_t>(1, size / 2));
                    errno = fault == Fault::IoError ? EIO : fault == Fault::Interrupted && !persistent ? EINTR : ENOSPC;
                    return -1;
                },
                [this](int) {
                    if (!now(Call::Sync))
                        return 0; // this test is about failing calls, not about the disk: no need to wait for it
                    errno = EIO;
                    return -1;
                },
                [this](int file, off_t size) {
                    if (!now(Call::Truncate))
                        return ::ftruncate(file, size);
                    errno = EIO;
                    return -1;
                }};
    }
};

} // namespace

class TestJournal : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void lineHasChecksumOfItsJson() {
        // CRC-32C of "[1,2]" by an independent bitwise implementation (reflected polynomial 82f63b78).
        std::uint32_t crc = 0xffffffff;
        for (const char c : std::string("[1,2]")) {
            crc ^= static_cast<unsigned char>(c);
            for (int bit = 0; bit < 8; ++bit)
                crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u);
        }
        char expected[20];
        std::snprintf(expected, sizeof expected, "%08x [1,2]\n", ~crc);
        QCOMPARE(formatLine(Json::array({1, 2})), std::string(expected));
    }

    void rowsComeBackAsTheyWere() {
        JournalFolder folder;
        auto rows = rowsOf(0, 20);
        rows[3].value = std::numeric_limits<double>::quiet_NaN();
        rows[3].cause = "overflow";
        rows[5].sequenceNats.clear();
        rows[5].sequenceTokens.clear();
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit({rows.data(), 12}));
        QVERIFY(writer.commit({rows.data() + 12, 8}));
        const auto read = folder.read();
        QCOMPARE(read.size(), rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (i == 3)
                QVERIFY(std::isnan(read[i].value) && read[i].cause == "overflow" &&
                        read[i].sequenceNats == rows[i].sequenceNats);
            else
                QVERIFY(read[i] == rows[i]);
        // Equal counts are stored once: 15 x 5 nats, 5 counts, 4 bytes each (the empty row has none); of the 4 outcomes
        // each its 3 losses, 2 text lengths, and bytes of 3 flags and 5 of text, of two 4 values; once: 2 weights, 3
        // token counts, 2 counts of requests, 2 documents, 2 right answers.
        QCOMPARE(fs::file_size(folder.journal / "w.bin"),
                 std::uintmax_t{(15 * 5 + 5) * 4 + 4 * ((3 + 2) * 4 + 3 + 5) + 2 * 4 * 4 + (2 + 3 + 2 + 2 + 2) * 4});
    }

    void outcomesThatContradictThemselvesAreSkipped() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        std::vector<ResultRow> rows(6, rowOf(4));
        rows[0].outcome.metrics[1].itemWeights = {1};
        rows[1].outcome.details.itemRequests = {2, 2};
        rows[2].outcome.details.texts.pop_back();
        rows[3].outcome.details.itemRequests = {4, -1};
        rows[4].outcome.metrics[0].itemValues.push_back(1);
        QVERIFY(writer.commit(rows));
        std::vector<ReadProblem> problems;
        const auto read = folder.read(&problems);
        QCOMPARE(problems.size(), std::size_t{5});
        QCOMPARE(read.size(), std::size_t{1});
        QVERIFY(read[0] == rows[5]);
    }

    /// A journal as Crest 0.1 wrote it.
    void oldJournalsStayReadable() {
        JournalFolder folder;
        const float nats[] = {1.5f, 2.5f};
        const std::int32_t tokens[] = {3, 4};
        std::string arrays(reinterpret_cast<const char*>(nats), sizeof nats);
        arrays.append(reinterpret_cast<const char*>(tokens), sizeof tokens);
        spill(folder.journal / "old.bin", arrays);
        const auto line = [](const std::string& json) { return hex(crc32c(json), 8) + " " + json + "\n"; };
        const auto array = [&](std::size_t offset) {
            return "{\"count\":2,\"crc\":\"" + hex(crc32c(std::string_view(arrays).substr(offset, 8)), 8) +
                   "\",\"offset\":" + std::to_string(offset) + "}";
        };
        spill(
            folder.journal / "old.jsonl",
            line(R"({"created_at":"2026-11-22T17:53:00.000Z","format":1,"producer":"crest 0.1","runner":"r","seq":0,)"
                 R"("type":"journal"})") +
                line(
                    R"({"nats":)" + array(0) +
                    R"(,"result":{"cached_at":"","cause":"","checkpoint":"c","compute":"float32","device":"cpu","key":"k",)"
                    R"("metric":"loss","modification":"none","n":2,"noise_scale":"","numerics":2,"pretrain_seed":null,)"
                    R"("run":"","scored_tokens":7,"seed":0,"series":"s","stderr":"NaN","step":null,"strength":0.0,)"
                    R"("task":"t","task_hash":"h","threads":1,"tokens":null,"unit":"nats/token","value":0.5,)"
                    R"("weights":"w"},"seq":1,"tokens":)" +
                    array(8) + R"(,"type":"result"})"));
        std::vector<ReadProblem> problems;
        const auto rows = folder.read(&problems);
        QVERIFY2(problems.empty(), problems.empty() ? "" : problems[0].message.c_str());
        QCOMPARE(rows.size(), std::size_t{1});
        QVERIFY(!rows[0].hasOutcome() && rows[0].sequenceNats == std::vector<float>(nats, nats + 2) &&
                rows[0].sequenceTokens == std::vector<std::int32_t>(tokens, tokens + 2) && rows[0].value == 0.5);
    }

    void readerTakesOnlyWhatIsNew() {
        JournalFolder folder;
        JournalWriter one(folder.journal, "one"), two(folder.journal, "two");
        JournalReader reader(folder.journal, folder.runners);
        QVERIFY(reader.poll()->empty());
        QVERIFY(one.commit(rowsOf(0, 3)));
        QCOMPARE(reader.poll()->size(), std::size_t{3});
        QVERIFY(one.commit(rowsOf(3, 1)));
        QVERIFY(two.commit(rowsOf(4, 2)));
        QCOMPARE(reader.poll()->size(), std::size_t{3});
        QVERIFY(reader.poll()->empty());
        JournalReader later(folder.journal, folder.runners);
        later.startAt(reader.positions());
        QVERIFY(two.commit(rowsOf(6, 1)));
        const auto rest = later.poll();
        QCOMPARE(rest->size(), std::size_t{1});
        QVERIFY(rest->front() == rowOf(6));
        QVERIFY(later.problems().empty());
    }

    void tornTailIsDroppedAndReported() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 4)));
        const std::string whole = slurp(folder.journal / "w.jsonl");
        const std::size_t lastLine = whole.rfind('\n', whole.size() - 2) + 1;
        for (std::size_t cut = lastLine; cut < whole.size(); cut += 7) {
            spill(folder.journal / "w.jsonl", whole.substr(0, cut));
            std::vector<ReadProblem> problems;
            QCOMPARE(folder.read(&problems).size(), std::size_t{3});
            QCOMPARE(problems.size(), std::size_t{cut > lastLine ? 1u : 0u});
            if (cut > lastLine)
                QVERIFY(problems[0].where.find("w.jsonl, line 5") != std::string::npos &&
                        problems[0].message.find("torn") != std::string::npos);
        }
    }

    void livingWritersTailIsNoProblem() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 2)));
        std::ofstream(folder.journal / "w.jsonl", std::ios::app) << "0123";
        const auto lock = io::FileLock::tryLock(folder.runners / "w.lock");
        QVERIFY(lock);
        std::vector<ReadProblem> problems;
        QCOMPARE(folder.read(&problems).size(), std::size_t{2});
        QVERIFY(problems.empty());
        std::filesystem::remove(folder.runners / "w.lock");
        std::filesystem::create_symlink("w.lock", folder.runners / "w.lock"); // it cannot be told: it may live
        QCOMPARE(folder.read(&problems).size(), std::size_t{2});
        QVERIFY(problems.empty());
    }

    void anyFlippedByteCostsItsLineOnly() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 3)));
        const std::string whole = slurp(folder.journal / "w.jsonl");
        const std::size_t second = whole.find('\n', whole.find('\n') + 1) + 1, third = whole.find('\n', second) + 1;
        for (std::size_t at = second; at < third - 1; at += 3) { // the second result's line
            std::string bad = whole;
            bad[at] = static_cast<char>(bad[at] ^ 0x04);
            spill(folder.journal / "w.jsonl", bad);
            std::vector<ReadProblem> problems;
            const auto rows = folder.read(&problems);
            // A flip can make a newline out of a byte: then the line is bad in two pieces.
            QCOMPARE(rows.size(), std::size_t{2});
            QVERIFY(!problems.empty() && problems[0].where == "w.jsonl, line 3");
            QVERIFY(rows[0] == rowOf(0) && rows[1] == rowOf(2));
        }
    }

    void damagedArraysAreNoticed() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 3)));
        std::string bytes = slurp(folder.journal / "w.bin");
        bytes[1] = static_cast<char>(bytes[1] ^ 1); // nats of the first row
        spill(folder.journal / "w.bin", bytes);
        std::vector<ReadProblem> problems;
        QCOMPARE(folder.read(&problems).size(), std::size_t{2});
        QCOMPARE(problems.size(), std::size_t{1});
        spill(folder.journal / "w.bin", bytes.substr(0, 10));
        QCOMPARE(folder.read().size(), std::size_t{0});
        fs::remove(folder.journal / "w.bin");
        QCOMPARE(folder.read(&problems).size(), std::size_t{0});
        QCOMPARE(problems.size(), std::size_t{3});
    }

    void hostileLinesAreErrors_data() {
        QTest::addColumn<QByteArray>("payload");
        QTest::newRow("offset beyond the file")
            << QByteArray(R"("nats":{"offset":9000000000000000000,"count":5,"crc":"00000000"})");
        QTest::newRow("count") << QByteArray(R"("nats":{"offset":0,"count":100000000,"crc":"00000000"})");
        QTest::newRow("negative") << QByteArray(R"("nats":{"offset":-4,"count":5,"crc":"00000000"})");
        QTest::newRow("crc") << QByteArray(R"("nats":{"offset":0,"count":5,"crc":"0000000G"})");
        QTest::newRow("outcome of another type") << QByteArray(R"("outcome":7)");
        QTest::newRow("outcome without arrays") << QByteArray(R"("outcome":{"metrics":[]})");
        QTest::newRow("lengths differ") << QByteArray(R"("nats":{"offset":0,"count":4,"crc":"00000000"})");
    }
    void hostileLinesAreErrors() {
        QFETCH(QByteArray, payload);
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 1)));
        std::string text = slurp(folder.journal / "w.jsonl");
        const std::size_t begin = text.find('\n') + 1;
        std::string json = text.substr(begin + 9, text.size() - begin - 10);
        const std::size_t at = json.find("\"nats\":"), end = json.find('}', at);
        json.replace(at, end - at + 1, payload.toStdString());
        spill(folder.journal / "w.jsonl",
              text.substr(0, begin) + hex(crc32c(json), 8) + " " + json + "\n"); // its checksum is right
        std::vector<ReadProblem> problems;
        QCOMPARE(folder.read(&problems).size(), std::size_t{0});
        QCOMPARE(problems.size(), std::size_t{1});
    }

    void everyFailingCallIsSurvived_data() {
        QTest::addColumn<int>("call");
        QTest::addColumn<int>("fault");
        for (const bool persistent : {false, true})
            for (const auto& [call, fault, name] :
                 {std::tuple{Call::Write, Fault::NoSpace, "write: no space"},
                  {Call::Write, Fault::IoError, "write: EIO"},
                  {Call::Write, Fault::Interrupted, "write: EINTR"},
                  {Call::Write, Fault::Short, "write: short"},
                  {Call::Write, Fault::ShortThenNoSpace, "write: short, then no space"},
                  {Call::Sync, Fault::IoError, "sync: EIO"}})
                QTest::addRow("%s, %s", name, persistent ? "from then on" : "once")
                    << static_cast<int>(call) << (static_cast<int>(fault) + (persistent ? 100 : 0));
    }
    /// For each n: the n-th call fails. Whatever commit() said is stored must be read back; after a failure that went
    /// away it must go on.
    void everyFailingCallIsSurvived() {
        QFETCH(int, call);
        QFETCH(int, fault);
        int faultsHit = 0;
        for (int nth = 0; nth < 24; ++nth)
            for (const bool truncateFails : {false, true}) {
                JournalFolder folder;
                Faulty faulty{static_cast<Call>(call), static_cast<Fault>(fault % 100), nth, fault >= 100};
                FileCalls calls = faulty.calls();
                if (truncateFails)
                    calls.truncate = [](int, off_t) {
                        errno = EIO;
                        return -1;
                    };
                JournalWriter writer(folder.journal, "w", calls);
                std::map<std::string, ResultRow> acknowledged;
                for (int group = 0; group < 5; ++group) {
                    const auto rows = rowsOf(group * 3, 3);
                    auto stored = writer.commit(rows);
                    if (!stored) {
                        QVERIFY(stored.error().kind == ErrorKind::NoSpace || stored.error().kind == ErrorKind::Io);
                        QVERIFY(stored.error().where.find("journal") != std::string::npos);
                        if (!faulty.persistent) { // gone: the same rows are taken now
                            stored = writer.commit(rows);
                            QVERIFY2(stored, stored ? "" : stored.error().text().c_str());
                        }
                    }
                    if (stored)
                        for (const ResultRow& row : rows)
                            acknowledged.emplace(row.key, row);
                }
                faultsHit += faulty.hit > 0;
                std::map<std::string, ResultRow> read;
                for (const ResultRow& row : folder.read())
                    read.emplace(row.key, row);
                for (const auto& [key, row] : acknowledged) {
                    QVERIFY2(read.contains(key), "an acknowledged result is lost");
                    QVERIFY(read.at(key) == row);
                }
                if (!faulty.persistent)
                    QCOMPARE(acknowledged.size(), std::size_t{15});
                if (!truncateFails && faulty.call == Call::Write)
                    for (const auto& [key, row] : read)
                        QVERIFY2(acknowledged.contains(key), "a result was stored that was never acknowledged");
            }
        QVERIFY2(faultsHit >= 16, "the faults never happened");
    }

    void aFailedSyncIsNeverTriedAgainOnTheSameFile() {
        JournalFolder folder;
        Faulty faulty{Call::Sync, Fault::IoError, 3, false};
        JournalWriter writer(folder.journal, "w", faulty.calls());
        QVERIFY(writer.commit(rowsOf(0, 2)));
        QCOMPARE(writer.fileName(), std::string("w.jsonl"));
        QVERIFY(writer.commit(rowsOf(2, 2)));
        QCOMPARE(writer.fileName(), std::string("w-2.jsonl"));
        QVERIFY(fs::exists(folder.journal / "w-2.bin"));
    }

    void aWriterNeverSharesItsFiles() {
        JournalFolder folder;
        JournalWriter one(folder.journal, "w"), two(folder.journal, "w");
        QVERIFY(one.commit(rowsOf(0, 1)));
        const std::string before = slurp(folder.journal / "w.jsonl");
        QVERIFY(!two.commit(rowsOf(1, 1)));
        QCOMPARE(slurp(folder.journal / "w.jsonl"), before);
    }
};

QTEST_APPLESS_MAIN(TestJournal)
#include "tst_journal.moc"
