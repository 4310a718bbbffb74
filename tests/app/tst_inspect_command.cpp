// SPDX-License-Identifier: Apache-2.0
// crest-run inspect as a process, as text and as JSON: a good series, broken checkpoints, one checkpoint, no
// checkpoint.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <limits>

#include "tests/core/series/layouts.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

struct Ended {
    int code = -1;
    QByteArray out, err;
};

Ended inspect(const fs::path& path, bool json = false, bool fingerprints = false) {
    QStringList arguments{QStringLiteral("inspect"), QString::fromStdString(path.string())};
    if (json)
        arguments << QStringLiteral("--json");
    if (fingerprints)
        arguments << QStringLiteral("--fingerprints");
    QProcess process;
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    if (!process.waitForFinished(30'000) || process.exitStatus() != QProcess::NormalExit)
        return {};
    return {process.exitCode(), process.readAllStandardOutput(), process.readAllStandardError()};
}

/// The line of the table that begins with a checkpoint's name.
QByteArray lineOf(const QByteArray& table, const QByteArray& name) {
    for (const QByteArray& line : table.split('\n'))
        if (line.trimmed().startsWith(name + ' '))
            return line;
    return {};
}

} // namespace

class TestInspectCommand : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_CACHE_HOME", (m_dir.path() + "/cache").toUtf8());
        for (const int tokens : {4'000'000, 1'000'000, 2'000'000}) {
            const fs::path folder = m_folder / "good" / ("run-" + std::to_string(tokens / 1'000'000));
            QVERIFY(test::makeCheckpoint(folder, test::tinySpec(), static_cast<unsigned>(tokens)));
            test::writeRecord(folder, "small series", tokens, 7);
        }
        fs::copy(m_folder / "good", m_folder / "mixed", fs::copy_options::recursive);
        fs::resize_file(m_folder / "mixed" / "run-2" / "model.safetensors", 100);
        test::writeText(m_folder / "mixed" / "run-4" / "config.json", "{\"model_type\": \"mamba\"}");
        fs::create_directories(m_folder / "empty");
    }

    void aGoodSeriesAsText() {
        const Ended ended = inspect(m_folder / "good");
        QVERIFY2(ended.code == 0, ended.err.constData());
        QVERIFY2(ended.out.startsWith("small series  ("), ended.out.constData());
        QVERIFY(ended.out.contains("3 checkpoints"));
        const QByteArray line = lineOf(ended.out, "run-2");
        QCOMPARE(line.simplified().split(' ').mid(0, 4), (QList<QByteArray>{"run-2", "2M", "2000", "7"}));
        QVERIFY2(line.contains("llama") && line.trimmed().endsWith("ok"), line.constData());
        // By tokens, whatever the order on disk.
        QVERIFY(ended.out.indexOf("run-1") < ended.out.indexOf("run-2"));
        QVERIFY(ended.out.indexOf("run-2") < ended.out.indexOf("run-4"));
    }

    void aGoodSeriesAsJson() {
        const Ended ended = inspect(m_folder / "good", true);
        QCOMPARE(ended.code, 0);
        QCOMPARE(ended.out.count('\n'), 1);
        const Json json = Json::parse(ended.out.toStdString(), nullptr, false);
        QVERIFY2(json.is_object(), ended.out.constData());
        QCOMPARE(json.at("series").size(), std::size_t{1});
        const Json& series = json["series"][0];
        QCOMPARE(series.at("name").get<std::string>(), std::string("small series"));
        QCOMPARE(series.at("path").get<std::string>(), (m_folder / "good").string());
        const Json& checkpoints = series.at("checkpoints");
        QCOMPARE(checkpoints.size(), std::size_t{3});
        std::int64_t before = 0;
        for (const Json& checkpoint : checkpoints) {
            for (const char* key : {"name", "path", "tokens", "step", "stage", "format", "family", "state", "reason"})
                QVERIFY2(checkpoint.contains(key), key);
            QVERIFY(checkpoint["tokens"].get<std::int64_t>() > before);
            before = checkpoint["tokens"];
            QCOMPARE(checkpoint["step"].get<std::int64_t>(), before / 1000);
            QCOMPARE(checkpoint["state"].get<std::string>(), std::string("ok"));
            QVERIFY(checkpoint["reason"].is_null() && checkpoint["stage"].is_null());
            QCOMPARE(checkpoint["format"].get<std::string>(), std::string("safetensors"));
            QCOMPARE(checkpoint["family"].get<std::string>(), std::string("llama"));
            QVERIFY(fs::is_directory(checkpoint["path"].get<std::string>()));
        }
    }

    void brokenCheckpointsAreRowsWithAReason() {
        const Ended ended = inspect(m_folder / "mixed");
        QCOMPARE(ended.code, 0); // the folder could be read; the rows say what is wrong
        QVERIFY(lineOf(ended.out, "run-1").trimmed().endsWith("ok"));
        const QByteArray cut = lineOf(ended.out, "run-2"), foreign = lineOf(ended.out, "run-4");
        QVERIFY2(cut.contains("broken: ") && cut.contains("model.safetensors"), cut.constData());
        QVERIFY2(foreign.contains("broken: ") && foreign.contains("mamba"), foreign.constData());
        const Json json = Json::parse(inspect(m_folder / "mixed", true).out.toStdString(), nullptr, false);
        QVERIFY(json.is_object());
        int broken = 0;
        for (const Json& series : json.at("series"))
            for (const Json& checkpoint : series.at("checkpoints"))
                if (checkpoint.at("state") == "broken") {
                    QVERIFY(!checkpoint.at("reason").get<std::string>().empty());
                    ++broken;
                }
        QCOMPARE(broken, 2);
    }

    /// In its row; what is only said of the folder stays beside the table.
    void eachReasonIsSaidOnce() {
        const Ended ended = inspect(m_folder / "mixed");
        for (const char* name : {"run-2", "run-4"}) {
            const QByteArray line = lineOf(ended.out, name), reason = line.mid(line.indexOf("broken: ") + 8);
            QVERIFY2(reason.size() > 20, line.constData());
            QCOMPARE((ended.out + ended.err).count(reason), 1);
        }
        fs::create_directories(m_folder / "linked");
        fs::copy(m_folder / "good" / "run-1", m_folder / "linked" / "run-1", fs::copy_options::recursive);
        fs::create_symlink("/gone/step2", m_folder / "linked" / "step2");
        const Ended linked = inspect(m_folder / "linked");
        QVERIFY2(linked.err.contains("linked/step2: "), linked.err.constData());
    }

    /// Copies, NaN and damaged files: only where the weights are read, or were and did not change.
    void whatTheWeightsTell() {
        const fs::path run = m_folder / "doubtful";
        for (const int tokens : {1'000'000, 2'000'000, 3'000'000, 4'000'000}) {
            const fs::path folder = run / ("run-" + std::to_string(tokens / 1'000'000));
            QVERIFY(test::makeCheckpoint(folder, test::tinySpec(), tokens == 2'000'000 ? 1'000'000U : static_cast<unsigned>(tokens)));
            test::writeRecord(folder, "doubtful", tokens, 7);
        }
        auto tensors = test::randomTensors(test::tinySpec(), 3);
        tensors.front().values[5] = std::numeric_limits<float>::infinity();
        QVERIFY(test::writeTensors(run / "run-3" / "model.safetensors", tensors));
        test::writeText(run / "run-4/.cache/huggingface/download/model.safetensors.metadata",
                        test::commitOf("5") + "\n" + sha256Hex("what the hub has") + "\n" + std::to_string(test::secondsNow() + 10) + "\n");
        QTest::qSleep(200); // files that changed just now are not remembered
        const Ended before = inspect(run);
        QVERIFY2(!before.out.contains("suspect") && !before.out.contains("broken"), before.out.constData());
        QVERIFY2(before.err.contains("the weights of 4 checkpoints (") && before.err.contains("--fingerprints"), before.err.constData());
        QVERIFY(Json::parse(inspect(run, true).out.toStdString()).at("series").at(0).at("checkpoints").at(0).at("fingerprint").is_null());
        for (const bool fingerprints : {true, false}) { // the second time it is remembered
            const Ended text = inspect(run, false, fingerprints);
            QCOMPARE(text.code, 0);
            QVERIFY2(lineOf(text.out, "run-1").contains("suspect: Its weights are identical to those of run-2 ("), text.out.constData());
            QVERIFY(lineOf(text.out, "run-2").contains("suspect: Its weights are identical to those of run-1 ("));
            QVERIFY(lineOf(text.out, "run-3").trimmed().endsWith("suspect: Tensor \"model.embed_tokens.weight\" holds 0 NaN and 1 Inf."));
            QVERIFY(lineOf(text.out, "run-4").contains("broken: model.safetensors is damaged: the SHA-256 of its bytes is "));
            QVERIFY2(text.err.isEmpty(), text.err.constData());
            const Json rows = Json::parse(inspect(run, true, fingerprints).out.toStdString()).at("series").at(0).at("checkpoints");
            QCOMPARE(rows.size(), std::size_t{4});
            QCOMPARE(rows[0].at("fingerprint").get<std::string>().size(), std::size_t{64});
            QCOMPARE(rows[0].at("fingerprint"), rows[1].at("fingerprint"));
            QVERIFY(rows[0].at("fingerprint") != rows[2].at("fingerprint"));
            QVERIFY(rows[3].at("fingerprint").is_null() && rows[3].at("state") == "broken");
            QVERIFY(rows[2].at("state") == "suspect" && rows[2].at("reason").get<std::string>().ends_with("holds 0 NaN and 1 Inf."));
        }
    }

    void whereTokensComeFrom() {
        QVERIFY2(inspect(m_folder / "good").out.contains("  Tokens: from its record.\n"), inspect(m_folder / "good").out.constData());
        const fs::path run = m_folder / "anonymous" / "step2000";
        test::writeText(run / "config.json", R"({"model_type":"gpt_neox","hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,
            "intermediate_size":3072,"vocab_size":50304,"rotary_pct":0.25,"use_parallel_residual":true})");
        const Ended ended = inspect(m_folder / "anonymous");
        QVERIFY2(ended.out.contains("  Tokens: from the config's shape: Pythia.\n"), ended.out.constData());
        const Json row = Json::parse(inspect(m_folder / "anonymous", true).out.toStdString()).at("series").at(0).at("checkpoints").at(0);
        QCOMPARE(row.at("tokens").get<std::int64_t>(), std::int64_t{4'194'304'000}); // 2000 x 2,097,152
        QCOMPARE(row.at("tokens_origin").get<std::string>(), std::string("from the config's shape: Pythia"));
    }

    void oneCheckpoint() {
        const fs::path one = m_folder / "good" / "run-4";
        const Ended ended = inspect(one);
        QVERIFY2(ended.code == 0, ended.err.constData());
        QVERIFY2(ended.out.contains("1 checkpoint)"), ended.out.constData());
        QVERIFY(!lineOf(ended.out, "run-4").isEmpty());
        const Json json = Json::parse(inspect(one, true).out.toStdString(), nullptr, false);
        QCOMPARE(json.at("series").at(0).at("checkpoints").size(), std::size_t{1});
        QCOMPARE(json["series"][0]["checkpoints"][0].at("path").get<std::string>(), one.string());
        QCOMPARE(json["series"][0]["checkpoints"][0].at("tokens").get<std::int64_t>(), std::int64_t{4'000'000});
    }

    /// A terminal obeys no folder's name: control characters are written out, in the table and in issues.
    void controlCharactersInNames() {
        const fs::path good = m_folder / "odd" / "clear\033[2J\u009b\nok" / "run\t1", other = m_folder / "odd" / "copy\a";
        fs::create_directories(good.parent_path());
        fs::copy(m_folder / "good" / "run-1", good, fs::copy_options::recursive);
        fs::copy(m_folder / "mixed" / "run-2", other, fs::copy_options::recursive);
        fs::remove(good / "crest.json");
        for (const fs::path& path : {m_folder / "odd", good, m_folder / "absent\033[2J"}) {
            const Ended ended = inspect(path);
            for (const QByteArray& text : {ended.out, ended.err})
                QVERIFY2(!text.contains('\033') && !text.contains('\a') && !text.contains('\t') && !text.contains("\u009b"),
                         text.toPercentEncoding(" /\n").constData());
        }
        const QByteArray table = inspect(m_folder / "odd").out;
        QVERIFY2(table.contains("/clear\\x1b[2J\\x9b\\nok"), table.constData());
        QVERIFY2(table.contains("run\\t1 "), table.constData());
        const QByteArray absent = inspect(m_folder / "absent\033[2J").err;
        QVERIFY2(absent.contains("absent\\x1b[2J: There is no such"), absent.constData());
        const Json json = Json::parse(inspect(good, true).out.toStdString(), nullptr, false);
        QCOMPARE(json.at("series").at(0).at("checkpoints").at(0).at("path").get<std::string>(), good.string());
    }

    void nothingThere() {
        const Ended empty = inspect(m_folder / "empty");
        QCOMPARE(empty.code, 1);
        QVERIFY2(empty.err.contains("empty"), empty.err.constData());
        const Ended absent = inspect(m_folder / "absent");
        QCOMPARE(absent.code, 1);
        QVERIFY2(absent.err.contains("absent"), absent.err.constData());
        const Json json = Json::parse(inspect(m_folder / "empty", true).out.toStdString(), nullptr, false);
        QVERIFY(json.is_object() && json.at("series").empty());
    }
};

QTEST_GUILESS_MAIN(TestInspectCommand)
#include "tst_inspect_command.moc"
