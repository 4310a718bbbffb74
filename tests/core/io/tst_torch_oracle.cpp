// SPDX-License-Identifier: Apache-2.0
// Files that torch.save writes now, compared with what torch reads from them: every byte of every tensor, every value.
#include <QtTest>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"
#include "core/io/torch_file.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::io;

namespace {

std::string joined(const std::vector<std::string>& path) {
    std::string out;
    for (const std::string& part : path)
        out += (out.empty() ? "" : "\t") + part;
    return out;
}

std::size_t itemBytes(const std::string& dtype) {
    return dtype == "BOOL" || dtype.starts_with("F8") ? 1 : std::stoul(dtype.substr(dtype.find_first_of("1368"))) / 8;
}

/// The bytes in row-major order.
std::vector<std::byte> rowMajor(const TensorEntry& entry, std::span<const std::byte> file) {
    std::vector<std::byte> out(static_cast<std::size_t>(entry.elements()) * itemBytes(entry.dtypeText));
    gatherStrided(entry, file.subspan(entry.begin, entry.end - entry.begin), out);
    return out;
}

} // namespace

class TestTorchOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;
    Json m_truth;
    std::string at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }

private Q_SLOTS:
    void initTestCase() {
        const auto printed = test::askPeerOnce({"tests/oracle/torch_files.py", {m_folder.path()}, m_folder.path()});
        QVERIFY2(printed, printed ? "" : printed.error().text().c_str());
        const auto truth = parseJson(*printed, "python");
        QVERIFY2(truth, truth ? "" : truth.error().text().c_str());
        m_truth = *truth;
        QCOMPARE(m_truth.size(), std::size_t{12});
    }
    void everyByteAndValue_data() {
        QTest::addColumn<QString>("name");
        for (const auto& [name, file] : m_truth.items())
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }
    void everyByteAndValue() {
        QFETCH(QString, name);
        const Json& truth = m_truth[name.toStdString()];
        const auto file = readTorchFile(std::filesystem::path(at(name.toStdString())));
        QVERIFY2(file, file ? "" : file.error().text().c_str());
        const auto map = MappedFile::open(at(name.toStdString()));
        QVERIFY(map);
        QVERIFY2(file->values == truth["values"], canonicalJson(file->values).c_str());
        QCOMPARE(file->tensors.size(), truth["tensors"].size());
        for (const TorchTensor& tensor : file->tensors) {
            const std::string path = joined(tensor.path);
            QVERIFY2(truth["tensors"].contains(path), path.c_str());
            const Json& theirs = truth["tensors"][path];
            QCOMPARE(tensor.entry.dtypeText, theirs["dtype"].get<std::string>());
            QCOMPARE(Json(tensor.entry.shape), theirs["shape"]);
            QVERIFY2(tensor.entry.strides.empty() == theirs["contiguous"].get<bool>(), path.c_str());
            const auto bytes = rowMajor(tensor.entry, map->bytes());
            QVERIFY2(Sha256().update(bytes).finishHex() == theirs["sha256"].get<std::string>(), path.c_str());
            if (tensor.entry.strides.empty())
                QCOMPARE(tensor.entry.end - tensor.entry.begin, bytes.size());
        }
    }
    void nanoGpt() {
        const auto file = readTorchFile(std::filesystem::path(at("ckpt.pt")));
        QVERIFY(file);
        QCOMPARE(file->values["iter_num"], Json(2000));
        QCOMPARE(file->values["best_val_loss"], Json(1e9));
        QCOMPARE(file->values["model_args"]["n_layer"], Json(2));
        QCOMPARE(file->values["config"]["batch_size"], Json(12));
        QCOMPARE(file->values["optimizer"]["param_groups"][0]["weight_decay"], Json(0.1));
        const auto model = stateDict(*file, "model", "ckpt.pt");
        QVERIFY2(model, model ? "" : model.error().text().c_str());
        QCOMPARE(model->tensors.size(), std::size_t{10});
        QVERIFY(model->find("_orig_mod.0.weight"));
        QVERIFY(!stateDict(*file, "", "ckpt.pt"));
        QVERIFY(!stateDict(*file, "optimizer", "ckpt.pt"));
        QCOMPARE(stateDict(*file, "absent", "ckpt.pt").error().kind, ErrorKind::NotFound);
        const auto described = std::count_if(file->tensors.begin(), file->tensors.end(), [](const TorchTensor& tensor) {
            return tensor.path.front() == "optimizer" && tensor.path.back() == "exp_avg";
        });
        QCOMPARE(described, 2);
    }
    void whatIsRefused_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("part");
        QTest::newRow("before torch 1.6") << "legacy.bin"
                                          << "torch.save(torch.load(";
        QTest::newRow("protocol 4") << "protocol4.bin"
                                    << "it is of protocol 4";
        QTest::newRow("sparse") << "sparse.bin"
                                << "\"torch._utils\" \"_rebuild_sparse_tensor\"";
        QTest::newRow("expanded") << "expanded.bin"
                                  << "repeats elements";
        QTest::newRow("a module") << "whole_module.bin"
                                  << "\"torch.nn.modules.linear\" \"Linear\"";
        QTest::newRow("negated") << "negated.bin"
                                 << "carries metadata";
        QTest::newRow("TorchScript") << "program.pt"
                                     << "TorchScript programs are not read";
    }
    void whatIsRefused() {
        QFETCH(QString, name);
        QFETCH(QString, part);
        const auto file = readTorchFile(std::filesystem::path(at(name.toStdString())));
        QVERIFY(!file);
        QVERIFY2(QString::fromStdString(file.error().message).contains(part), file.error().message.c_str());
        QCOMPARE(file.error().where, at(name.toStdString()));
    }
};

QTEST_GUILESS_MAIN(TestTorchOracle)
#include "tst_torch_oracle.moc"
