// SPDX-License-Identifier: Apache-2.0
// crest-run inspect as a process, as text and as JSON: a good series, broken checkpoints, one checkpoint, no
// checkpoint.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/core/series/make_checkpoint.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

struct Ended {
    int code = -1;
    QByteArray out, err;
};

Ended inspect(const fs::path& path, bool json = false) {
    QStringList arguments{QStringLiteral("inspect"), QString::fromStdString(path.string())};
    if (json)
        arguments << QStringLiteral("--json");
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
