// SPDX-License-Identifier: Apache-2.0
// A training that is killed by SIGKILL at random moments, while it computes and while it saves, and started again each time,
// ends with the bits of one that was left alone: weights, both moments, and the curve of losses.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <csignal>
#include <random>

#include <ATen/Parallel.h>

#include "core/io/files.h"
#include "core/train/fine_tune.h"
#include "tests/core/train/tuning_fixture.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSteps = 16;

/// The child: goes on where the state in `folder` stands, saves it after every step, and leaves it there.
int trainOn(const fs::path& folder, const Json& settings, int threads) {
    at::set_num_threads(1);
    const auto reader = model::WeightReader::open(folder.parent_path() / "start", test::smallSpec());
    const auto read = fineTuneSettingsFromJson(settings, "settings");
    if (!reader || !read)
        return 1;
    const auto examples = test::makeExamples(40, 97), replay = test::makeExamples(20, 97, 9);
    const auto made = FineTune::create(*reader, *read, 3e-3, 1, examples, threads, replay, settings.value("lora_rank", 0) == 0);
    if (!made || !(*made)->loadState(folder, "here"))
        return 1;
    std::printf("%d\n", static_cast<int>((*made)->stepsDone()));
    std::fflush(stdout);
    while ((*made)->stepsDone() < (*made)->stepsTotal())
        if (!(*made)->step() || !(*made)->saveState(folder, "here"))
            return 1;
    return 0;
}

} // namespace

class TestTuningKills : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};

    std::unique_ptr<QProcess> start(const fs::path& folder, const Json& settings, int threads) const {
        auto child = std::make_unique<QProcess>();
        child->start(QCoreApplication::applicationFilePath(),
                     {"--train", QString::fromStdString(folder.string()), QString::fromStdString(settings.dump()), QString::number(threads)});
        return child;
    }
    static std::string finalState(const fs::path& folder) {
        return io::readTextFile(folder / ("step" + std::to_string(kSteps) + ".bin")).value_or("none");
    }

private Q_SLOTS:
    void initTestCase() { QVERIFY(test::makeStart(m_folder / "start", test::smallSpec())); }

    void killedIsAsLeftAlone_data() {
        QTest::addColumn<QString>("settings");
        const auto row = [](const char* name, Json settings) {
            settings["max_steps"] = kSteps, settings["batch_examples"] = 8, settings["weight_decay"] = 0.1;
            QTest::newRow(name) << QString::fromStdString(settings.dump());
        };
        row("all weights", {{"gradient_lanes", 1}});
        row("accumulated one by one, on several threads", {{"packing", false}, {"gradient_lanes", 4}});
        row("bfloat16", {{"compute", "bfloat16"}});
        row("bfloat16, accumulated, towards the start", {{"compute", "bfloat16"}, {"packing", false}, {"gradient_lanes", 3}, {"l2_to_start", 0.1}});
        row("adapters, with replay", {{"lora_rank", 3}, {"replay_share", 0.25}, {"replay_tokens", 16}});
        row("the head first, with replay", {{"head_share", 0.4}, {"replay_share", 0.25}, {"replay_tokens", 16}});
    }

    void killedIsAsLeftAlone() {
        QFETCH(QString, settings);
        const Json json = Json::parse(settings.toStdString());
        const fs::path alone = m_folder / "alone", killed = m_folder / "killed";
        fs::remove_all(alone), fs::remove_all(killed);
        QElapsedTimer clock;
        clock.start();
        const auto whole = start(alone, json, 1);
        QVERIFY(whole->waitForReadyRead(-1));
        const qint64 begun = clock.elapsed();
        QVERIFY(whole->waitForFinished(-1) && whole->exitCode() == 0);
        const double training = static_cast<double>(clock.elapsed() - begun);

        std::mt19937 random(20261127);
        int kills = 0, resumed = 0;
        // On a machine whose load changes, a first try may be killed before anything is saved and then be through at once.
        for (int attempt = 0; attempt < 10 && resumed == 0; ++attempt) {
            fs::remove_all(killed);
            for (int life = 0; life < 60; ++life) {
                const auto child = start(killed, json, 1 + life % 3);
                QVERIFY(child->waitForReadyRead(-1));
                const int done = child->readLine().trimmed().toInt();
                resumed += done > 0 && done < kSteps;
                // Some steps further on, in the middle of whatever it does then; one that is through may leave.
                const double share = std::uniform_real_distribution(0.05, 0.4)(random);
                if (child->waitForFinished(done == kSteps ? -1 : static_cast<int>(training * share))) {
                    QCOMPARE(child->exitStatus(), QProcess::NormalExit);
                    QCOMPARE(child->exitCode(), 0);
                    break;
                }
                ::kill(static_cast<pid_t>(child->processId()), SIGKILL);
                QVERIFY(child->waitForFinished(-1));
                kills += child->exitStatus() == QProcess::CrashExit;
            }
        }
        qInfo("%d kills, %d times taken up in the middle", kills, resumed);
        QVERIFY(kills > 0 && resumed > 0);
        const std::string wanted = finalState(alone);
        QVERIFY(wanted.size() > 1000);
        QVERIFY(finalState(killed) == wanted);
    }
};

int main(int argc, char** argv) {
    if (argc == 5 && std::string_view(argv[1]) == "--train")
        return trainOn(argv[2], Json::parse(argv[3]), std::stoi(argv[4]));
    QCoreApplication application(argc, argv);
    TestTuningKills test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_tuning_kills.moc"
