// SPDX-License-Identifier: Apache-2.0
// Quantised and pruned weights against PyTorch, element by element, and what is left alone.
#include <QTemporaryDir>
#include <QtTest>

#include "core/io/safetensors.h"
#include "core/probe/block_matrices.h"
#include "core/probe/pruning.h"
#include "core/probe/quantisation.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/support/peers.h"

using namespace crest;

namespace {

struct Case {
    QString shape, kind;
    double strength = 0;
    int group = 0;
};

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const char* shape : {"llama-tied-half", "llama-head-size", "neox-parallel", "gpt2"}) {
        for (const auto& [bits, group] : {std::pair{8, 16}, {4, 20}, {3, 128}, {2, 7}})
            all.push_back({shape, "quantise", static_cast<double>(bits), group});
        for (const double share : {0.1, 0.5, 0.93})
            all.push_back({shape, "prune", share, 0});
    }
    return all;
}

QString nameOf(const Case& one) {
    return QStringLiteral("%1 %2 %3 %4").arg(one.shape, one.kind).arg(one.strength).arg(one.group);
}

std::vector<float> tensorOf(model::WeightSource& source, int tensor, int version, std::int64_t stretch) {
    const std::int64_t count = source.reader().elements(tensor);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::int64_t first = 0; first < count; first += stretch) {
        float* to[] = {values.data() + first};
        source.make(tensor, first, std::min(stretch, count - first), version, to);
    }
    return values;
}

} // namespace

class CompressionOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        const auto made = test::makeTinyModels(m_folder.path());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QStringList jobs;
        for (const Case& one : cases())
            jobs << m_folder.filePath(one.shape) << fileOf(one) << one.kind << QString::number(one.strength)
                 << QString::number(one.group);
        const auto said = test::askPeerOnce({"tests/oracle/compressed_weights.py", jobs, m_folder.path()});
        QVERIFY2(said, said ? "" : said.error().text().c_str());
    }

    void equalsPyTorch_data() {
        QTest::addColumn<int>("index");
        for (std::size_t i = 0; i < cases().size(); ++i)
            QTest::addRow("%s", qPrintable(nameOf(cases()[i]))) << static_cast<int>(i);
    }
    void equalsPyTorch() {
        QFETCH(int, index);
        const auto [shape, kind, strength, group] = cases()[static_cast<std::size_t>(index)];
        const std::string folder = m_folder.filePath(shape).toStdString(),
                          out = fileOf(cases()[static_cast<std::size_t>(index)]).toStdString();
        const auto tiny = test::readTinyModel(folder);
        QVERIFY2(tiny, tiny ? "" : tiny.error().text().c_str());
        const auto reader = model::WeightReader::open(tiny->path, tiny->spec);
        QVERIFY(reader);
        const auto modification =
            kind == "prune" ? probe::makePruning(*reader) : probe::makeQuantisation(*reader, group);
        QCOMPARE(modification->members(), 1);
        // Beside a neighbour, and in stretches that no group ends at.
        const std::vector<double> strengths{kind == "prune" ? 0.3 : 5, strength};
        const auto versions = modification->versions(strengths, 0, {});
        QVERIFY(versions);
        compareAll(**versions, out);
    }

private:
    QString fileOf(const Case& one) const { return m_folder.filePath(nameOf(one)); }

    static void compareAll(model::WeightSource& versions, const std::string& file) {
        const auto expected = io::readSafetensorsHeader(file);
        QVERIFY2(expected, expected ? "" : expected.error().text().c_str());
        const auto content = io::readTextFile(file, 1 << 24);
        QVERIFY(content);
        const model::WeightReader& reader = versions.reader();
        std::size_t compared = 0;
        for (int tensor = 0; tensor < static_cast<int>(reader.tensors().size()); ++tensor) {
            const series::TensorInfo& info = reader.tensors()[static_cast<std::size_t>(tensor)];
            const std::vector<float> made = tensorOf(versions, tensor, 1, 1234);
            std::vector<float> wanted(made.size());
            if (const io::TensorEntry* entry = find(*expected, info.name)) {
                ++compared;
                QCOMPARE(entry->shape, info.shape);
                QCOMPARE(entry->end - entry->begin, wanted.size() * sizeof(float));
                std::memcpy(wanted.data(), content->data() + expected->dataStart + entry->begin,
                            wanted.size() * sizeof(float));
                QVERIFY2(probe::isBlockMatrix(info), info.name.c_str());
            } else {
                QVERIFY2(!probe::isBlockMatrix(info), info.name.c_str());
                reader.read(tensor, 0, wanted);
            }
            for (std::size_t i = 0; i < made.size(); ++i)
                QVERIFY2(made[i] == wanted[i],
                         qPrintable(QString("%1[%2]: %3 and %4").arg(info.name.c_str()).arg(i).arg(made[i]).arg(wanted[i])));
        }
        QCOMPARE(compared, expected->tensors.size());
    }

    /// Files write some names without their model's prefix.
    static const io::TensorEntry* find(const io::SafetensorsHeader& header, const std::string& name) {
        for (const io::TensorEntry& entry : header.tensors)
            if (name == entry.name || (name.ends_with("." + entry.name)) || entry.name.ends_with("." + name))
                return &entry;
        return nullptr;
    }

    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(CompressionOracleTest)
#include "tst_compression_oracle.moc"
