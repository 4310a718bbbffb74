// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <fstream>
#include <numeric>

#include "core/io/files.h"
#include "core/io/safetensors.h"
#include "tests/core/io/hostile_safetensors.h"

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
        const auto header = parseSafetensorsHeader(bytesOf(file.bytes), file.bytes.size(), "odd.safetensors");
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
