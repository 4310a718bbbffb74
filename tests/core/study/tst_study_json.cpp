// SPDX-License-Identifier: Apache-2.0
#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include <sys/stat.h>

#include "core/study/queueing.h"
#include "core/study/run_log.h"
#include "core/study/runs.h"
#include "core/study/study_folder.h"
#include "core/study/study_json.h"
#include "tests/support/as_nobody.h"

using namespace crest;
using namespace crest::study;

namespace {

Study exampleStudy() {
    Study study;
    study.name = "mine \"quoted\"";
    study.series.push_back({"olmo", "/data/olmo", {"step3"}});
    study.series.push_back({"pythia 2", "/data/pythia", {}, "pythia", {2'097'152, {}, {"stage2-step5"}}});
    study.series.back().corrections.checkpoints["0123456789ab"] = {std::nullopt, std::nullopt, "step1000"};
    study.series.back().corrections.checkpoints["step7"] = {std::int64_t{1} << 53, 2, ""};
    study.tasks.push_back({.name = "heldout",
                           .textsPath = "texts/held.jsonl",
                           .dataHash = "ab12",
                           .windowTokens = 64,
                           .strideTokens = 32,
                           .maxWindows = 0});
    Probe probe;
    probe.name = "noise";
    probe.series = "olmo";
    probe.strengths = {0.05, 0.1};
    probe.seeds = 4;
    probe.noiseScale = NoiseScale::TensorRms;
    probe.compute = ComputeType::BFloat16;
    probe.tasks.push_back({"heldout", Role::OutOfDistribution});
    study.probes.push_back(probe);
    study.overlays.push_back({"paper",
                              "Figure 2",
                              "points.csv",
                              "cd34",
                              {{"OLMo-1B, base",
                                "arc_easy",
                                "acc",
                                "accuracy",
                                {{4e9, 0.25, 0.2, 0.3, 2376}, {8e9, 0.5, std::nullopt, std::nullopt, 0}}}}});
    return study;
}

Plan examplePlan() {
    const Study study = exampleStudy();
    Plan plan;
    plan.id = "run";
    plan.createdAt = "2026-11-22T17:53:00.000Z";
    plan.probe = study.probes[0];
    plan.tasks = study.tasks;
    plan.taskTokens = {640};
    plan.checkpoints.push_back({"olmo", "step1", "/data/olmo/step1", "w", "t", "", 4'000'000'000'000, std::nullopt, 2});
    plan.cells.push_back({0, 0, 0, {"k0"}, {1}});
    plan.cells.push_back({0, 0.1, 3, {"k1"}, {0}});
    plan.batches = {{1}};
    return plan;
}

ResultRow exampleRow() {
    ResultRow row;
    row.key = "k1";
    row.checkpoint = "step1";
    row.tokens = 4'000'000'000'000;
    row.modification = "gaussian-noise";
    row.strength = 0.1;
    row.seed = 3;
    row.value = 1.0 / 3;
    row.stderr_ = std::numeric_limits<double>::infinity();
    row.n = 2;
    return row;
}

} // namespace

class TestStudyJson : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void everyStructReadsBack() {
        const auto study = studyFromJson(*parseJson(canonicalJson(toJson(exampleStudy())), "s"), "s");
        QVERIFY2(study, study ? "" : study.error().text().c_str());
        QVERIFY(*study == exampleStudy());
        const auto plan = planFromJson(*parseJson(canonicalJson(toJson(examplePlan())), "p"), "p");
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QVERIFY(*plan == examplePlan());
        Plan onGpu = examplePlan();
        onGpu.device = "cuda:0";
        const auto gpuAgain = planFromJson(*parseJson(canonicalJson(toJson(onGpu)), "p"), "p");
        QVERIFY(gpuAgain && *gpuAgain == onGpu);
        const auto row = rowFromJson(*parseJson(canonicalJson(toJson(exampleRow())), "r"), "r");
        QVERIFY2(row, row ? "" : row.error().text().c_str());
        QVERIFY(*row == exampleRow()); // 1/3 and infinity exactly
    }

    void aSeriesWithoutCorrectionsIsWrittenAsEver() {
        const Json json = toJson(exampleStudy());
        QCOMPARE(canonicalJson(json["series"][0]),
                 std::string(R"({"excluded":["step3"],"name":"olmo","path":"/data/olmo"})"));
        QCOMPARE(canonicalJson(json["series"][1]["corrections"]),
                 std::string(R"({"0123456789ab":{"name":"step1000"},"step7":{"stage":2,"tokens":9007199254740992}})"));
        QCOMPARE(json["series"][1]["tokens_per_step"], Json(2'097'152));
    }

    void tasksOfSuitesReadBack() {
        Study study = exampleStudy();
        study.tasks.push_back({.name = "arc",
                               .kind = TaskKind::Suite,
                               .textsPath = "/data/arc",
                               .dataHash = "cd34",
                               .definition = R"({"name":"arc","shots":5,"template":"{{question}}\n"})",
                               .shots = 5,
                               .limit = 100});
        study.probes.push_back(baseEvaluation("base", "olmo", {{"arc", Role::InDistribution}}));
        const Json json = toJson(study);
        QCOMPARE(json["format"].get<int>(), 2);
        QVERIFY(json["tasks"][1]["definition"].is_object()); // for people to read
        const auto again = studyFromJson(*parseJson(canonicalJson(json), "s"), "s");
        QVERIFY2(again, again ? "" : again.error().text().c_str());
        QVERIFY(*again == study);
        Plan plan = examplePlan();
        plan.probe = study.probes[1];
        plan.tasks = {study.tasks[1]};
        const auto planAgain = planFromJson(*parseJson(canonicalJson(toJson(plan)), "p"), "p");
        QVERIFY2(planAgain, planAgain ? "" : planAgain.error().text().c_str());
        QVERIFY(*planAgain == plan);
        QCOMPARE(toJson(plan)["format"].get<int>(), 2);
        Json other = json;
        other["tasks"][1]["kind"] = "hologram";
        const auto refused = studyFromJson(other, "study.json");
        QVERIFY(!refused && refused.error().message.find("hologram") != std::string::npos);
    }

    /// As Crest 0.1 wrote them, word by word.
    void filesWithoutSuitesStayAsTheyWere() {
        const std::string old =
            R"({"format":1,"name":"old","probes":[{"compute":"float32","first_seed":1,"kind":"gaussian-noise","name":"noise",)"
            R"("noise_scale":"init-std","seeds":4,"series":"olmo","strengths":[0.1],"tasks":[{"role":"id","task":"heldout"}]}],)"
            R"("series":[{"excluded":[],"name":"olmo","path":"/data/olmo"}],"tasks":[{"data":"ab12","max_windows":0,)"
            R"("name":"heldout","stride_tokens":32,"texts":"held.jsonl","window_tokens":64}]})";
        const auto study = studyFromJson(*parseJson(old, "s"), "s");
        QVERIFY2(study, study ? "" : study.error().text().c_str());
        QCOMPARE(study->tasks[0].kind, TaskKind::TextLoss);
        QCOMPARE(study->tasks[0].windowTokens, std::int64_t{64});
        const Json written = toJson(*study);
        QCOMPARE(written["format"].get<int>(), 1); // an older Crest goes on to read it
        QCOMPARE(canonicalJson(written["tasks"]), canonicalJson((*parseJson(old, "s"))["tasks"]));
        QCOMPARE(canonicalJson(written["probes"]), canonicalJson((*parseJson(old, "s"))["probes"]));
    }

    void refusesWhatItDoesNotKnow_data() {
        QTest::addColumn<QString>("pointer");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("why");
        QTest::newRow("unknown key") << "/extra"
                                     << "1"
                                     << "unknown key \"extra\"";
        QTest::newRow("unknown key inside") << "/probes/0/extra"
                                            << "1"
                                            << "unknown key \"extra\"";
        QTest::newRow("newer") << "/format"
                               << "5"
                               << "newer Crest";
        QTest::newRow("format text") << "/format"
                                     << "\"1\""
                                     << "format";
        QTest::newRow("role") << "/probes/0/tasks/0/role"
                              << "\"both\""
                              << "\"both\" is no role";
        QTest::newRow("number for a text") << "/name"
                                           << "7"
                                           << "\"name\" must be a text";
        QTest::newRow("text for a number") << "/tasks/0/window_tokens"
                                           << "\"64\""
                                           << "window_tokens";
        QTest::newRow("fraction") << "/tasks/0/window_tokens"
                                  << "64.5"
                                  << "window_tokens";
        QTest::newRow("negative tokens") << "/series/1/corrections/step7/tokens"
                                         << "-1"
                                         << "tokens";
        QTest::newRow("unknown correction") << "/series/1/corrections/step7/colour"
                                            << "1"
                                            << "unknown key \"colour\"";
        QTest::newRow("corrections as list") << "/series/1/corrections"
                                             << "[]"
                                             << "JSON object";
        QTest::newRow("no tokens in a step") << "/series/1/tokens_per_step"
                                             << "0"
                                             << "tokens_per_step";
        QTest::newRow("object for a list") << "/tasks"
                                           << "{}"
                                           << "\"tasks\" must be a list";
    }
    void refusesWhatItDoesNotKnow() {
        QFETCH(QString, pointer);
        QFETCH(QString, value);
        QFETCH(QString, why);
        Json json = toJson(exampleStudy());
        json[Json::json_pointer(pointer.toStdString())] = *parseJson(value.toStdString(), "value");
        const auto study = studyFromJson(json, "study.json");
        QVERIFY(!study);
        QVERIFY2(QString::fromStdString(study.error().text()).contains(why), study.error().text().c_str());
        QVERIFY(QString::fromStdString(study.error().text()).contains("study.json"));
    }

    void aMissingKeyIsNamed() {
        Json json = toJson(exampleStudy());
        json["tasks"][0].erase("texts");
        const auto study = studyFromJson(json, "study.json");
        QVERIFY(!study && study.error().message.find("\"texts\" is missing") != std::string::npos);
    }

    void aPlanPointsNowhereElse_data() {
        QTest::addColumn<QString>("pointer");
        QTest::addColumn<QString>("value");
        QTest::newRow("checkpoint") << "/cells/1/checkpoint"
                                    << "1";
        QTest::newRow("keys") << "/cells/1/keys"
                              << "[]";
        QTest::newRow("batch") << "/batches/0/0"
                               << "2";
        QTest::newRow("empty batch") << "/batches/0"
                                     << "[]";
        QTest::newRow("negative") << "/batches/0/0"
                                  << "-1";
        QTest::newRow("tasks") << "/task_tokens"
                               << "[1,2]";
    }
    void aPlanPointsNowhereElse() {
        QFETCH(QString, pointer);
        QFETCH(QString, value);
        Json json = toJson(examplePlan());
        json[Json::json_pointer(pointer.toStdString())] = *parseJson(value.toStdString(), "value");
        QVERIFY(!planFromJson(json, "run.json"));
    }

    void folderIsMadeOpenedAndSaved() {
        QTemporaryDir dir;
        const std::filesystem::path path = (dir.path() + "/study").toStdString();
        QVERIFY(!StudyFolder::open(path));
        auto made = StudyFolder::create(path, exampleStudy());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QVERIFY(!StudyFolder::create(path, exampleStudy())); // never over an existing one
        Study changed = exampleStudy();
        changed.name = "other";
        QVERIFY(made->save(changed));
        const auto opened = StudyFolder::open(path);
        QVERIFY(opened && opened->study() == changed && opened->writable());
        QCOMPARE(opened->resolve("a/b"), path / "a/b");
        QCOMPARE(opened->resolve("/a/b"), std::filesystem::path("/a/b"));
    }

    void newerStudyIsUnsupported() {
        QTemporaryDir dir;
        QFile file(dir.path() + "/study.json");
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"format":99,"hologram":true})");
        file.close();
        const auto opened = StudyFolder::open(dir.path().toStdString());
        QVERIFY(!opened);
        QCOMPARE(opened.error().kind, ErrorKind::Unsupported);
        QVERIFY(opened.error().text().find("99") != std::string::npos);
    }

    void readOnlyFolderCanBeLookedAt() {
        QTemporaryDir dir;
        const std::filesystem::path path = (dir.path() + "/study").toStdString();
        QVERIFY(StudyFolder::create(path, exampleStudy()));
        ::chmod(qPrintable(dir.path()), 0755);
        ::chmod(path.c_str(), 0555);
        {
            const test::AsNobody nobody;
            if (!nobody.works())
                QSKIP("everything can be written here");
            auto opened = StudyFolder::open(path);
            QVERIFY(opened && !opened->writable() && !opened->save(exampleStudy()));
        }
        ::chmod(path.c_str(), 0755);
    }

    void oneWindowAtATime() {
        QTemporaryDir dir;
        auto folder = StudyFolder::create((dir.path() + "/study").toStdString(), exampleStudy());
        QVERIFY(folder);
        {
            const auto first = WindowLock::tryLock(*folder);
            QVERIFY(first);
            const auto second = WindowLock::tryLock(*folder);
            QVERIFY(!second && second.error().message.find("Another window") != std::string::npos);
        }
        QVERIFY(WindowLock::tryLock(*folder));
        const auto file = folder->path() / "window.lock";
        std::filesystem::remove(file);
        std::filesystem::create_symlink(file, file); // cannot be opened: no window need be there
        const auto none = WindowLock::tryLock(*folder);
        QVERIFY(!none && none.error().where == file.string() &&
                none.error().message.find("Another window") == std::string::npos);
        folder->makeReadOnly();
        QVERIFY(!folder->save(exampleStudy()));
        QVERIFY(!queueRun(*folder, examplePlan()));
    }

    /// The clock was set back after the first run was queued; then ids are made faster than it goes on.
    void aNewRunComesLast() {
        QTemporaryDir dir;
        const auto folder = StudyFolder::create((dir.path() + "/study").toStdString(), exampleStudy());
        const auto first = queueRun(*folder, examplePlan());
        QVERIFY(first);
        const std::string future = "20991231-235959999-noise-ffff";
        std::filesystem::rename(folder->runFolder(*first), folder->runFolder(future));
        std::vector<std::string> queued{future};
        for (const char* kind : {"pruning", "gaussian-noise", "base-evaluation"}) { // each sorts before the last
            Plan plan = examplePlan();
            plan.probe.kind = kind;
            const auto id = queueRun(*folder, plan);
            QVERIFY(id);
            queued.push_back(*id);
        }
        QCOMPARE(listRuns(*folder), queued);
    }

    void whoQueuesAtTheSameTimeGetsARunOfHisOwn() {
        QTemporaryDir dir;
        const auto folder = StudyFolder::create((dir.path() + "/study").toStdString(), exampleStudy());
        constexpr int kWriters = 4, kEach = 5;
        std::vector<std::vector<std::string>> queued(kWriters); // of each, in its order
        {
            std::vector<std::jthread> writers; // the lock is between descriptors, whoever has them
            for (int writer = 0; writer < kWriters; ++writer)
                writers.emplace_back([&, writer] {
                    for (int i = 0; i < kEach; ++i) {
                        Plan plan = examplePlan();
                        plan.probe.firstSeed = 1 + writer * kEach + i;
                        if (const auto id = queueOnce(*folder, plan, [](const std::string&) { return false; }))
                            queued[writer].push_back(*id);
                    }
                });
        }
        std::set<std::string> all;
        for (const auto& ids : queued) {
            QCOMPARE(ids.size(), std::size_t{kEach});
            QVERIFY(std::ranges::is_sorted(ids));
            all.insert(ids.begin(), ids.end());
        }
        QCOMPARE(all.size(), std::size_t{kWriters * kEach});
        std::set<std::string> stamps;
        for (const std::string& id : all)
            stamps.insert(id.substr(0, id.find('-', id.find('-') + 1)));
        QCOMPARE(stamps.size(), all.size());
    }

    void controlSaysWhatWasWritten() {
        QTemporaryDir dir;
        auto folder = StudyFolder::create((dir.path() + "/study").toStdString(), exampleStudy());
        const auto id = queueRun(*folder, examplePlan());
        QVERIFY2(id, id ? "" : id.error().text().c_str());
        QCOMPARE(listRuns(*folder), std::vector<std::string>{*id});
        Plan expected = examplePlan();
        expected.id = *id;
        QVERIFY(*readPlan(*folder, *id) == expected);
        QCOMPARE(readControl(*folder, *id), RunCommand::Run);
        for (const RunCommand command : {RunCommand::Pause, RunCommand::Stop, RunCommand::StopNow, RunCommand::Run}) {
            QVERIFY(controlRun(*folder, *id, command));
            QCOMPARE(readControl(*folder, *id), command);
        }
        QFile file(QString::fromStdString((folder->runFolder(*id) / "control.json").string()));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("{\"command\":\"dance\"}");
        file.close();
        QCOMPARE(readControl(*folder, *id), RunCommand::Pause); // not understood: no more work, nothing lost
    }

    void statusAndEventsReadBackAndTornOnesDoNot() {
        WriterStatus status;
        status.state = WriterState::Paused;
        status.phase = "gamma 0.1, 16M tokens";
        status.message = std::string(3000, '\x01'); // six characters each in JSON
        status.tokensPerSecond = 12345.5;
        status.freshCells = 7;
        status.freshTokens = 7e9, status.begunTokens = 0.5;
        status.work = "0123456789abcdef";
        const std::string text = formatStatus(status);
        QCOMPARE(text.size(), kStatusBytes);
        const auto read = parseStatus(text, "status");
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QCOMPARE(read->state, status.state);
        QCOMPARE(read->phase, status.phase);
        QCOMPARE(read->tokensPerSecond, status.tokensPerSecond);
        QVERIFY(read->freshTokens == 7e9 && read->begunTokens == 0.5 && read->work == status.work);
        for (std::size_t cut : {0u, 5u, 9u, 40u, 100u}) {
            std::string torn = text;
            torn.resize(cut);
            torn.resize(kStatusBytes, ' ');
            QVERIFY(!parseStatus(torn, "status"));
        }
        const RunEvent event{RunEvent::Type::Failed, {3, 5}, "why", "2026-11-22T17:53:00.000Z"};
        std::string line = formatEvent(event);
        line.pop_back();
        const auto same = parseEvent(line, "events");
        QVERIFY(same && same->type == event.type && same->cells == event.cells && same->text == event.text &&
                same->at == event.at);
        line[20] ^= 1;
        QVERIFY(!parseEvent(line, "events"));
    }
};

QTEST_APPLESS_MAIN(TestStudyJson)
#include "tst_study_json.moc"
