// SPDX-License-Identifier: Apache-2.0
// Journals from anywhere, within limits of time and memory.
#include <QtTest>

#include "core/study/journal_line.h"
#include "core/study/journal_writer.h"
#include "tests/core/study/journal_rows.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::study;
using namespace crest::test;
namespace fs = std::filesystem;

class JournalHostileTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// Journals from anywhere: decided in 2 s, and in their size and 64 MB.
    void hostileJournalsEnd_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("told");
        const auto line = [](const std::string& json) { return hex(crc32c(json), 8) + " " + json + "\n"; };
        const auto times = [](const std::string& unit, std::size_t size) {
            std::string all;
            while (all.size() < size)
                all += unit;
            return all;
        };
        const auto add = [](const char* name, const std::string& text, int told) {
            QTest::newRow(name) << QByteArray::fromStdString(text) << told;
        };
        add("line ends", std::string(16'000'000, '\n'), 101);
        add("short lines", times("ab\n", 16'000'000), 101);
        add("lines without a checksum", times("0123456789abc\n", 16'000'000), 101);
        add("wrong checksums", times("01234567 {}\n", 16'000'000), 101);
        add("an endless line", std::string(60'000'000, 'a'), 1);
        add("a line beyond all length", std::string(60'000'000, 'a') + "\n", 1);
        add("a long line that is right", line("[\"" + std::string(1'500'000, 'a') + "\"]"), 1);
        add("zeros", std::string(40'000'000, '\0'), 1);
        add("empty objects", times(line("[" + times("{},", 990'000) + "{}]"), 8'000'000), 9);
        add("entries", times(line("[" + times("{\"a\":0},", 990'000) + "{}]"), 8'000'000), 9);
        add("numbers", times(line("[" + times("0,", 990'000) + "0]"), 8'000'000), 9);
        add("brackets", times(line(std::string(990'000, '[')), 8'000'000), 9);
        add("other types of lines", formatHeaderLine("r") + times(line("{\"type\":\"\"}"), 4'000'000), 101);
    }
    void hostileJournalsEnd() {
        QFETCH(QByteArray, text);
        QFETCH(int, told);
        JournalFolder folder;
        spill(folder.journal / "w.jsonl", text.toStdString());
        const auto size = static_cast<std::size_t>(text.size());
        text = QByteArray();
        std::vector<ReadProblem> problems;
        std::size_t rows = 1;
        const std::string over = beyondLimits(spentBy([&] { rows = folder.read(&problems).size(); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(rows, std::size_t{0});
        QCOMPARE(problems.size(), static_cast<std::size_t>(told));
        for (const ReadProblem& problem : problems)
            QVERIFY(problem.message.size() < 500);
    }

    /// Many lines that show the same arrays would be as many copies of them.
    void arraysBelongToOneResult() {
        JournalFolder folder;
        ResultRow row = rowOf(0);
        row.sequenceNats.assign(1'000'000, 1.5f);
        row.sequenceTokens.assign(1'000'000, 7);
        {
            JournalWriter writer(folder.journal, "w");
            QVERIFY(writer.commit({&row, 1}));
        }
        const std::string text = slurp(folder.journal / "w.jsonl");
        const std::string line = text.substr(text.find('\n') + 1);
        {
            std::ofstream out(folder.journal / "w.jsonl", std::ios::app);
            for (int i = 0; i < 2'000; ++i)
                out << line;
        }
        const std::size_t size = fs::file_size(folder.journal / "w.jsonl") + fs::file_size(folder.journal / "w.bin");
        std::vector<ReadProblem> problems;
        std::vector<ResultRow> rows;
        const std::string over = beyondLimits(spentBy([&] { rows = folder.read(&problems); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(rows.size(), std::size_t{2}); // as many as the file could hold: its tokens are as long as its losses
        QVERIFY(rows[0] == row);
        QCOMPARE(problems.size(), std::size_t{101});
        QVERIFY2(problems[0].message.find("those of earlier results") != std::string::npos, problems[0].message.c_str());
    }

    /// What rows share of a suite's task is no longer than what each has for itself.
    void sharedArraysFitTheirRow() {
        JournalFolder folder;
        const auto line = [](const std::string& json) { return hex(crc32c(json), 8) + " " + json + "\n"; };
        ResultRow row = rowOf(4);
        {
            JournalWriter writer(folder.journal, "w");
            QVERIFY(writer.commit({&row, 1}));
        }
        const std::string text = slurp(folder.journal / "w.jsonl");
        const std::size_t begin = text.find('\n') + 1;
        Json json = Json::parse(text.substr(begin + 9));
        for (const char* name : {"documents", "requests", "gold", "request_tokens", "text_lengths"}) {
            Json wrong = json;
            wrong["outcome"][name]["count"] = 90'000'000;
            spill(folder.journal / "w.jsonl", text.substr(0, begin) + line(canonicalJson(wrong)));
            std::vector<ReadProblem> problems;
            QCOMPARE(folder.read(&problems).size(), std::size_t{0});
            QCOMPARE(problems.size(), std::size_t{1});
        }
        spill(folder.journal / "w.jsonl", text.substr(0, begin) + line(canonicalJson(json)));
        QCOMPARE(folder.read().size(), std::size_t{1});
    }

    /// A line that is longer than a chunk of the file, between others.
    void longLinesAreLeftAlone() {
        JournalFolder folder;
        JournalWriter writer(folder.journal, "w");
        QVERIFY(writer.commit(rowsOf(0, 2)));
        JournalReader reader(folder.journal, folder.runners);
        QCOMPARE(reader.poll()->size(), std::size_t{2});
        std::ofstream(folder.journal / "w.jsonl", std::ios::app) << std::string(9'000'000, 'x');
        QVERIFY(reader.poll()->empty());
        QCOMPARE(reader.problems().size(), std::size_t{1}); // torn, until it ends
        std::ofstream(folder.journal / "w.jsonl", std::ios::app) << "\n";
        QVERIFY(reader.poll()->empty());
        QVERIFY(writer.commit(rowsOf(2, 2)));
        const auto rows = reader.poll();
        QCOMPARE(rows->size(), std::size_t{2});
        QVERIFY(rows->front() == rowOf(2));
        QCOMPARE(reader.positions().at("w.jsonl").lines, std::int64_t{6});
        QCOMPARE(reader.positions().at("w.jsonl").bytes, static_cast<std::int64_t>(fs::file_size(folder.journal / "w.jsonl")));
    }
};

QTEST_APPLESS_MAIN(JournalHostileTest)
#include "tst_journal_hostile.moc"
