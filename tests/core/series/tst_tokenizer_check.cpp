// SPDX-License-Identifier: Apache-2.0
// Tokenizers that cannot be read are rows with their file and reason; equal ones are read once.
#include <algorithm>
#include <ctime>

#include <QtTest>

#include "core/series/series_rules.h"
#include "core/series/tokenizer_check.h"
#include "tests/core/series/layouts.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

/// Byte-level BPE without merges: what takes time to read is the number of tokens.
std::string tokenizerOf(int tokens) {
    std::string text = "{\"model\":{\"type\":\"BPE\",\"vocab\":{"; // no raw strings: moc counts their braces
    for (int i = 0; i < tokens; ++i)
        text += (i > 0 ? ",\"token" : "\"token") + std::to_string(i) + "\":" + std::to_string(i);
    return text + "},\"merges\":[]}}";
}

double processorSeconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

} // namespace

class TestTokenizerCheck : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path root() const { return m_dir.path().toStdString(); }

private Q_SLOTS:
    void rowsSayWhatIsWrong() {
        const fs::path run = root() / "run";
        for (int step = 1; step <= 7; ++step)
            QVERIFY(makeCheckpoint(run / ("step" + std::to_string(step)), tinySpec(), static_cast<unsigned>(step)));
        writeText(run / "step2/tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"mer");
        writeText(run / "step3/tokenizer.json", R"({"model":{"type":"WordPiece","vocab":{"a":0}}})");
        writeText(run / "step4/tokenizer_config.json", "[1, 2");
        writeText(run / "step5/generation_config.json", R"({"eos_token_id": "</s>"})");
        fs::remove(run / "step6/tokenizer.json");
        auto scan = findSeries(run);
        QVERIFY(scan && scan->series.size() == 1);
        checkTokenizers(scan->series);
        judgeSeries(scan->series[0], scan->issues);
        const std::vector<Checkpoint>& all = scan->series[0].checkpoints;
        QCOMPARE(all.size(), std::size_t{7});
        const std::vector<std::string> begins{"", "tokenizer.json: ", "tokenizer.json: ", "tokenizer_config.json: ",
                                              "generation_config.json: ", "tokenizer.json: the tokenizer is missing", ""};
        for (std::size_t i = 0; i < all.size(); ++i) {
            QVERIFY2(all[i].reason.starts_with(begins[i]), all[i].reason.c_str());
            QCOMPARE(all[i].state, begins[i].empty() ? CheckpointState::Ok : CheckpointState::Broken);
            const auto names = [&](const ScanIssue& issue) {
                return issue.where == all[i].path && issue.message == all[i].reason;
            };
            QCOMPARE(std::ranges::count_if(scan->issues, names), begins[i].empty() ? 0 : 1);
        }
        QVERIFY2(all[2].reason.find("WordPiece") != std::string::npos, all[2].reason.c_str());
    }

    void equalFilesSayTheirOwnFolder() {
        TokenizerChecks checks;
        for (const char* name : {"equal/step1", "equal/step2"}) {
            QVERIFY(makeCheckpoint(root() / name));
            writeText(root() / name / "tokenizer.json", "{}");
            const std::string problem = checks.problemOf(root() / name);
            QVERIFY2(problem.starts_with((root() / name / "tokenizer.json").string() + ": "), problem.c_str());
        }
        // One that was mended is looked at again.
        writeText(root() / "equal/step2/tokenizer.json", kTinyTokenizer);
        QCOMPARE(checks.problemOf(root() / "equal/step2"), std::string());
        // What lies beside a tokenizer is part of it.
        fs::copy(root() / "equal/step2", root() / "equal/step3", fs::copy_options::recursive);
        writeText(root() / "equal/step3/added_tokens.json", "{\"x\":");
        const std::string beside = checks.problemOf(root() / "equal/step3");
        QVERIFY2(beside.find("step3/added_tokens.json") != std::string::npos, beside.c_str());
    }

    void linksAreFollowed() {
        TokenizerChecks checks;
        const fs::path sound = makeSnapshot(root() / "hub", "a--tiny", "step1", 3);
        QCOMPARE(checks.problemOf(sound), std::string());
        fs::remove(sound / "tokenizer.json");
        fs::create_symlink("../../blobs/none", sound / "tokenizer.json"); // the listing says that it is missing
        QCOMPARE(checks.problemOf(sound), std::string());
    }

    void equalTokenizersAreReadOnce() {
        constexpr int kCopies = 60, kLinks = 1000;
        const std::string text = tokenizerOf(100'000);
        for (int i = 0; i <= kCopies; ++i)
            writeText(root() / "many" / std::to_string(i) / "tokenizer.json", text);
        for (int i = 0; i < kLinks; ++i) {
            const fs::path folder = root() / "links" / std::to_string(i);
            fs::create_directories(folder);
            fs::create_symlink(root() / "many/0/tokenizer.json", folder / "tokenizer.json");
        }
        TokenizerChecks checks;
        double start = processorSeconds();
        QCOMPARE(checks.problemOf(root() / "many/0"), std::string());
        const double one = processorSeconds() - start;
        start = processorSeconds();
        for (int i = 1; i <= kCopies; ++i)
            QCOMPARE(checks.problemOf(root() / "many" / std::to_string(i)), std::string());
        const double copies = processorSeconds() - start;
        start = processorSeconds();
        for (int i = 0; i < kLinks; ++i)
            QCOMPARE(checks.problemOf(root() / "links" / std::to_string(i)), std::string());
        const double links = processorSeconds() - start;
        qInfo("%.1f MB of tokenizer: %.1f ms, %d copies %.1f ms, %d links %.1f ms", 1e-6 * static_cast<double>(text.size()),
              1e3 * one, kCopies, 1e3 * copies, kLinks, 1e3 * links);
        QVERIFY2(copies < one * kCopies / 3, qPrintable(QStringLiteral("%1 s, %2 s").arg(one).arg(copies)));
        QVERIFY2(links < one * kLinks / 100, qPrintable(QStringLiteral("%1 s, %2 s").arg(one).arg(links)));
    }

    void aStopLeavesTheRest() {
        auto scan = findSeries(root() / "run");
        QVERIFY(scan.has_value());
        std::stop_source stop;
        stop.request_stop();
        checkTokenizers(scan->series, JobContext(stop.get_token()));
        QCOMPARE(std::ranges::count(scan->series[0].checkpoints, CheckpointState::Broken, &Checkpoint::state), 1);
    }
};

QTEST_APPLESS_MAIN(TestTokenizerCheck)
#include "tst_tokenizer_check.moc"
