// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include <QTemporaryDir>
#include <QTest>

#include "core/data/texts.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::data;

using Documents = text::TextList;

class TextsTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void jsonl() {
        const auto texts = parseTexts("{\"text\":\"one\",\"id\":3}\n\n{\"text\":\"t\\u00fc\\nx\"}\r\n{\"text\":\"\"}",
                                      "a.jsonl", TextFormat::Jsonl);
        QVERIFY(texts);
        QCOMPARE(texts->documents, (Documents{"one", "t\xC3\xBC\nx"}));
        QCOMPARE(texts->bytes, std::int64_t(3 + 5));
        QCOMPARE(texts->badLines, std::int64_t(0));
    }

    void anotherField() {
        ReadOptions options;
        options.field = "content";
        const auto texts = parseTexts("{\"content\":\"one\",\"text\":\"two\"}", "a.jsonl", TextFormat::Jsonl, options);
        QVERIFY(texts);
        QCOMPARE(texts->documents, Documents{"one"});
    }

    void badLinesAreCountedThenRefused() {
        std::string content;
        for (int i = 0; i < 300; ++i)
            content += i == 41 ? "{\"text\":7}\n" : i == 99 ? "not json\n" : "{\"text\":\"x\"}\n";
        const auto texts = parseTexts(content, "a.jsonl", TextFormat::Jsonl);
        QVERIFY(texts);
        QCOMPARE(texts->documents.size(), std::size_t(298));
        QCOMPARE(texts->badLines, std::int64_t(2));
        QCOMPARE(texts->badExamples.at(0).line, std::int64_t(42));
        QCOMPARE(texts->badExamples.at(1).line, std::int64_t(100));
        ReadOptions strict;
        strict.maxBadShare = 0.005;
        const auto refused = parseTexts(content, "a.jsonl", TextFormat::Jsonl, strict);
        QVERIFY(!refused);
        QCOMPARE(refused.error().kind, ErrorKind::Malformed);
        QVERIFY2(refused.error().message.find("line 42") != std::string::npos, refused.error().message.c_str());
    }

    void paragraphs() {
        const auto texts =
            parseTexts("\xEF\xBB\xBFone\r\nstill one\r\n\r\n \t\n\ntwo\n", "a.txt", TextFormat::Paragraphs);
        QVERIFY(texts);
        QCOMPARE(texts->documents, (Documents{"one\nstill one", "two"}));
    }

    void wholeFile() {
        const auto texts = parseTexts("one\r\n\r\ntwo\n", "a.txt", TextFormat::WholeFile);
        QVERIFY(texts);
        QCOMPARE(texts->documents, Documents{"one\n\ntwo\n"});
        QCOMPARE(parseTexts("one\n\ntwo", "a.txt", TextFormat::WholeFile)->documents, Documents{"one\n\ntwo"});
    }

    void refused_data() {
        QTest::addColumn<std::string>("content");
        QTest::addColumn<int>("format");
        QTest::addColumn<std::string>("says");
        const auto row = [](const char* name, std::string content, TextFormat format, const char* says) {
            QTest::newRow(name) << std::move(content) << static_cast<int>(format) << std::string(says);
        };
        row("empty", "", TextFormat::Jsonl, "empty");
        row("mark only", "\xEF\xBB\xBF", TextFormat::Paragraphs, "empty");
        row("blank", " \n\n\t\n", TextFormat::Paragraphs, "no text");
        row("blank whole", " \n", TextFormat::WholeFile, "no text");
        row("text as JSONL", "Call me Ishmael.\n", TextFormat::Jsonl, "line 1");
        row("a list", "[1]\n", TextFormat::Jsonl, "object");
        row("other field", "{\"body\":\"x\"}\n", TextFormat::Jsonl, "\"text\"");
        row("only empty texts", "{\"text\":\"\"}\n", TextFormat::Jsonl, "no line with text");
        row("broken UTF-8", "good\nbad \xE9t\xE9\n", TextFormat::Paragraphs, "line 2");
        row("zip", std::string("PK\x03\x04\xFF\xFE", 6), TextFormat::WholeFile, "UTF-8");
    }

    void refused() {
        QFETCH(std::string, content);
        QFETCH(int, format);
        QFETCH(std::string, says);
        const auto texts = parseTexts(content, "some/file", static_cast<TextFormat>(format));
        QVERIFY(!texts);
        QCOMPARE(texts.error().kind, ErrorKind::Malformed);
        QCOMPARE(texts.error().where, std::string("some/file"));
        QVERIFY2(texts.error().message.find(says) != std::string::npos, texts.error().message.c_str());
    }

    void hostile_data() {
        QTest::addColumn<std::string>("content");
        const auto many = [](const char* unit, std::size_t size) {
            std::string text;
            while (text.size() < size)
                text += unit;
            return text;
        };
        QTest::newRow("one endless line") << std::string(40'000'000, 'a');
        QTest::newRow("a text without end") << "{\"text\":\"" + std::string(7'900'000, 'a');
        QTest::newRow("a text beyond all length") << "{\"text\":\"" + std::string(40'000'000, 'a') + "\"}";
        QTest::newRow("objects") << "{\"text\":[" + many("{},", 7'900'000) + "0]}";
        QTest::newRow("brackets") << std::string(7'900'000, '[');
        QTest::newRow("names") << "{\"" + std::string(7'900'000, 'x');
        QTest::newRow("a number without end") << "{\"text\":" + std::string(7'900'000, '1');
        QTest::newRow("short broken lines") << many("{}}\n", 8'000'000);
        QTest::newRow("broken lines after good ones")
            << many("{\"text\":\"x\"}\n", 4'000'000) + many("{}}\n", 12'000'000);
        QTest::newRow("empty lines") << std::string(40'000'000, '\n');
        QTest::newRow("empty texts") << many("{\"text\":\"\"}\n", 10'000'000);
        QTest::newRow("zeros") << std::string(40'000'000, '\0');
    }
    void hostile() {
        QFETCH(std::string, content);
        QTemporaryDir folder;
        const std::filesystem::path file = folder.path().toStdString() + "/x.jsonl";
        std::ofstream(file, std::ios::binary) << content;
        const std::size_t size = content.size();
        content = std::string();
        Result<Texts> texts = fail(ErrorKind::Internal, "not tried");
        const std::string over = test::beyondLimits(test::spentBy([&] { texts = readTexts(file); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(!texts);
        QVERIFY2(texts.error().message.size() < 500, texts.error().message.substr(0, 500).c_str());
    }

    /// The file is not held beside what is in it.
    void memoryIsThatOfTheDocuments() {
        QTemporaryDir folder;
        const std::filesystem::path path = folder.path().toStdString();
        const std::string text(2'000, 'x');
        for (const char* name : {"x.jsonl", "x.txt"}) {
            {
                std::ofstream out(path / name);
                for (int i = 0; i < 30'000; ++i)
                    out << (path / name == path / "x.txt" ? text + "\n\n" : "{\"text\":\"" + text + "\"}\n");
            }
            Result<Texts> texts = fail(ErrorKind::Internal, "not tried");
            const test::Spent spent = test::spentBy([&] { texts = readTexts(path / name); });
            QVERIFY(texts && texts->documents.size() == 30'000);
            QVERIFY2(spent.megabytes < 90, qPrintable(QString("%1: %2 MB for documents of 60 MB").arg(name).arg(spent.megabytes)));
        }
        ReadOptions whole;
        whole.format = TextFormat::WholeFile;
        const test::Spent spent = test::spentBy([&] { QVERIFY(readTexts(path / "x.txt", whole)); });
        QVERIFY2(spent.megabytes < 90, qPrintable(QString::number(spent.megabytes)));
    }

    /// Millions of documents of a byte are no more than their file.
    void tinyDocumentsAreCompact_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("unit");
        QTest::addColumn<int>("count");
        QTest::newRow("JSONL") << "x.jsonl" << QByteArray("{\"text\":\"x\"}\n") << 1'000'000;
        QTest::newRow("paragraphs") << "x.txt" << QByteArray("x\n\n") << 8'000'000;
        QTest::newRow("short paragraphs") << "x.txt" << QByteArray(300, 'x') + "\n\n" << 100'000;
    }
    void tinyDocumentsAreCompact() {
        QFETCH(QString, name);
        QFETCH(QByteArray, unit);
        QFETCH(int, count);
        QTemporaryDir folder;
        const std::filesystem::path file = folder.filePath(name).toStdString();
        {
            std::ofstream out(file, std::ios::binary);
            for (int i = 0; i < count; ++i)
                out.write(unit.data(), unit.size());
        }
        Result<Texts> texts = fail(ErrorKind::Internal, "not tried");
        const test::Spent spent = test::spentBy([&] { texts = readTexts(file); });
        QVERIFY(texts && texts->documents.size() == std::size_t(count));
        QVERIFY(texts->documents[0] == texts->documents[std::size_t(count) - 1]);
        const double most = 8 + 1e-6 * double(unit.size()) * count;
        QVERIFY2(spent.megabytes < most, qPrintable(QString("%1 MB, at most %2").arg(spent.megabytes).arg(most)));
    }

    void listsHoldTextsOfAnyLength() {
        std::vector<std::string> texts;
        for (const int length : {0, 1, 126, 127, 128, 129, 255, 256, 4094, 4095, 4096, 4097, 70'000})
            for (int i = 0; i < 40; ++i)
                texts.push_back(std::string(static_cast<std::size_t>(length * (1 + i % 3) / 3), static_cast<char>(length + i)));
        for (int i = 0; i < 3'000; ++i) // beyond one block
            texts.push_back(std::string(static_cast<std::size_t>(i) * 977 % 4'500, static_cast<char>(i)));
        text::TextList list;
        for (const std::string& text : texts)
            list.push_back(text);
        QCOMPARE(list.size(), texts.size());
        const text::TextsView strings = texts, view = list;
        for (std::size_t i = texts.size(); i-- > 0;)
            QVERIFY(list[i] == texts[i] && view[i] == texts[i] && strings[i] == texts[i]);
        QCOMPARE(textsHash(list), textsHash(texts));
        const text::TextList moved = std::move(list);
        QVERIFY(moved[texts.size() - 1] == texts.back() && !(moved == text::TextList{"a"}));
        QVERIFY((text::TextList{"a", "b"} == text::TextList{"a", "b"}) && !(text::TextList{"a", "b"} == text::TextList{"a", "c"}));
        QVERIFY(text::TextList().empty());
    }

    /// Pieces end anywhere: the same as in one.
    void longFilesAreReadInPieces() {
        QTemporaryDir folder;
        const std::filesystem::path path = folder.path().toStdString();
        std::string lines = "\xEF\xBB\xBF", paragraphs;
        std::size_t count = 0;
        for (; lines.size() < 3'500'000; ++count) {
            const std::string text = std::string(count * 37 % 90'000, 'a') + "\xC3\xA9";
            lines += "{\"text\":\"" + text + "\"}\r\n";
            paragraphs += text + "\r\nb\r\n\r\n";
        }
        for (const auto& [content, format] : {std::pair(lines, TextFormat::Jsonl), std::pair(paragraphs, TextFormat::Paragraphs),
                                              std::pair(paragraphs, TextFormat::WholeFile)}) {
            std::ofstream(path / "x", std::ios::binary) << content;
            ReadOptions options;
            options.format = format;
            const auto read = readTexts(path / "x", options), parsed = parseTexts(content, "x", format);
            QVERIFY(read && parsed && read->documents == parsed->documents);
            QCOMPARE(read->documents.size(), format == TextFormat::WholeFile ? std::size_t{1} : count);
            QCOMPARE(read->contentHash, parsed->contentHash);
        }
    }

    void longTextsHaveCommas() {
        std::string text;
        while (text.size() < 2'000'000)
            text += "one, two; [three], {four}, \\\"five\\\", ";
        const auto texts = parseTexts("{\"text\":\"" + text + "\"}", "a.jsonl", TextFormat::Jsonl);
        QVERIFY2(texts, texts ? "" : texts.error().text().c_str());
        QCOMPARE(texts->documents.size(), std::size_t{1});
    }

    void hashFollowsDocumentsOnly() {
        const auto lines = parseTexts("{\"text\":\"one\"}\n{\"text\":\"two\"}\n", "a.jsonl", TextFormat::Jsonl);
        const auto paragraphs = parseTexts("one\r\n\r\ntwo\r\n", "b.txt", TextFormat::Paragraphs);
        const auto joined = parseTexts("{\"text\":\"onetwo\"}\n", "c.jsonl", TextFormat::Jsonl);
        const auto flipped = parseTexts("{\"text\":\"one\"}\n{\"text\":\"twp\"}\n", "a.jsonl", TextFormat::Jsonl);
        QVERIFY(lines && paragraphs && joined && flipped);
        QCOMPARE(lines->contentHash, paragraphs->contentHash);
        QVERIFY(lines->contentHash != joined->contentHash);
        QVERIFY(lines->contentHash != flipped->contentHash);
    }

    void filesByName() {
        QTemporaryDir folder;
        const std::filesystem::path base = folder.path().toStdString();
        std::ofstream(base / "a.jsonl") << "{\"text\":\"one\"}\n";
        std::ofstream(base / "a.txt") << "one\n\ntwo\n";
        QCOMPARE(readTexts(base / "a.jsonl")->documents, Documents{"one"});
        QCOMPARE(readTexts(base / "a.txt")->documents, (Documents{"one", "two"}));
        QCOMPARE(readTexts(base / "a.txt")->name, std::string("a.txt"));
        QCOMPARE(readTexts(base / "missing.txt").error().kind, ErrorKind::NotFound);
        ReadOptions small;
        small.maxBytes = 3;
        QVERIFY(!readTexts(base / "a.txt", small));
    }
};

QTEST_APPLESS_MAIN(TextsTest)
#include "tst_texts.moc"
