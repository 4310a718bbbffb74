// SPDX-License-Identifier: Apache-2.0
// Trained vocabularies and character classes, compared with the tokenizers library run beside. (Ids and decoded texts:
// tst_tokenizer_kinds, tst_sentencepiece.)
#include <fstream>

#include <QTemporaryDir>
#include <QTest>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/text/bpe_trainer.h"
#include "core/text/tokenizer.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::text;

namespace {

using Ids = std::vector<std::int32_t>;

std::vector<Json> readLines(const std::string& file) {
    std::ifstream stream(file);
    std::vector<Json> rows;
    for (std::string line; std::getline(stream, line);)
        rows.push_back(Json::parse(line));
    return rows;
}

} // namespace

class TokenizerOracleTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    std::string path(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }
    std::vector<std::string> trainingTexts() const {
        std::vector<std::string> texts;
        for (const Json& row : readLines(path("train.jsonl")))
            texts.push_back(row["text"].get<std::string>());
        return texts;
    }

private Q_SLOTS:
    void initTestCase() {
        const auto made = test::askPeerOnce({QStringLiteral("tests/oracle/tokenizer_cases.py"), {m_folder.path()}, m_folder.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
    }

    void trainerLearnsTheSameMerges_data() {
        QTest::addColumn<int>("vocab");
        QTest::addColumn<int>("least");
        QTest::newRow("bytes only") << 257 << 1;
        QTest::newRow("300") << 300 << 2;
        QTest::newRow("2000") << 2000 << 2;
        QTest::newRow("4000, rare pairs too") << 4000 << 1;
        QTest::newRow("all there are") << 100000 << 3;
    }

    void trainerLearnsTheSameMerges() {
        QFETCH(int, vocab);
        QFETCH(int, least);
        BpeTrainingOptions options;
        options.vocabSize = vocab;
        options.minFrequency = least;
        const auto trained = trainBpe(trainingTexts(), options);
        QVERIFY(trained);
        const auto referenceText =
            io::readTextFile(path("trained_" + std::to_string(vocab) + "_" + std::to_string(least) + ".json"));
        QVERIFY(referenceText);
        const Json reference = Json::parse(*referenceText);
        const Json ours = Json::parse(tokenizerJson(*trained));
        QCOMPARE(ours["model"]["vocab"].dump(), reference["model"]["vocab"].dump());
        QCOMPARE(ours["model"]["merges"].dump(), reference["model"]["merges"].dump());
    }

    void othersReadWhatTheTrainerWrites() {
        const QString folder = m_folder.filePath(QStringLiteral("written"));
        BpeTrainingOptions options;
        options.vocabSize = 1000;
        const std::vector<std::string> texts = trainingTexts();
        const auto trained = trainBpe(texts, options);
        QVERIFY(trained);
        const std::filesystem::path target = folder.toStdString();
        std::filesystem::create_directory(target);
        QVERIFY(saveTokenizer(*trained, 128, target));
        QVERIFY(io::writeFileAtomic(target / "config.json",
                                    R"({"model_type":"llama","architectures":["LlamaForCausalLM"]})"));
        const auto output = test::askPeerOnce({QStringLiteral("tests/oracle/tokenizer_load.py"),
                                               {folder, m_folder.filePath(QStringLiteral("train.jsonl"))}, m_folder.path()});
        QVERIFY2(output, output ? "" : output.error().text().c_str());
        const Json reference = Json::parse(*output);
        const auto tokenizer = Tokenizer::load(target);
        QVERIFY(tokenizer);
        QCOMPARE(tokenizer->eosId(), std::optional<std::int32_t>(0));
        QCOMPARE(reference["eos"].get<int>(), 0);
        QCOMPARE(reference["bos"].get<int>(), 0);
        QCOMPARE(reference["max_length"].get<int>(), 128);
        QCOMPARE(reference["size"].get<std::size_t>(), tokenizer->vocabSize());
        for (std::size_t i = 0; i < texts.size(); ++i) {
            const Ids ids = tokenizer->encode(texts[i]);
            QCOMPARE(ids, reference["tokenizers"][i].get<Ids>());
            QCOMPARE(ids, reference["transformers"][i].get<Ids>());
            QCOMPARE(tokenizer->decode(ids), texts[i]);
        }
    }

    void unicodeTablesAreThoseOfTheReference() {
        const auto output = test::askPeerOnce({QStringLiteral("tests/oracle/make_unicode_tables.py"), {QStringLiteral("--print")}});
        QVERIFY2(output, output ? "" : output.error().text().c_str());
        const auto ours = io::readTextFile(CREST_SOURCE_DIR "/core/text/unicode_tables.inc");
        QVERIFY(ours);
        QVERIFY2(*output == *ours,
                 "run tests/oracle/make_unicode_tables.py core/text/unicode_tables.inc");
    }
};

QTEST_GUILESS_MAIN(TokenizerOracleTest)
#include "tst_tokenizer_oracle.moc"
