// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include "core/base/base64.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/visible.h"

using namespace crest;

class TestBase : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sha256KnownAnswer() {
        // FIPS 180-4, example B.1.
        QCOMPARE(sha256Hex("abc"), std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        Sha256 parts;
        QCOMPARE(parts.update("a").update("bc").finishHex(), sha256Hex("abc"));
        QCOMPARE(parts.update("abc").finishHex(), sha256Hex("abc"));
    }
    void crcKnownAnswerAndParts() {
        QCOMPARE(crc32c("123456789"), 0xe3069283u);
        QCOMPARE(crc32c("6789", crc32c("12345")), 0xe3069283u);
    }
    void base64KnownAnswers() {
        // RFC 4648, section 10.
        const std::vector<std::pair<std::string, std::string>> known{{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
        for (const auto& [bytes, text] : known) {
            QCOMPARE(toBase64(bytes), text);
            QCOMPARE(fromBase64(text), std::optional(bytes));
        }
        for (const char* wrong : {"Zg", "Zg=", "Zh==", "Zg==Zg==", "Z===", "====", "Zm9v\n", "Zm9-", " Zm9v"})
            QVERIFY2(!fromBase64(wrong), wrong);
        std::string all;
        for (int i = 0; i < 256; ++i)
            all += static_cast<char>(i);
        QCOMPARE(fromBase64(toBase64(all)), std::optional(all));
    }
    /// What a terminal obeys is written out, all else stays: in UTF-8, C1 controls are two bytes, the second of which stands
    /// in other characters as well.
    void controlCharactersAreWrittenOut() {
        QCOMPARE(visible("a\nb\tc\rd"), std::string("a\\nb\\tc\\rd"));
        QCOMPARE(visible("\x1b[2J\x07\x7f"), std::string("\\x1b[2J\\x07\\x7f"));
        QCOMPARE(visible(std::string_view("\0", 1)), std::string("\\x00"));
        QCOMPARE(visible("\u009b31m\u0080\u009f"), std::string("\\x9b31m\\x80\\x9f"));
        for (const char* same : {"", "step1 = main", "C:\\new", "\u00a0", "\u00db", "\u65e5\u672c\u8a9e", "\U0001f600", "\xc2"})
            QCOMPARE(visible(same), std::string(same));
        const Error error{ErrorKind::NotFound, "There is no such file\033[2J.", "/a\nb"};
        QCOMPARE(error.text(), std::string("/a\\nb: There is no such file\\x1b[2J."));
    }
    void strictJsonRefuses_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("why");
        QTest::newRow("duplicate") << QByteArray(R"({"a":1,"a":2})") << QByteArray("twice");
        QTest::newRow("big integer") << QByteArray(R"([18446744073709551616])") << QByteArray("64 bits");
        QTest::newRow("depth") << QByteArray(100, '[') << QByteArray("deeper");
        QTest::newRow("truncated") << QByteArray(R"({"a":)") << QByteArray("byte 6");
        QTest::newRow("bad utf-8") << QByteArray("\"\xff\"") << QByteArray("not valid JSON at byte 2 (no UTF-8)");
    }
    void strictJsonRefuses() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, why);
        const auto parsed = parseJson(text.toStdString(), "file.json");
        QVERIFY(!parsed);
        QVERIFY2(QByteArray::fromStdString(parsed.error().text()).contains(why), parsed.error().text().c_str());
    }
    void jsonReadsBack() {
        const auto parsed = parseJson(R"({"b":[1,-2,0.1,{"c":null}],"a":true})", "x");
        QVERIFY(parsed);
        QCOMPARE(canonicalJson(*parsed), std::string(R"({"a":true,"b":[1,-2,0.1,{"c":null}]})"));
        QVERIFY(std::isnan(*numberFromJson(numberToJson(std::nan("")))));
    }
    void tokenLabels_data() {
        QTest::addColumn<double>("tokens");
        QTest::addColumn<QString>("label");
        const std::vector<std::pair<double, const char*>> rows{
            {5e5, "0.5M"},         {4e6, "4M"},          {1.5e9, "1.5B"},
            {3e12, "3T"},          {128, "128"},         {6.4e7, "64M"},
            {4.194304e6, "4.19M"}, {9.9999e8, "1B"},     {0, "0"},
            {2000, "2k"},          {999'424, "1M"},      {499'712, "0.5M"},
            {31'997'952, "32M"},   {63'999'999, "64M"},  {1'001'000, "1M"},
            {998'900, "0.999M"},   {1'006'000, "1.01M"}, {3.896e12, "3.9T"},
            {3.91e12, "3.91T"},    {999, "999"},         {1023, "1.02k"},
            {2.999e12, "3T"},
        };
        for (const auto& [tokens, label] : rows)
            QTest::newRow(qPrintable(QString::number(tokens, 'g', 12))) << tokens << label;
    }
    void tokenLabels() {
        QFETCH(double, tokens);
        QFETCH(QString, label);
        QCOMPARE(QString::fromStdString(formatTokens(tokens)), label);
    }
    void durations() {
        QCOMPARE(formatDuration(23.2), std::string("0:24"));
        QCOMPARE(formatDuration(11220), std::string("3:07:00"));
    }
};

QTEST_APPLESS_MAIN(TestBase)
#include "tst_base.moc"
