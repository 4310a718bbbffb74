// SPDX-License-Identifier: Apache-2.0
// Trained vocabularies and character classes, compared with the tokenizers library run beside. (Ids and decoded texts:
// tst_tokenizer_kinds, tst_sentencepiece.)
#include <fstream>

#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/text/bpe_trainer.h"
#include "core/text/tokenizer.h"

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

/// Runs a script of tests/oracle; its standard output, or nothing where it failed.
std::optional<QByteArray> runOracle(const QStringList& arguments, QString& problem) {
    const QString python = qEnvironmentVariable("CREST_PYTHON");
    if (python.isEmpty()) {
        problem = QStringLiteral(
            "CREST_PYTHON names no Python with tests/oracle/requirements.txt; packaging/setup makes one");
        return std::nullopt;
    }
    QProcess process;
    process.start(python, arguments);
    if (!process.waitForFinished(500'000) || process.exitCode() != 0) {
        problem = QStringLiteral("the reference script failed: ") + QString::fromUtf8(process.readAllStandardError());
        return std::nullopt;
    }
    return process.readAllStandardOutput();
}

QString script(const char* name) {
    return QStringLiteral(CREST_SOURCE_DIR "/tests/oracle/") + QString::fromLatin1(name);
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
        QString problem;
        QVERIFY2(runOracle({script("tokenizer_cases.py"), m_folder.path()}, problem), qPrintable(problem));
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
        QTemporaryDir folder;
        BpeTrainingOptions options;
        options.vocabSize = 1000;
        const std::vector<std::string> texts = trainingTexts();
        const auto trained = trainBpe(texts, options);
        QVERIFY(trained);
        const std::filesystem::path target = folder.path().toStdString();
        QVERIFY(saveTokenizer(*trained, 128, target));
        QVERIFY(io::writeFileAtomic(target / "config.json",
                                    R"({"model_type":"llama","architectures":["LlamaForCausalLM"]})"));
        QString problem;
        const auto output = runOracle(
            {script("tokenizer_load.py"), folder.path(), m_folder.filePath(QStringLiteral("train.jsonl"))}, problem);
        QVERIFY2(output, qPrintable(problem));
        const Json reference = Json::parse(output->toStdString());
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
        QString problem;
        const auto output = runOracle({script("make_unicode_tables.py"), QStringLiteral("--print")}, problem);
        QVERIFY2(output, qPrintable(problem));
        const auto ours = io::readTextFile(CREST_SOURCE_DIR "/core/text/unicode_tables.inc");
        QVERIFY(ours);
        QVERIFY2(output->toStdString() == *ours,
                 "run tests/oracle/make_unicode_tables.py core/text/unicode_tables.inc");
    }
};

QTEST_GUILESS_MAIN(TokenizerOracleTest)
#include "tst_tokenizer_oracle.moc"
