// SPDX-License-Identifier: Apache-2.0
// The reader of torch.save's files on hand-made files: sound ones, hostile ones, large ones within memory and time.
#include <QtTest>

#include <fstream>

#include "core/io/files.h"
#include "core/io/torch_file.h"
#include "tests/core/io/hostile_torch.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::io;
using namespace crest::test;

namespace {

Result<TorchFile> readBytes(const std::string& bytes) {
    return readTorchFile(*memorySource(std::as_bytes(std::span(bytes))), "odd.bin");
}

std::vector<HostileFile> allHostile() {
    std::vector<HostileFile> all;
    for (auto& some : {exploits(), opcodes(), tensors(), archives()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

std::string repeated(const std::string& part, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += part;
    return out;
}

/// Files of some megabytes that ask for much more than that: each with what must be said of it.
std::vector<HostileFile> bombs() {
    // Lists of two references to the list before: 2^k values after k of them.
    std::string doubling = kProto + "]q" + std::string(1, '\0');
    for (char i = 1; i < 30; ++i)
        doubling += std::string("](h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "eq" + i;
    doubling = kProto + "(" + doubling.substr(2) + "t.";
    const std::string sharedText = kProto + text(std::string(900'000, 'x')) + "q" + std::string(1, '\0') + "](" +
                                   repeated(std::string("h\0", 2), 90'000) + "e\x86.";
    std::string deepPaths = kProto;
    for (int i = 0; i < 29; ++i)
        deepPaths += "}" + text(std::string(500, static_cast<char>('a' + i % 26)));
    deepPaths += "}(" + number(0) + tensor() + "q" + std::string(1, '\0');
    for (int i = 1; i < 5000; ++i)
        deepPaths += number(i) + std::string("h\0", 2);
    deepPaths += "u" + std::string(29, 's') + ".";
    const auto members = [](int count, std::size_t nameBytes) {
        std::vector<ZipPart> parts{{"a/data.pkl", dictOf(tensor())}};
        for (int i = 1; i < count; ++i)
            parts.push_back({"a/" + std::string(nameBytes, 'n') + std::to_string(i), ""});
        return zipFile(parts);
    };
    const std::size_t most = 7'900'000;
    const char* const heap = "need more than 20 MB";
    const char* const result = "unfold to more than 20 MB";
    return {
        {"doubling lists", torchFile(doubling), result},
        {"one text many times", torchFile(sharedText), result},
        {"long paths many times", torchFile(deepPaths), result},
        {"millions of lists", torchFile(kProto + "]" + repeated("](Nea", most / 5) + "."), heap},
        {"millions of appends", torchFile(kProto + "]" + repeated("Na", most / 2) + "."), heap},
        {"millions of memos", torchFile(kProto + "N" + repeated("r" + raw(std::uint32_t{0x100000}), most / 5)),
         "it has no end"},
        {"millions of tuples", torchFile(kProto + "N" + repeated("\x85", most) + "."), heap},
        {"millions of names", torchFile(kProto + "(" + repeated(global("torch", "Size"), most / 12) + "t."),
         "more than 100000 values wait"},
        {"an item set again and again", torchFile(kProto + "}" + repeated("NNs", most / 3) + "."), heap},
        {"many tensors", torchFile(kProto + "](" + repeated(tensor(), 40'000) + "e."), heap},
        {"a huge pickle", torchFile(dictOf(tensor()) + std::string(8'000'000, 'N')), "at most 8000000"},
        {"65,535 members", members(65'535, 0), "\"version\" is missing"},
        {"long names", members(24'000, 440), "\"version\" is missing"},
        {"a larger directory", members(26'000, 440), "at most 65536 in 12000000"},
    };
}

} // namespace

class TestTorchFile : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void aSoundFile_data() {
        QTest::addColumn<QByteArray>("bytes");
        const auto row = [](const char* name, const std::string& bytes) {
            QTest::newRow(name) << QByteArray(bytes.data(), static_cast<qsizetype>(bytes.size()));
        };
        const std::string pickle = dictOf(tensor());
        row("plain", torchFile(pickle));
        row("zip64", torchFile(pickle, {.zip64 = true}));
        row("other root", zipFile(torchParts(pickle, "weird name.ckpt/")));
        row("CRC not computed", changedFile([](auto& parts) { parts[0].crc = false; }));
        row("old: no byte order", changedFile([](auto& parts) { parts.erase(parts.begin() + 1); }));
        row("more members", changedFile([](auto& parts) { parts.push_back({"archive/.data/serialization_id", "0"}); }));
    }
    void aSoundFile() {
        QFETCH(QByteArray, bytes);
        const auto file = readBytes(bytes.toStdString());
        QVERIFY2(file, file ? "" : file.error().text().c_str());
        QCOMPARE(file->tensors.size(), std::size_t{1});
        const TensorEntry& entry = file->tensors.front().entry;
        QCOMPARE(entry.name, std::string("a"));
        QCOMPARE(entry.shape, (std::vector<std::int64_t>{2, 3}));
        QVERIFY(entry.dtype == DType::F32 && entry.strides.empty());
        QCOMPARE(entry.end - entry.begin, std::uint64_t{24});
        QCOMPARE(bytes.mid(static_cast<qsizetype>(entry.begin), 24), QByteArray(24, '\x3f'));
        const auto header = stateDict(*file, "", "odd.bin");
        QVERIFY2(header, header ? "" : header.error().text().c_str());
        QVERIFY(header->find("a"));
    }
    void hostile_data() {
        QTest::addColumn<int>("row");
        const auto all = allHostile();
        for (std::size_t i = 0; i < all.size(); ++i)
            QTest::newRow(all[i].name.c_str()) << static_cast<int>(i);
        QVERIFY(all.size() >= 200);
    }
    void hostile() {
        QFETCH(int, row);
        static const auto all = allHostile();
        const HostileFile& hostile = all[static_cast<std::size_t>(row)];
        Result<TorchFile> file = fail(ErrorKind::Internal, "not tried");
        const std::string over = beyondLimits(spentBy([&] { file = readBytes(hostile.bytes); }), hostile.bytes.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(!file);
        QVERIFY2(file.error().message.find(hostile.part) != std::string::npos, file.error().message.c_str());
        QCOMPARE(file.error().where, std::string("odd.bin"));
        QVERIFY2(file.error().message.size() < 500, "a hostile name must not flood the message");
    }
    void asFilesTheSame() {
        QTemporaryDir folder;
        const std::string path = folder.filePath("odd.bin").toStdString();
        for (const HostileFile& hostile : archives()) {
            std::ofstream(path, std::ios::binary)
                .write(hostile.bytes.data(), static_cast<std::streamsize>(hostile.bytes.size()));
            const auto file = readTorchFile(std::filesystem::path(path));
            QVERIFY2(!file, hostile.name.c_str());
            QVERIFY2(file.error().message.find(hostile.part) != std::string::npos, file.error().message.c_str());
        }
        QVERIFY(!readTorchFile(std::filesystem::path(folder.path().toStdString())));
        QCOMPARE(readTorchFile(std::filesystem::path(path + ".absent")).error().kind, ErrorKind::NotFound);
    }
    void everyCutAndEveryChangedByteIsBorne() {
        const std::string sound = torchFile(dictOf(tensor()), {.zip64 = true});
        for (std::size_t size = 0; size < sound.size(); ++size)
            QVERIFY2(!readBytes(sound.substr(0, size)), std::to_string(size).c_str());
        for (std::size_t at = 0; at < sound.size(); ++at)
            for (const char mask : {'\x01', '\x80', '\xff'}) {
                std::string changed = sound;
                changed[at] = static_cast<char>(changed[at] ^ mask);
                const auto file = readBytes(changed);
                for (std::size_t i = 0; file && i < file->tensors.size(); ++i)
                    QVERIFY(file->tensors[i].entry.end <= sound.size());
            }
    }
    void bombsWithinMemoryAndTime_data() {
        QTest::addColumn<int>("row");
        const auto all = bombs();
        for (std::size_t i = 0; i < all.size(); ++i)
            QTest::newRow(all[i].name.c_str()) << static_cast<int>(i);
    }
    void bombsWithinMemoryAndTime() {
        QFETCH(int, row);
        static const auto all = bombs();
        const HostileFile& bomb = all[static_cast<std::size_t>(row)];
        QTemporaryDir folder;
        const std::string path = folder.filePath("bomb.bin").toStdString();
        std::ofstream(path, std::ios::binary).write(bomb.bytes.data(), static_cast<std::streamsize>(bomb.bytes.size()));
        Result<TorchFile> file = fail(ErrorKind::Internal, "not tried");
        const Spent spent = spentBy([&] { file = readTorchFile(std::filesystem::path(path)); });
        qInfo("%.0f ms, %.0f MB for a file of %.0f MB", 1e3 * spent.seconds, spent.megabytes,
              1e-6 * static_cast<double>(bomb.bytes.size()));
        QVERIFY(!file);
        QVERIFY2(file.error().message.find(bomb.part) != std::string::npos, file.error().message.c_str());
        const std::string over = beyondLimits(spent, bomb.bytes.size());
        QVERIFY2(over.empty(), over.c_str());
    }
    void whatIsNoStateDict() {
        const auto refusal = [](const std::string& pickle, std::string_view key = {}) {
            const auto file = readBytes(torchFile(pickle));
            if (!file)
                return file.error().message;
            const auto header = stateDict(*file, key, "odd.bin");
            return header ? std::string() : header.error().message;
        };
        QVERIFY(refusal(dictOf(tensor())).empty());
        QVERIFY(refusal(kProto + "}" + text("model") + "}" + text("a") + tensor() + "ss.", "model").empty());
        QCOMPARE(
            refusal(kProto + "}" + text("model") + "}" + text("a") + tensor() + "ss.", ""),
            std::string("The file holds more than tensors: \"model\" is none. Only the state_dict of a model is read "
                        "here."));
        QCOMPARE(refusal(kProto + "}" + text("model") + tensor() + "s.", "model"),
                 std::string("There is no entry \"model\" in this file."));
        QCOMPARE(refusal(kProto + "}" + text("model") + "Ns.", "model"),
                 std::string("Its entry \"model\" is no dict of tensors."));
        QCOMPARE(refusal(kProto + "]."), std::string("The file is no dict of tensors."));
        QCOMPARE(refusal(kProto + "}."), std::string("The file holds no tensors."));
        QCOMPARE(refusal(kProto + tensor() + "."), std::string("The file is no dict of tensors."));
    }
    void strides() {
        // 2 x 3 stored by columns, every second element, from the second on.
        TensorEntry entry{"a", DType::I16, "I16", {2, 3}, 0, 0, {2, 4}};
        const std::vector<std::int16_t> source{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
        std::vector<std::int16_t> target(6);
        gatherStrided(entry, std::as_bytes(std::span(source)), std::as_writable_bytes(std::span(target)));
        QCOMPARE(target, (std::vector<std::int16_t>{1, 3, 5, 2, 4, 6}));
    }
    void callsNothing() {
        static const QRegularExpression call(
            QStringLiteral("\\b(system|exec\\w*|popen|dlopen|dlsym|fork|vfork|posix_spawn\\w*|eval)\\s*\\(|torch::|"
                           "caffe2::|#include <(torch|ATen|c10|caffe2)|limited_process"));
        int files = 0;
        QDirIterator sources(QStringLiteral(CREST_SOURCE_DIR "/core/io"),
                             {QStringLiteral("*.h"), QStringLiteral("*.cpp")});
        while (sources.hasNext()) {
            QFile file(sources.next());
            if (QStringList{QStringLiteral("limited_process"), QStringLiteral("helper_main")}.contains(
                    sources.fileInfo().completeBaseName()))
                continue; // the helper programs of other readers; nothing else here may use them
            QVERIFY(file.open(QIODevice::ReadOnly));
            const auto match = call.match(QString::fromUtf8(file.readAll()));
            QVERIFY2(!match.hasMatch(), qPrintable(file.fileName() + QStringLiteral(": ") + match.captured(0)));
            ++files;
        }
        QVERIFY(files > 15);
    }
};

QTEST_APPLESS_MAIN(TestTorchFile)
#include "tst_torch_file.moc"
