// SPDX-License-Identifier: Apache-2.0
// The runner's bookkeeping: pairs, bases, texts and tasks of suites, what it refuses; and that it never touches a
// checkpoint.
#include <cmath>
#include <fstream>
#include <numeric>
#include <set>
#include <utility>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/base/hash.h"
#include "core/eval/text_loss.h"
#include "core/io/files.h"
#include "core/probe/gaussian_noise.h"
#include "core/probe/probe_runner.h"
#include "core/series/weight_check.h"
#include "core/study/planner.h"
#include "tests/core/probe/small_checkpoint.h"

using namespace crest;
using run::Measurement;

namespace {

run::BatchRequest everything(const study::Plan& plan) {
    run::BatchRequest request;
    request.plan = &plan;
    std::vector<int> tasks(plan.tasks.size());
    std::iota(tasks.begin(), tasks.end(), 0);
    for (std::size_t cell = 0; cell < plan.cells.size(); ++cell)
        request.wanted.push_back({static_cast<int>(cell), tasks});
    return request;
}

Result<std::vector<Measurement>> compute(const run::BatchRequest& request, int threads = 1,
                                         const JobContext& job = {}) {
    CREST_TRY(runner, probe::makeProbeRunner({"cpu", threads}));
    std::vector<Measurement> all;
    CREST_CHECK(runner->run(request, job, [&](Measurement measurement) -> Result<void> {
        all.push_back(std::move(measurement));
        return {};
    }));
    return all;
}

const Measurement& find(const std::vector<Measurement>& all, int cell, int task) {
    for (const Measurement& measurement : all)
        if (measurement.cell == cell && measurement.task == task)
            return measurement;
    qFatal("no measurement of cell %d, task %d", cell, task);
}

bool same(const Measurement& a, const Measurement& b) {
    return a.value == b.value && a.sequenceNats == b.sequenceNats && a.sequenceTokens == b.sequenceTokens;
}

study::Task suiteTask(const std::string& folder, const Json& definition) {
    study::Task task;
    task.name = definition.at("name");
    task.kind = study::TaskKind::Suite;
    task.textsPath = folder;
    task.definition = canonicalJson(definition);
    return task;
}

/// The plan with three tasks of a suite instead of its texts: a choice, a perplexity, and texts that are kept.
study::Plan suitePlan(const test::SmallCheckpoint& checkpoint, const std::string& data,
                      const std::vector<double>& gammas, std::int64_t seeds) {
    study::Plan plan = test::smallPlan(checkpoint, gammas, seeds);
    const Json rows = {{"test", Json::array({"rows.jsonl"})}};
    plan.tasks = {
        suiteTask(data, {{"name", "choice"},
                         {"kind", "multiple_choice"},
                         {"data", rows},
                         {"context", "{{text}}"},
                         {"choices", "{{choices}}"},
                         {"gold", "{{gold}}"},
                         {"metrics", Json::array({"acc", "acc_norm"})}}),
        suiteTask(data, {{"name", "perplexity"}, {"kind", "rolling"}, {"data", rows}, {"document", "{{text}}"}}),
        suiteTask(data, {{"name", "told"},
                         {"kind", "generation"},
                         {"data", rows},
                         {"context", "{{text}}"},
                         {"metrics", Json::array({"tokens"})},
                         {"generation", {{"max_new_tokens", 6}}}})};
    return plan;
}

void writeRows(const std::string& folder, int count) {
    std::ofstream out(folder + "/rows.jsonl");
    const char* choices[] = {"water", "stone", "light", "river"};
    for (int i = 0; i < count; ++i)
        out << Json{{"text", "It is written that " + std::string(choices[i % 3]) + " and"},
                    {"choices", choices},
                    {"gold", i % 4}}
            << "\n";
}

} // namespace

class ProbeRunnerTest : public QObject {
    Q_OBJECT
    /// Its weights already are w + gamma std z of seed 1.
    test::SmallCheckpoint checkpointWith(const std::string& folder, double gamma) const {
        auto changed = test::makeSmallCheckpoint(folder);
        for (const auto& [name, std] : m_checkpoint.initStd) {
            std::vector<float>& values = changed->weights[name];
            std::vector<float> z(values.size());
            probe::fillNormals(probe::noiseStream(1, name), 0, z);
            for (std::size_t i = 0; i < values.size(); ++i)
                values[i] += static_cast<float>(gamma * std) * z[i];
        }
        if (!test::writeSmallWeights(*changed))
            qFatal("the changed weights could not be written");
        return *changed;
    }

private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        QVERIFY(m_temporary.isValid());
        auto made = test::makeSmallCheckpoint(m_temporary.path().toStdString());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        m_checkpoint = std::move(*made);
    }

    /// The modified loss, computed here by hand: a checkpoint whose weights already are w +- gamma std z, and its plain
    /// loss.
    void pairIsTheMeanOfBothMembers() {
        const double gamma = 0.3;
        const study::Plan plan = test::smallPlan(m_checkpoint, {gamma}, 1);
        const auto all = compute(everything(plan));
        QVERIFY2(all, all ? "" : all.error().text().c_str());
        for (int task = 0; task < 2; ++task) {
            std::vector<std::vector<double>> members;
            for (const double sign : {1.0, -1.0}) {
                QTemporaryDir folder;
                const auto changed = checkpointWith(folder.path().toStdString(), sign * gamma);
                const study::Plan basePlan = test::smallPlan(changed, {}, 0);
                const auto base = compute(everything(basePlan));
                QVERIFY2(base, base ? "" : base.error().text().c_str());
                const auto& nats = find(*base, 0, task).sequenceNats;
                members.emplace_back(nats.begin(), nats.end());
            }
            const Measurement& pair = find(*all, 1, task);
            QCOMPARE(pair.sequenceNats.size(), members[0].size());
            double total = 0;
            for (std::size_t s = 0; s < members[0].size(); ++s) {
                const double mean = (members[0][s] + members[1][s]) / 2;
                QVERIFY(std::abs(static_cast<double>(pair.sequenceNats[s]) - mean) < 1e-5 * mean);
                total += mean;
            }
            QVERIFY(std::abs(pair.value - total / static_cast<double>(pair.scoredTokens)) < 1e-5);
            QVERIFY(std::abs(pair.value - find(*all, 0, task).value) > 1e-3); // noise that does nothing would pass, too
        }
    }

    /// Of suites: losses and values of items are means of both members, computed here by hand as well.
    void pairsOfSuiteTasksAreMeansToo() {
        QTemporaryDir data;
        writeRows(data.path().toStdString(), 12);
        const double gamma = 0.3;
        const study::Plan plan = suitePlan(m_checkpoint, data.path().toStdString(), {gamma}, 1);
        const auto all = compute(everything(plan));
        QVERIFY2(all, all ? "" : all.error().text().c_str());
        QCOMPARE(all->size(), std::size_t{6});
        std::vector<std::vector<Measurement>> members;
        for (const double sign : {1.0, -1.0}) {
            QTemporaryDir folder;
            const auto changed = checkpointWith(folder.path().toStdString(), sign * gamma);
            auto base = compute(everything(suitePlan(changed, data.path().toStdString(), {}, 0)));
            QVERIFY2(base, base ? "" : base.error().text().c_str());
            members.push_back(std::move(*base));
        }
        for (int task = 0; task < 3; ++task) {
            const data::TaskOutcome &pair = find(*all, 1, task).outcome, &plus = find(members[0], 0, task).outcome,
                                    &minus = find(members[1], 0, task).outcome;
            QCOMPARE(pair.details.itemDocuments.size(), std::size_t{12});
            for (std::size_t m = 0; m < pair.metrics.size(); ++m)
                for (std::size_t i = 0; i < 12; ++i) {
                    const double mean = (plus.metrics[m].itemValues[i] + minus.metrics[m].itemValues[i]) / 2.0;
                    QVERIFY(std::abs(pair.metrics[m].itemValues[i] - mean) <= 1e-5 * std::max(1.0, mean));
                }
            for (std::size_t r = 0; r < pair.details.requestNats.size(); ++r) {
                const double mean = (plus.details.requestNats[r] + minus.details.requestNats[r]) / 2.0;
                QVERIFY(std::abs(pair.details.requestNats[r] - mean) < 1e-5 * mean);
            }
            for (std::size_t r = 0; r < pair.details.requestGreedy.size(); ++r)
                QCOMPARE(int(pair.details.requestGreedy[r]),
                         int(plus.details.requestGreedy[r]) + int(minus.details.requestGreedy[r]));
            QVERIFY(pair.details.texts == plus.details.texts);
            QVERIFY(!(pair.metrics == find(*all, 0, task).outcome.metrics) || task == 2); // noise does something
        }
        QCOMPARE(find(*all, 0, 2).outcome.details.texts.size(), std::size_t{12});
    }

    void aTaskWithoutItsDataFailsAlone() {
        QTemporaryDir data;
        writeRows(data.path().toStdString(), 4);
        study::Plan plan = suitePlan(m_checkpoint, data.path().toStdString(), {0.1}, 1);
        plan.tasks[1].textsPath += "/gone";
        const auto runner = probe::makeProbeRunner({"cpu", 1});
        std::set<int> measured;
        auto done = (*runner)->run(everything(plan), {}, [&](Measurement measurement) -> Result<void> {
            measured.insert(measurement.task);
            return {};
        });
        QVERIFY(!done && done.error().text().find("gone") != std::string::npos);
        QCOMPARE(measured, (std::set<int>{0, 2}));
        // What was planned is what is measured: other data are refused.
        plan = suitePlan(m_checkpoint, data.path().toStdString(), {0.1}, 1);
        plan.tasks[0].dataHash = sha256Hex("planned");
        measured.clear();
        done = (*runner)->run(everything(plan), {}, [&](Measurement measurement) -> Result<void> {
            measured.insert(measurement.task);
            return {};
        });
        QVERIFY(!done);
        QCOMPARE(done.error().kind, ErrorKind::Mismatch);
        QVERIFY(done.error().message.find("choice") != std::string::npos);
        QCOMPARE(measured, (std::set<int>{1, 2}));
    }

    void tasksKeepTheirWindows() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        const auto all = compute(everything(plan));
        QVERIFY(all);
        QCOMPARE(find(*all, 1, 0).sequenceTokens, std::vector<std::int32_t>(6, 64));
        QCOMPARE(find(*all, 1, 1).sequenceTokens.size(), 9u);
        QCOMPARE(find(*all, 1, 1).sequenceTokens[0], 32); // the first window scores all, later ones their stride
        QCOMPARE(find(*all, 1, 1).sequenceTokens[1], 16);
        for (const Measurement& measurement : *all) {
            QVERIFY(measurement.cause.empty() && std::isfinite(measurement.value) && measurement.stderr_ > 0);
            std::int64_t tokens = 0;
            for (const std::int32_t count : measurement.sequenceTokens)
                tokens += count;
            QCOMPARE(measurement.scoredTokens, tokens);
        }
    }

    /// A cell's numbers are its own: alone, in another order, or with other gammas.
    void cellsDoNotDependOnTheBatch() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.05, 0.1, 0.2}, 2);
        const auto all = compute(everything(plan));
        QVERIFY(all);
        for (const int cell : {0, 2, 6})
            for (const int task : {0, 1}) {
                run::BatchRequest one;
                one.plan = &plan;
                one.wanted.push_back({cell, {task}});
                const auto alone = compute(one);
                QVERIFY(alone && alone->size() == 1);
                QVERIFY(same(alone->front(), find(*all, cell, task)));
            }
    }

    void threadsChangeNothing() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 2);
        const auto one = compute(everything(plan), 1), two = compute(everything(plan), 2);
        at::set_num_threads(1);
        QVERIFY(one && two && one->size() == two->size());
        for (const Measurement& measurement : *one)
            QVERIFY(same(measurement, find(*two, measurement.cell, measurement.task)));
    }

    void anotherScaleIsAnotherProbe() {
        study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        const auto init = compute(everything(plan));
        plan.probe.noiseScale = study::NoiseScale::TensorRms;
        const auto rms = compute(everything(plan));
        QVERIFY(init && rms);
        QVERIFY(find(*init, 0, 0).value == find(*rms, 0, 0).value);
        QVERIFY(find(*init, 1, 0).value != find(*rms, 1, 0).value);
    }

    void unknownInitStdNamesTheFallback() {
        QTemporaryDir folder;
        const auto checkpoint = test::makeSmallCheckpoint(folder.path().toStdString(), false);
        QVERIFY(checkpoint);
        study::Plan plan = test::smallPlan(*checkpoint, {0.1}, 1);
        const auto refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().message.find("RMS") != std::string::npos);
        QVERIFY(refused.error().message.find("embed_tokens") != std::string::npos);
        plan.probe.noiseScale = study::NoiseScale::TensorRms;
        QVERIFY(compute(everything(plan)));
    }

    void nanWeightsAreNamed() {
        QTemporaryDir folder;
        auto checkpoint = test::makeSmallCheckpoint(folder.path().toStdString());
        checkpoint->weights["model.layers.1.mlp.up_proj.weight"][17] = std::nanf("");
        QVERIFY(test::writeSmallWeights(*checkpoint));
        const study::Plan plan = test::smallPlan(*checkpoint, {0.1}, 1);
        const auto refused = compute(everything(plan));
        QVERIFY(!refused);
        QCOMPARE(refused.error().kind, ErrorKind::NonFinite);
        QVERIFY(refused.error().message.find("model.layers.1.mlp.up_proj.weight") != std::string::npos);
        QVERIFY(refused.error().message.find("17") != std::string::npos);
    }

    void lossesThatOverflowAreRecorded() {
        QTemporaryDir folder;
        auto checkpoint = test::makeSmallCheckpoint(folder.path().toStdString());
        for (const char* name : {"model.layers.1.mlp.down_proj.weight", "model.layers.1.mlp.up_proj.weight"})
            for (float& value : checkpoint->weights[name])
                value *= 1e20f;
        QVERIFY(test::writeSmallWeights(*checkpoint));
        const study::Plan plan = test::smallPlan(*checkpoint, {}, 0);
        const auto all = compute(everything(plan));
        QVERIFY2(all, all ? "" : all.error().text().c_str());
        QVERIFY(!std::isfinite(find(*all, 0, 0).value));
        QVERIFY(find(*all, 0, 0).cause.find("not finite") != std::string::npos);
    }

    void changedInputsAreRefused() {
        study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        const auto weights = series::CheckpointWeights::open(m_checkpoint.folder, m_checkpoint.spec);
        plan.checkpoints[0].weights = *series::fingerprintWeights(*weights, m_checkpoint.spec);
        plan.tasks[0].dataHash = plan.tasks[1].dataHash = sha256Hex(*io::readTextFile(m_checkpoint.texts));
        QVERIFY(compute(everything(plan)));
        plan.tasks[1].dataHash[0] = plan.tasks[1].dataHash[0] == 'a' ? 'b' : 'a';
        auto refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().kind == ErrorKind::Mismatch);
        plan.checkpoints[0].weights[0] = plan.checkpoints[0].weights[0] == 'a' ? 'b' : 'a';
        refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().kind == ErrorKind::Mismatch &&
                refused.error().message.find("weights") != std::string::npos);
    }

    void anotherInitialisationOrTokenizerIsRefused() {
        study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        plan.checkpoints[0].initStd = study::initStdHash(m_checkpoint.initStd);
        plan.checkpoints[0].tokenizer = sha256Hex(*io::readTextFile(m_checkpoint.folder / "tokenizer.json"));
        const study::Plan sound = plan;
        QVERIFY(compute(everything(sound)));
        std::map<std::string, double> other = m_checkpoint.initStd;
        other.begin()->second *= 1.5;
        plan.checkpoints[0].initStd = study::initStdHash(other);
        auto refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().kind == ErrorKind::Mismatch);
        QVERIFY2(refused.error().message.find("initialised") != std::string::npos, refused.error().message.c_str());
        // The keys differ as well, so no stored result of the one is found for the other.
        const study::Task task{.name = "words",
                               .textsPath = "",
                               .dataHash = "data",
                               .windowTokens = 64,
                               .strideTokens = 64,
                               .maxWindows = 6};
        QVERIFY(study::resultKey(plan.checkpoints[0], plan.probe, task, 0.1, 1) !=
                study::resultKey(sound.checkpoints[0], plan.probe, task, 0.1, 1));
        plan = sound;
        plan.checkpoints[0].tokenizer = sha256Hex("another");
        refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().message.find("tokenizer") != std::string::npos);
    }

    /// Weights that are overwritten in place while a pass is under way: what it computed is of neither, and is not
    /// given out.
    void weightsThatChangeMeanwhileGiveNoResult() {
        QTemporaryDir folder;
        auto checkpoint = test::makeSmallCheckpoint(folder.path().toStdString());
        study::Plan plan = test::smallPlan(*checkpoint, {0.1}, 2);
        const auto weights = series::CheckpointWeights::open(checkpoint->folder, checkpoint->spec);
        plan.checkpoints[0].weights = *series::fingerprintWeights(*weights, checkpoint->spec);
        const std::string file = (checkpoint->folder / "model.safetensors").string();
        const auto overwrite = [&](char byte) {
            std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
            out.seekp(-1, std::ios::end);
            out.put(byte);
        };
        const auto runner = probe::makeProbeRunner({"cpu", 1});
        int emitted = 0, changes = 0;
        const JobContext job({}, [&](const Progress&) {
            if (++changes == 1)
                overwrite('x');
        });
        const auto done = (*runner)->run(everything(plan), job, [&](Measurement) -> Result<void> {
            ++emitted;
            return {};
        });
        QVERIFY(!done);
        QCOMPARE(done.error().kind, ErrorKind::Mismatch);
        QVERIFY2(done.error().message.find("changed since the run was planned") != std::string::npos,
                 done.error().message.c_str());
        QCOMPARE(emitted, 0);
    }

    /// A new time stamp alone (a backup, a copy back) costs a second look and nothing else.
    void touchedFilesAreLookedAtAgain() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        const auto before = compute(everything(plan));
        bool touched = false;
        const JobContext job({}, [&](const Progress&) {
            if (!std::exchange(touched, true))
                std::filesystem::last_write_time(m_checkpoint.folder / "model.safetensors",
                                                 std::filesystem::file_time_type::clock::now());
        });
        const auto after = compute(everything(plan), 1, job);
        QVERIFY(before && after && touched && after->size() == before->size());
        for (const Measurement& measurement : *before)
            QVERIFY(same(measurement, find(*after, measurement.cell, measurement.task)));
    }

    void badWindowsAreNamed() {
        study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        plan.tasks[0].windowTokens = 65;
        auto refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().message.find("context") != std::string::npos);
        plan = test::smallPlan(m_checkpoint, {0.1}, 1);
        const std::string shortText = m_temporary.filePath("short.txt").toStdString();
        test::writeText(shortText, "water");
        plan.tasks[0].textsPath = shortText;
        refused = compute(everything(plan));
        QVERIFY(!refused);
    }

    void tinyGammasNeedFloat32() {
        study::Plan plan = test::smallPlan(m_checkpoint, {0.01}, 1);
        plan.probe.compute = study::ComputeType::BFloat16;
        const auto refused = compute(everything(plan));
        QVERIFY(!refused && refused.error().kind == ErrorKind::OutOfRange);
        plan = test::smallPlan(m_checkpoint, {0.2}, 1);
        const auto exact = compute(everything(plan));
        plan.probe.compute = study::ComputeType::BFloat16;
        const auto rounded = compute(everything(plan));
        QVERIFY(exact && rounded);
        const double difference = std::abs(find(*exact, 1, 0).value - find(*rounded, 1, 0).value);
        QVERIFY2(difference > 0 && difference < 0.02, qPrintable(QString::number(difference)));
    }

    void stopsBetweenSteps() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.1}, 3);
        std::stop_source stop;
        std::int64_t reported = 0;
        const JobContext job(stop.get_token(), [&](const Progress& progress) {
            reported = progress.done;
            stop.request_stop();
        });
        const auto stoppedEarly = compute(everything(plan), 1, job);
        QVERIFY(!stoppedEarly && stoppedEarly.error().kind == ErrorKind::Stopped);
        QVERIFY(reported > 0);
    }

    /// Progress counts every token of every pass: bases once, pairs twice; what windows of both tasks begin with in
    /// common goes through the model once (three windows of 32 tokens begin where one of 64 does).
    void progressCountsTokens() {
        const study::Plan plan = test::smallPlan(m_checkpoint, {0.1, 0.2}, 2);
        std::int64_t reported = 0;
        const JobContext job({}, [&](const Progress& progress) { reported = progress.done; });
        QVERIFY(compute(everything(plan), 1, job));
        const std::int64_t onePass = 6 * 64 + 9 * 32 - 3 * 32;
        QVERIFY2(std::abs(reported - onePass * (1 + 2 * 2 * 2)) <= 2, qPrintable(QString::number(reported)));
    }

    void pristineAfterAThousandSeeds() {
        const std::string before = sha256Hex(*io::readTextFile(m_checkpoint.folder / "model.safetensors"));
        const auto reader = model::WeightReader::open(m_checkpoint.folder, m_checkpoint.spec);
        QVERIFY(reader);
        const auto std = probe::noiseStd(*reader, m_checkpoint.initStd);
        QVERIFY(std);
        const auto noise = probe::makeGaussianNoise(*reader, *std);
        model::PristineWeights base(*reader);
        model::Decoder decoder(m_checkpoint.spec, {});
        const std::vector<std::int32_t> ids{1, 5, 9, 2};
        const std::vector<eval::Sequence> sequences{{ids, 1}};
        const auto first = eval::sequenceLosses(decoder, base, sequences, {}, {});
        QVERIFY(first);
        for (std::int64_t seed = 1; seed <= 1000; ++seed) {
            const std::vector<double> gammas{0.1};
            const auto versions = noise->versions(gammas, seed, {});
            QVERIFY(versions && eval::sequenceLosses(decoder, **versions, sequences, {}, {}));
        }
        const auto last = eval::sequenceLosses(decoder, base, sequences, {}, {});
        QVERIFY(last && last->front().tokenNats == first->front().tokenNats);
        QCOMPARE(sha256Hex(*io::readTextFile(m_checkpoint.folder / "model.safetensors")), before);
    }

    void unknownDevicesAreNamed() {
        const auto runner = probe::makeProbeRunner({"abacus", 1});
        QVERIFY(!runner && runner.error().message.find("abacus") != std::string::npos);
        QVERIFY(!probe::makeProbeRunner({"cpu", 0}));
    }

private:
    QTemporaryDir m_temporary;
    test::SmallCheckpoint m_checkpoint;
};

QTEST_GUILESS_MAIN(ProbeRunnerTest)
#include "tst_probe_runner.moc"
