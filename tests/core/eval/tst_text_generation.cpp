// SPDX-License-Identifier: Apache-2.0
// Continuations of texts: stops and cuts against lm-evaluation-harness's own functions, live; and `crest-run generate`
// as a user calls it.
#include <csignal>
#include <sstream>

#include <ATen/Parallel.h>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "core/eval/text_generation.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/core/probe/small_checkpoint.h"
#include "tests/support/peers.h"

using namespace crest;
using eval::GeneratedText;
using eval::TextGenerationOptions;

namespace {

constexpr int kNew = 24;

std::vector<Json> linesOf(const std::string& text) {
    std::vector<Json> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        all.push_back(Json::parse(line));
    return all;
}

} // namespace

class TestTextGeneration : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        auto made = test::makeSmallCheckpoint(m_folder.path().toStdString());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        m_spec = made->spec;
        auto tokenizer = text::Tokenizer::load(m_folder.path().toStdString());
        QVERIFY(tokenizer);
        m_tokenizer = std::make_unique<text::Tokenizer>(*tokenizer);
        m_prompts = {"It is written that the river", "seven houses", "", "water of the mountain and light"};
        std::string longer = "It is written that";
        for (int word = 0; word < 80; ++word)
            longer += word % 3 == 0 ? " river" : " stone";
        m_prompts.push_back(longer);
        std::string lines;
        for (const std::string& prompt : m_prompts)
            lines += Json{{"text", prompt}}.dump() + "\n";
        test::writeText(pathOf("prompts.jsonl").toStdString(), lines);
    }

    /// Stops are taken from what the model says by itself, so that they occur: in one token, across tokens, at the start.
    void stopsAsTheHarnessDoes() {
        const auto free = generate({});
        QVERIFY(free.size() == m_prompts.size());
        std::vector<std::vector<std::string>> untils{{}, {"never said"}};
        for (const GeneratedText& answer : free)
            for (const std::size_t begin : {0, 3})
                for (const std::size_t size : {2, 7}) {
                    std::string stop = answer.text.substr(std::min(begin, answer.text.size()), size);
                    if (!stop.empty() && validUtf8(stop))
                        untils.push_back({stop, "and"});
                }
        QVERIFY(untils.size() > 6);
        Json requests = Json::array();
        for (const auto& until : untils)
            for (const std::string& prompt : m_prompts)
                requests.push_back({{"prompt", prompt}, {"until", until}, {"max_new", kNew}});
        const QString folder = pathOf("asked");
        std::filesystem::create_directory(folder.toStdString());
        test::writeText(folder.toStdString() + "/texts.json",
                        Json{{"model", m_folder.path().toStdString()}, {"requests", requests}}.dump());
        const auto expected = test::askPeerOnce({"tests/oracle/generation_reference.py", {"texts", folder}, m_folder.path()});
        QVERIFY2(expected, expected ? "" : expected.error().text().c_str());
        const auto wanted = Json::parse(*expected).get<std::vector<std::string>>();
        std::size_t next = 0, cut = 0;
        for (const auto& until : untils)
            for (const GeneratedText& answer : generate(until)) {
                const std::string told =
                    "stops " + Json(until).dump() + ": '" + answer.text + "', not '" + wanted[next] + "'";
                QVERIFY2(answer.text == wanted[next], told.c_str());
                ++next;
                cut += answer.ids.size() < kNew ? 1 : 0;
            }
        QCOMPARE(next, wanted.size());
        QVERIFY2(cut > 5, qPrintable(QString::number(cut)));
    }

    void longPromptsAreCutOnTheLeft() {
        const auto answers = generate({});
        QVERIFY(answers[4].truncated && answers[4].promptTokens == m_spec.contextLength - kNew);
        QVERIFY(!answers[0].truncated && answers[0].promptTokens > 2);
        QCOMPARE(answers[2].promptTokens, std::int64_t{1}); // the empty prompt starts from the end token
        TextGenerationOptions options;
        options.decoding.maxNewTokens = kNew;
        options.truncateLeft = false;
        const auto refused = generateWith(options);
        QVERIFY(!refused && refused.error().message.find("prompt 5") != std::string::npos);
        options.decoding.maxNewTokens = m_spec.contextLength;
        const auto noRoom = generateWith(options);
        QVERIFY(!noRoom && noRoom.error().message.find("no room") != std::string::npos);
    }

    void endTokensComeFromTheFiles() {
        QTemporaryDir folder;
        const auto ends = [&](const char* generation, const char* config) {
            if (generation)
                test::writeText(folder.filePath("generation_config.json").toStdString(), generation);
            test::writeText(folder.filePath("config.json").toStdString(), config);
            return eval::endTokensOf(folder.path().toStdString(), *m_tokenizer);
        };
        QVERIFY(*ends(nullptr, "{}") == std::vector<std::int32_t>{*m_tokenizer->eosId()});
        QVERIFY(*ends(nullptr, R"({"eos_token_id": 5})") == std::vector<std::int32_t>{5});
        QVERIFY((*ends(R"({"eos_token_id": [7, 8]})", R"({"eos_token_id": 5})") == std::vector<std::int32_t>{7, 8}));
        QVERIFY(*ends(R"({"eos_token_id": null})", R"({"eos_token_id": 5})") == std::vector<std::int32_t>{5});
        QVERIFY(!ends(R"({"eos_token_id": "x"})", "{}") && !ends(R"({"eos_token_id": [-1]})", "{}"));
        QVERIFY(!ends(R"({"eos_token_id": [1.5]})", "{}") && !ends("{", "{}"));
    }

    void commandPrintsWhatTheFunctionGives() {
        TextGenerationOptions options;
        options.decoding.maxNewTokens = kNew;
        options.decoding.temperature = 0.9;
        options.decoding.topK = 12;
        options.decoding.topP = 0.9;
        options.decoding.seed = 5;
        options.until = {"river", "stone"};
        options.decoding.endTokens = {*m_tokenizer->eosId()};
        const auto expected = generateWith(options);
        QVERIFY(expected);
        const auto [code, output, errors] =
            run({"--max-new", QString::number(kNew), "--temperature", "0.9", "--top-k", "12", "--top-p", "0.9", "--seed",
                 "5", "--stop", "river", "--stop", "stone", "--cut-left", "--json"});
        QVERIFY2(code == 0, errors.c_str());
        const auto lines = linesOf(output);
        QCOMPARE(lines.size(), m_prompts.size());
        for (std::size_t i = 0; i < lines.size(); ++i) {
            QCOMPARE(lines[i]["index"].get<std::size_t>(), i);
            QVERIFY(lines[i]["ids"] == (*expected)[i].ids && lines[i]["text"] == (*expected)[i].text);
            QCOMPARE(lines[i]["score"].get<double>(), (*expected)[i].score);
            QCOMPARE(lines[i]["prompt_tokens"].get<std::int64_t>(), (*expected)[i].promptTokens);
            QCOMPARE(lines[i]["truncated"].get<bool>(), i == 4);
        }
    }

    void commandGivesExactlySoManyTokens() {
        const auto [code, output, errors] = run({"--max-new", "7", "--beams", "3", "--ignore-end", "--cut-left", "--json"});
        QVERIFY2(code == 0, errors.c_str());
        for (const Json& line : linesOf(output)) {
            QCOMPARE(line["ids"].size(), std::size_t{7});
            QVERIFY(line["score"].get<double>() < 0);
        }
        const auto people = run({"--max-new", "3", "--cut-left"});
        QVERIFY(std::get<0>(people) == 0 && std::get<1>(people).rfind("[1] It is written that the river", 0) == 0);
    }

    void commandSaysWhatIsWrong() {
        const auto errorsOf = [&](const QStringList& options) { return std::get<2>(run(options)); };
        QVERIFY(errorsOf({"--max-new", "30"}).find("prompt 5 has") != std::string::npos);
        QVERIFY(errorsOf({"--max-new", "3", "--beams", "2", "--temperature", "1"}).find("not drawn") != std::string::npos);
        QVERIFY(errorsOf({}).find("--max-new") != std::string::npos);
        QVERIFY(std::get<0>(run({"--max-new", "30"})) == 1);
    }

    void interruptedCommandKeepsWhatIsFinished() {
        std::string lines;
        for (int i = 0; i < 20'000; ++i)
            lines += R"({"text": "water and stone"})"
                     "\n";
        test::writeText(pathOf("many.jsonl").toStdString(), lines);
        QProcess process;
        process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"),
                      {"generate", "--model", m_folder.path(), "--prompts", pathOf("many.jsonl"), "--max-new", "40",
                       "--ignore-end", "--json"});
        QByteArray output;
        while (output.count('\n') < 30 && process.state() != QProcess::NotRunning && process.waitForReadyRead(20'000))
            output += process.readAllStandardOutput();
        QVERIFY(process.state() == QProcess::Running);
        ::kill(static_cast<pid_t>(process.processId()), SIGINT);
        QVERIFY(process.waitForFinished(10'000));
        output += process.readAllStandardOutput();
        QCOMPARE(process.exitCode(), 75);
        const auto answers = linesOf(output.toStdString()); // throws where a line is torn
        QVERIFY(answers.size() >= 30 && answers.size() < 20'000);
        const QByteArray errors = process.readAllStandardError();
        QVERIFY2(errors.contains(QByteArray::number(static_cast<int>(answers.size())) + " of 20000"), errors.constData());
    }

private:
    QString pathOf(const char* name) const { return m_folder.filePath(name); }
    static bool validUtf8(const std::string& text) { return QString::fromStdString(text).toStdString() == text; }

    Result<std::vector<GeneratedText>> generateWith(const TextGenerationOptions& options) {
        auto reader = model::WeightReader::open(m_folder.path().toStdString(), m_spec);
        if (!reader)
            return tl::unexpected(reader.error());
        model::PristineWeights source(*reader);
        model::Decoder decoder(m_spec, {});
        return eval::generateTexts(decoder, source, *m_tokenizer, m_prompts, options);
    }
    std::vector<GeneratedText> generate(const std::vector<std::string>& until) {
        TextGenerationOptions options;
        options.until = until;
        options.decoding.maxNewTokens = kNew;
        options.decoding.endTokens = {*m_tokenizer->eosId()};
        const auto answers = generateWith(options);
        return answers ? *answers : std::vector<GeneratedText>{};
    }
    std::tuple<int, std::string, std::string> run(const QStringList& options) {
        QProcess process;
        process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"),
                      QStringList{"generate", "--model", m_folder.path(), "--prompts", pathOf("prompts.jsonl")} + options);
        process.waitForFinished(60'000);
        return {process.exitCode(), process.readAllStandardOutput().toStdString(),
                process.readAllStandardError().toStdString()};
    }

    QTemporaryDir m_folder;
    series::DecoderSpec m_spec;
    std::unique_ptr<text::Tokenizer> m_tokenizer;
    std::vector<std::string> m_prompts;
};

QTEST_GUILESS_MAIN(TestTextGeneration)
#include "tst_text_generation.moc"
