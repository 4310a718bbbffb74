// SPDX-License-Identifier: Apache-2.0
// `crest-run score` and `crest-run tokenize` as a user calls them, against transformers and tokenizers.
#include <cmath>
#include <sstream>

#include <QProcess>
#include <QTemporaryDir>
#include <algorithm>

#include <QtTest>

#include "core/text/bpe_trainer.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/support/peers.h"

using namespace crest;

namespace {

struct Ran {
    int exitCode = -1;
    std::string output, errors;
    std::vector<Json> lines() const {
        std::vector<Json> all;
        std::istringstream stream(output);
        for (std::string line; std::getline(stream, line);)
            all.push_back(Json::parse(line));
        return all;
    }
};

Ran crestRun(const QStringList& arguments) {
    QProcess process;
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    process.waitForFinished(120'000);
    return {process.exitCode(), process.readAllStandardOutput().toStdString(),
            process.readAllStandardError().toStdString()};
}

} // namespace

class ScoreOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        const auto made = test::makeTinyModels(m_folder.path());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        std::vector<std::string> documents;
        std::string lines;
        for (int i = 0; i < 12; ++i) {
            std::string text = i == 5 ? "x" : "The river and the mountain, number " + std::to_string(i * 137) + ".";
            for (int word = 0; i == 7 && word < 60; ++word)
                text += " and the river";
            documents.push_back(text);
            lines += Json{{"text", text}}.dump() + "\n";
        }
        text::BpeTrainingOptions options;
        options.vocabSize = 300;
        const auto trained = text::trainBpe(documents, options);
        QVERIFY(trained);
        QVERIFY(text::saveTokenizer(*trained, 64, model().toStdString()));
        QFile file(texts());
        QVERIFY(file.open(QIODevice::WriteOnly) && file.write(lines.c_str()) > 0);
    }

    void scores_data() {
        QTest::addColumn<int>("stride");
        QTest::newRow("whole texts") << 0;
        QTest::newRow("stride 64") << 64;
        QTest::newRow("stride 24") << 24;
    }
    void scores() {
        QFETCH(int, stride);
        QStringList reference{"score", model(), texts()},
            ours{"score", "--model", model(), "--texts", texts(), "--json"};
        if (stride > 0) {
            reference << QString::number(stride);
            ours << "--stride" << QString::number(stride);
        }
        const auto expected = test::askPeerOnce({"tests/oracle/model_reference.py", reference, m_folder.path()});
        QVERIFY2(expected, expected ? "" : expected.error().text().c_str());
        const std::vector<Json> wanted = Ran{0, *expected, ""}.lines();
        const Ran ran = crestRun(ours);
        const std::vector<Json> got = ran.lines();
        QCOMPARE(got.size(), wanted.size());
        const bool all = std::ranges::none_of(wanted, [](const Json& line) { return line["loglikelihood"].is_null(); });
        QVERIFY2(ran.exitCode == (all ? 0 : 1), ran.errors.c_str()); // 1: texts were too long
        QCOMPARE(all, stride > 0);
        int scored = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            QVERIFY(got[i]["ids"] == wanted[i]["ids"]);
            QCOMPARE(got[i]["loglikelihood"].is_null(), wanted[i]["loglikelihood"].is_null());
            if (wanted[i]["loglikelihood"].is_null())
                continue;
            const double a = got[i]["loglikelihood"], b = wanted[i]["loglikelihood"];
            QVERIFY2(std::abs(a - b) <= 1e-5 * std::abs(b) + 1e-4, qPrintable(QString("%1 and %2").arg(a).arg(b)));
            QVERIFY(got[i]["greedy"] == wanted[i]["greedy"]);
            QCOMPARE(got[i]["tokens"].get<std::size_t>(), got[i]["ids"].size() - 1);
            ++scored;
        }
        QCOMPARE(scored, stride > 0 ? 12 : 11); // the eighth text is longer than the context
    }

    void tokenizes() {
        const Ran ran = crestRun({"tokenize", "--model", model(), "--texts", texts(), "--json"});
        QVERIFY2(ran.exitCode == 0, ran.errors.c_str());
        const auto expected = test::askPeerOnce({"tests/oracle/model_reference.py", {"score", model(), texts()}, m_folder.path()});
        QVERIFY(expected);
        const std::vector<Json> got = ran.lines(), wanted = Ran{0, *expected, ""}.lines();
        QCOMPARE(got.size(), wanted.size());
        for (std::size_t i = 0; i < got.size(); ++i)
            QVERIFY(got[i]["ids"] == wanted[i]["ids"]);
    }

    void saysWhatIsWrong() {
        const Ran around = crestRun({"score", "--model", m_folder.path(), "--texts", texts()});
        QVERIFY2(around.exitCode != 0 && around.errors.find("checkpoints; name one of them, such as " + m_folder.path().toStdString()) != std::string::npos,
                 around.errors.c_str());
        QVERIFY(QDir(m_folder.path()).mkdir("empty"));
        const Ran empty = crestRun({"score", "--model", m_folder.filePath("empty"), "--texts", texts()});
        QVERIFY2(empty.exitCode != 0 && empty.errors.find("config.json") != std::string::npos, empty.errors.c_str());
        const Ran missing = crestRun({"score", "--model", model(), "--texts", m_folder.filePath("nothing.jsonl")});
        QVERIFY(missing.exitCode != 0 && missing.errors.find("nothing.jsonl") != std::string::npos);
        QFile file(m_folder.filePath("broken.jsonl"));
        QVERIFY(file.open(QIODevice::WriteOnly) && file.write("{\"text\": \"a\"}\n{\"text\": 5}\n") > 0);
        file.close();
        const Ran broken = crestRun({"tokenize", "--model", model(), "--texts", file.fileName()});
        QVERIFY(broken.exitCode != 0 && broken.errors.find("line 2") != std::string::npos);
    }

    void selfcheckPasses() {
        const Ran ran = crestRun({"selfcheck", "--json"});
        QVERIFY2(ran.exitCode == 0, ran.output.c_str());
        QVERIFY(ran.lines().size() >= 4);
    }

private:
    QString model() const { return m_folder.filePath("llama-gqa-half"); }
    QString texts() const { return m_folder.filePath("texts.jsonl"); }
    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(ScoreOracleTest)
#include "tst_score_oracle.moc"
