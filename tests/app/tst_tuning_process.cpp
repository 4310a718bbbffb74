// SPDX-License-Identifier: Apache-2.0
// crest-run probe finetune as a process: killed again and again it ends with the weights of a run that was left alone, and it takes the
// memory that its plan says.
#include <QElapsedTimer>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <csignal>
#include <map>
#include <random>

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/io/files.h"
#include "tests/core/probe/small_checkpoint.h"

extern char** environ;

using namespace crest;
namespace fs = std::filesystem;

namespace {

const QString kProgram = QStringLiteral(CREST_BINARY_DIR "/bin/crest-run");

QString pathOf(const fs::path& path) {
    return QString::fromStdString(path.string());
}

/// Tuned weights that a study keeps, by what they were trained with.
std::map<std::string, std::string> keptWeights(const fs::path& study) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(study / "artifacts" / "tuned"))
        if (entry.path().filename() == "model.safetensors") {
            const Json facts = Json::parse(*io::readTextFile(entry.path().parent_path() / "crest.json"));
            all[fmt::format("{} {}", facts.at("learning_rate").get<double>(), facts.at("fine_tuning_seed").get<int>())] =
                *io::readTextFile(entry.path());
        }
    return all;
}

/// Runs it to its end: exit code, and the most resident memory of it or its supervisor in bytes.
std::pair<int, double> runMeasured(const QStringList& arguments) {
    std::vector<std::string> words{kProgram.toStdString()};
    for (const QString& argument : arguments)
        words.push_back(argument.toStdString());
    std::vector<char*> pointers;
    for (std::string& word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawn(&pid, words.front().c_str(), nullptr, nullptr, pointers.data(), environ) != 0)
        return {-1, 0};
    int status = 0;
    rusage used{};
    ::wait4(pid, &status, 0, &used);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, 1024.0 * static_cast<double>(used.ru_maxrss)};
}

} // namespace

class TestTuningProcess : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()}, m_rows = m_folder / "rows.jsonl";

    /// A checkpoint of this shape in `series`.
    static void makeSeries(const fs::path& series, std::int64_t width, std::int64_t layers, std::int64_t mlp, std::int64_t vocab) {
        fs::create_directories(series / "step100");
        auto made = test::makeSmallCheckpoint(series / "step100");
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        series::DecoderSpec& spec = made->spec;
        spec.width = width, spec.layers = layers, spec.mlpWidth = mlp, spec.vocabSize = vocab;
        spec.headSize = spec.ropeDims = width / spec.heads, spec.contextLength = 256;
        made->weights.clear();
        for (const series::TensorInfo& info : series::expectedTensors(spec)) {
            std::int64_t elements = 1;
            for (const std::int64_t size : info.shape)
                elements *= size;
            std::vector<float>& values = made->weights[info.name];
            values.resize(static_cast<std::size_t>(elements));
            probe::fillNormals({1, std::hash<std::string>{}(info.name)}, 0, values);
            for (float& value : values)
                value = info.role == series::TensorRole::NormGain ? 1.0f : 0.05f * value;
        }
        QVERIFY(test::writeSmallWeights(*made));
        test::writeText(made->folder / "config.json", series::configFromDecoderSpec(spec).dump());
        test::writeText(made->folder / "crest.json", Json{{"format", 1}, {"tokens", 1000}, {"step", 100}}.dump());
    }

    QStringList command(const fs::path& series, const fs::path& study, const QStringList& more) const {
        return QStringList{"probe", "finetune", "--series", pathOf(series), "--study", pathOf(study), "--tune",
                           "rows=" + pathOf(m_rows), "--held-out-rows", "10", "--json"} + more;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_CACHE_HOME", (m_dir.path() + "/cache").toUtf8());
        std::string text;
        for (const std::string& document : test::smallDocuments())
            text += Json{{"prompt", "It is written that"}, {"completion", document.substr(18)}}.dump() + "\n";
        test::writeText(m_rows, text);
        makeSeries(m_folder / "small", 48, 2, 96, 320);
    }

    void killedIsAsLeftAlone_data() {
        QTest::addColumn<QStringList>("more");
        QTest::newRow("all weights") << QStringList{};
        QTest::newRow("adapters") << QStringList{"--lora-rank", "2"};
    }

    void killedIsAsLeftAlone() {
        QFETCH(QStringList, more);
        const QStringList options = more + QStringList{"--rates", "0.001,0.003", "--seeds", "1", "--epochs", "8", "--batch", "5",
                                                       "--max-tokens", "64", "--keep-gb", "0.1", "--state-seconds", "0", "--workers", "1"};
        const fs::path alone = m_folder / ("alone" + std::to_string(more.size())), killed = m_folder / ("killed" + std::to_string(more.size()));
        QElapsedTimer clock;
        clock.start();
        QCOMPARE(QProcess::execute(kProgram, command(m_folder / "small", alone, options)), 0);
        const auto whole = static_cast<double>(clock.elapsed());
        std::mt19937 random(20261127);
        int kills = 0, unfinished = 0;
        for (int life = 0; life < 40; ++life) {
            QProcess child;
            child.start(kProgram, command(m_folder / "small", killed, options));
            // Later and later, so that it gets somewhere where starting takes most of the time.
            const double share = std::uniform_real_distribution(0.15, 0.45)(random) * (1 + 0.15 * life);
            if (child.waitForFinished(static_cast<int>(whole * share))) {
                QCOMPARE(child.exitCode(), 0);
                break;
            }
            // The runner, not just its supervisor, which would pass a milder signal on.
            QProcess::execute("pkill", {"-KILL", "-P", QString::number(child.processId())});
            ::kill(static_cast<pid_t>(child.processId()), SIGKILL);
            QVERIFY(child.waitForFinished(-1));
            ++kills;
            std::error_code error;
            unfinished += fs::exists(killed / "artifacts" / "unfinished", error) && !fs::is_empty(killed / "artifacts" / "unfinished", error);
        }
        QCOMPARE(QProcess::execute(kProgram, command(m_folder / "small", killed, options)), 0);
        qInfo("%d kills, %d of them with a training to be taken up", kills, unfinished);
        QVERIFY(kills > 0 && unfinished > 0);
        const auto wanted = keptWeights(alone), found = keptWeights(killed);
        QCOMPARE(wanted.size(), std::size_t(2));
        QVERIFY(found == wanted);
    }

    void memoryIsAsPlanned_data() {
        QTest::addColumn<int>("width");
        QTest::addColumn<QStringList>("more");
        QTest::newRow("small") << 48 << QStringList{};
        QTest::newRow("middle") << 256 << QStringList{};
        QTest::newRow("middle, one worker") << 256 << QStringList{"--workers", "1"};
        QTest::newRow("15M, adapters, recomputed") << 384 << QStringList{"--lora-rank", "8", "--recompute-activations"};
        const QString sample = QStringLiteral(CREST_SOURCE_DIR "/resources/");
        const QStringList suite{"--suite", sample + "suites/sample.json", "--data", sample + "sample/tasks"};
        const QStringList rounded = suite + QStringList{"--dtype", "bfloat16"};
        QTest::newRow("small, suite") << 48 << suite;
        QTest::newRow("small, suite, bfloat16") << 48 << rounded;
        QTest::newRow("middle, suite") << 128 << suite;
        QTest::newRow("middle, suite, bfloat16") << 128 << rounded;
    }

    void memoryIsAsPlanned() {
        QFETCH(int, width);
        QFETCH(QStringList, more);
        const fs::path series = width == 48 ? m_folder / "small" : m_folder / std::to_string(width),
                       study = m_folder / ("memory" + std::to_string(width) + std::to_string(more.size()));
        if (width == 128 && !fs::exists(series))
            makeSeries(series, 128, 4, 512, 2048);
        if (width == 256)
            makeSeries(series, 256, 4, 1024, 4096);
        if (width == 384)
            makeSeries(series, 384, 6, 1152, 8192);
        const QStringList options = more + QStringList{"--rates", "0.001,0.002,0.003,0.004", "--seeds", "1", "--steps", "2", "--batch",
                                                       "24", "--max-tokens", "64"};
        QProcess plan;
        plan.start(kProgram, command(series, study, options + QStringList{"--plan-only"}));
        QVERIFY(plan.waitForFinished(-1) && plan.exitCode() == 0);
        const double planned = Json::parse(plan.readAllStandardOutput().toStdString()).at("memory_bytes");
        const auto [code, most] = runMeasured(command(series, study, options));
        QCOMPARE(code, 0);
        qInfo("planned %.0f MB, measured %.0f MB: %.3f", planned / 1e6, most / 1e6, planned / most);
        QVERIFY2(planned / most > 0.85 && planned / most < 1.15, qPrintable(QString::number(planned / most)));
    }
};

QTEST_GUILESS_MAIN(TestTuningProcess)
#include "tst_tuning_process.moc"
