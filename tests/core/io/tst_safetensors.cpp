// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <fstream>
#include <functional>
#include <numeric>

#include "core/io/files.h"
#include "core/io/safetensors.h"
#include "tests/core/io/hostile_safetensors.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::io;

namespace {

std::span<const std::byte> bytesOf(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

} // namespace

class TestSafetensors : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void handMade_data() {
        QTest::addColumn<int>("row");
        int row = 0;
        for (const auto& file : test::handMadeFiles())
            QTest::newRow(file.name) << row++;
        QVERIFY(row >= 60);
    }
    void handMade() {
        QFETCH(int, row);
        const auto file = test::handMadeFiles()[static_cast<std::size_t>(row)];
        Result<SafetensorsHeader> header = fail(ErrorKind::Internal, "not tried");
        const auto parse = [&] {
            header = parseSafetensorsHeader(bytesOf(file.bytes), file.bytes.size(), "odd.safetensors");
        };
        const std::string over = test::beyondLimits(test::spentBy(parse), file.bytes.size());
        QVERIFY2(over.empty(), over.c_str());
        if (!file.message) {
            QVERIFY2(header, header ? "" : header.error().text().c_str());
            return;
        }
        QVERIFY(!header);
        QCOMPARE(header.error().kind, ErrorKind::Malformed);
        QCOMPARE(header.error().where, std::string("odd.safetensors"));
        QVERIFY2(header.error().message.find(file.message) != std::string::npos, header.error().message.c_str());
        QVERIFY2(header.error().message.size() < 400, "a hostile name must not flood the message");
    }
    void handMadeAsFilesSayTheSame() {
        QTemporaryDir folder;
        for (const auto& hand : test::handMadeFiles()) {
            const std::string path = folder.filePath("odd.safetensors").toStdString();
            std::ofstream(path, std::ios::binary)
                .write(hand.bytes.data(), static_cast<std::streamsize>(hand.bytes.size()));
            const auto header = readSafetensorsHeader(path);
            QVERIFY2(header.has_value() == (hand.message == nullptr), hand.name);
            if (std::string_view(hand.name) == "git-lfs pointer")
                QVERIFY(header.error().message.find("git lfs pull") != std::string::npos);
        }
    }
    void everyCutOfASoundFileIsRefused() {
        const std::string whole = test::safetensorsFile(
            R"({"w":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]},"v":{"dtype":"I64","shape":[],"data_offsets":[12,20]}})",
            20);
        QVERIFY(parseSafetensorsHeader(bytesOf(whole), whole.size(), "x"));
        for (std::size_t size = 0; size < whole.size(); ++size)
            QVERIFY2(!parseSafetensorsHeader(bytesOf(whole.substr(0, size)), size, "x"), std::to_string(size).c_str());
    }
    void bombsWithinMemoryAndTime_data() {
        QTest::addColumn<std::function<std::string()>>("make");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, std::function<std::string()> make, const char* says) {
            QTest::newRow(name) << std::move(make) << QString::fromLatin1(says);
        };
        constexpr std::size_t kMost = 49'000'000;
        const auto tensors = [](std::size_t count, const std::string& nameTail, const char* shape) {
            std::string text = "{";
            for (std::size_t i = 0; i < count && text.size() < kMost; ++i)
                text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + nameTail +
                        "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[0,0]}";
            return text + "}";
        };
        row("tensors without end", [=] { return tensors(140'000, "", "[0]"); }, "more than 131072 tensors");
        row("as many tensors as may be", [=] { return tensors(131'072, std::string(80, 'n'), "[0,1,1,1,1,1,1,1]"); },
            "");
        row("long names", [=] { return tensors(131'072, std::string(250, 'n'), "[0]"); }, "its names have more");
        row("one name many times", [] {
            std::string text = "{";
            for (int i = 0; i < 131'072; ++i)
                text += std::string(i > 0 ? "," : "") + R"("n":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
            return text + "}";
        }, "occurs twice");
        row("a name of 49 MB", [] { return "{\"" + std::string(kMost, 'n') + "\":{}}"; }, "without a quotation mark");
        row("a dtype of 49 MB", [] { return "{\"a\":{\"dtype\":\"" + std::string(kMost, 'n') + "\"}}"; },
            "without a quotation mark");
        row("dtypes", [] {
            std::string text = "{\"a\":{";
            while (text.size() < kMost - 4'000'000)
                text += "\"x\":\"" + std::string(3'900'000, 'n') + "\",";
            return text + "\"x\":0}}";
        }, "needs dtype");
        row("a number of 49 MB", [] { return "{\"a\":{\"shape\":[" + std::string(kMost, '1') + "]}}"; },
            "without a quotation mark");
        row("white space", [] { return "{" + std::string(kMost, ' ') + "}"; }, "without a quotation mark");
        row("a metadata value of 49 MB", [] { return "{\"__metadata__\":{\"k\":\"" + std::string(kMost, 'n') + "\"}}"; },
            "without a quotation mark");
        row("metadata values", [] {
            std::string text = "{\"__metadata__\":{\"k\":\"\"";
            for (int i = 0; text.size() < kMost; ++i)
                text += ",\"" + std::to_string(i) + "\":\"" + std::string(900'000, 'n') + "\"";
            return text + "}}";
        }, "__metadata__ has more than");
        row("metadata keys", [] {
            std::string text = "{\"__metadata__\":{\"k\":\"\"";
            for (int i = 0; i < 100'000; ++i)
                text += ",\"" + std::to_string(i) + "\":\"\"";
            return text + "}}";
        }, "__metadata__ has more than");
        const auto extra = [](const std::string& unit) {
            std::string text = "{\"a\":{\"x\":[";
            while (text.size() + unit.size() < kMost)
                text += unit;
            return text + "0]}}";
        };
        row("empty lists", [=] { return extra("[],"); }, "without a quotation mark");
        row("empty texts", [=] { return extra("\"\","); }, "more than 1000000 texts");
        row("lists and texts", [=] { return extra("[\"" + std::string(60, 'x') + "\"],{},{},"); }, "needs dtype");
        row("lists, now and then a text", [=] { return extra("\"x\"," + std::string(1'000'000, '[') + ","); },
            "nested too deep");
        row("white space, now and then a text", [=] { return extra("\"x\"," + std::string(3'600'000, ' ')); },
            "needs dtype");
        row("a text without end", [] { return "{\"a" + std::string(3'900'000, '\\'); }, "not valid JSON");
    }
    void bombsWithinMemoryAndTime() {
        QFETCH(std::function<std::string()>, make);
        QFETCH(QString, says);
        QTemporaryDir folder;
        const std::string path = folder.filePath("bomb.safetensors").toStdString();
        std::size_t size = 0;
        {
            const std::string bytes = test::safetensorsFile(make(), 0);
            size = bytes.size();
            std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));
        }
        Result<SafetensorsHeader> header = fail(ErrorKind::Internal, "not tried");
        const test::Spent spent = test::spentBy([&] { header = readSafetensorsHeader(path); });
        qInfo("%.0f ms, %.0f MB for a header of %.0f MB", 1e3 * spent.seconds, spent.megabytes,
              1e-6 * static_cast<double>(size));
        const std::string over = test::beyondLimits(spent, size);
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(header.has_value(), says.isEmpty());
        const std::string said = header ? "" : header.error().message;
        QVERIFY2(QString::fromStdString(said).contains(says) && said.size() < 400, said.substr(0, 400).c_str());
    }
    void hugeHeaderIsRefusedWithoutReadingIt() {
        QTemporaryDir folder;
        const std::string path = folder.filePath("huge.safetensors").toStdString();
        std::ofstream(path, std::ios::binary) << test::withLength(100'000'001, "{}");
        std::filesystem::resize_file(path, 200'000'000); // sparse
        QElapsedTimer timer;
        timer.start();
        QVERIFY(!readSafetensorsHeader(path));
        QVERIFY(timer.elapsed() < 200);
    }
    void headersLargerThanTheFirstReadAreWhole() {
        std::vector<float> values(4000);
        std::iota(values.begin(), values.end(), 0.0f);
        std::vector<TensorToWrite> tensors;
        for (std::size_t i = 0; i < values.size(); ++i)
            tensors.push_back({"layers." + std::to_string(i) + ".weight",
                               DType::F32,
                               {1},
                               std::as_bytes(std::span(values).subspan(i, 1))});
        QTemporaryDir folder;
        const std::string path = folder.filePath("many.safetensors").toStdString();
        QVERIFY(writeSafetensors(path, tensors));
        const auto header = readSafetensorsHeader(path);
        QVERIFY(header);
        QCOMPARE(header->tensors.size(), values.size());
        QVERIFY(header->dataStart > 100'000);
    }
    void writtenIsReadBack() {
        const std::vector<float> floats{1.5f, -2.0f, 0.25f, 1e-30f, 3.0f, 4.0f};
        const std::vector<std::uint16_t> halves{0x3c00, 0xbc00};
        const std::vector<std::int64_t> steps{7};
        QTemporaryDir folder;
        const std::string path = folder.filePath("small.safetensors").toStdString();
        QVERIFY(writeSafetensors(path,
                                 {{"z.half", DType::BF16, {2}, std::as_bytes(std::span(halves))},
                                  {"b \"quoted\"", DType::F32, {3, 2}, std::as_bytes(std::span(floats))},
                                  {"a.empty", DType::F32, {0, 4}, {}},
                                  {"step", DType::I64, {}, std::as_bytes(std::span(steps))}},
                                 {{"note", "x"}}));
        const auto header = readSafetensorsHeader(path);
        QVERIFY2(header, header ? "" : header.error().text().c_str());
        QCOMPARE(header->dataStart % 8, std::uint64_t{0});
        QCOMPARE(header->metadata.at("format"), std::string("pt"));
        QCOMPARE(header->metadata.at("note"), std::string("x"));
        QCOMPARE(header->tensors.front().name, std::string("step")); // widest first
        const TensorEntry* tensor = header->find("b \"quoted\"");
        QVERIFY(tensor);
        QCOMPARE(tensor->shape, (std::vector<std::int64_t>{3, 2}));
        const auto map = MappedFile::open(path);
        QVERIFY(map);
        const auto stored = map->bytes().subspan(header->dataStart + tensor->begin, tensor->end - tensor->begin);
        QVERIFY(std::equal(stored.begin(), stored.end(), std::as_bytes(std::span(floats)).begin()));
        QCOMPARE(header->find("missing"), nullptr);
    }
    void writerRefusesWhatItCannotMean() {
        QTemporaryDir folder;
        const std::string path = folder.filePath("bad.safetensors").toStdString();
        const std::vector<float> values(4);
        const auto bytes = std::as_bytes(std::span(values));
        QVERIFY(!writeSafetensors(path, {{"a", DType::F32, {3}, bytes}}));
        QVERIFY(!writeSafetensors(path, {{"a", DType::F32, {4}, bytes}, {"a", DType::F32, {4}, bytes}}));
        QVERIFY(!writeSafetensors(path, {{"__metadata__", DType::F32, {4}, bytes}}));
        QVERIFY(!std::filesystem::exists(path));
    }
};

QTEST_APPLESS_MAIN(TestSafetensors)
#include "tst_safetensors.moc"
