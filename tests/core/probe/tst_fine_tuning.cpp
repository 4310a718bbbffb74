// SPDX-License-Identifier: Apache-2.0
// Fine-tuning as a modification: what is kept of a training that was stopped or lost, and when it goes.
#include <QTemporaryDir>
#include <QtTest>

#include "core/io/files.h"
#include "core/probe/fine_tuning.h"
#include "core/run/batch_runner.h"
#include "core/train/fine_tune.h"
#include "tests/core/probe/small_checkpoint.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<const data::TuningSet> smallSet() {
    auto set = std::make_shared<data::TuningSet>();
    for (int example = 0; example < 24; ++example) {
        data::TuningExample& one = set->train.emplace_back();
        for (int i = 0; i < 12 + example % 5; ++i) {
            one.ids.push_back((7 * example + 3 * i) % 290);
            one.learned.push_back(i >= 4 ? 1 : 0);
        }
    }
    return set;
}

std::vector<float> weightsOf(model::WeightSource& source) {
    std::vector<float> all;
    for (int tensor = 0; tensor < static_cast<int>(source.reader().tensors().size()); ++tensor) {
        std::vector<float> part(static_cast<std::size_t>(source.reader().elements(tensor)));
        float* const to[] = {part.data()};
        source.make(tensor, 0, source.reader().elements(tensor), 0, to);
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

} // namespace

class TestFineTuning : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::unique_ptr<model::WeightReader> m_reader;
    std::shared_ptr<const data::TuningSet> m_set = smallSet();
    std::vector<double> m_rate{0.003};
    std::int64_t m_reported = 0; ///< tokens
    std::int64_t m_found = 0;    ///< steps that were done already

    fs::path states() const { return fs::path(m_dir.path().toStdString()) / "states"; }
    bool holdsNothing() const {
        std::error_code error;
        return !fs::exists(states(), error) || fs::is_empty(states(), error);
    }
    fs::path logFile() const { return fs::path(m_dir.path().toStdString()) / "logs" / "one.tsv"; }
    std::string log() const { return io::readTextFile(logFile()).value_or("none"); }
    static train::FineTuneSettings settingsOf(std::int64_t epochs) {
        train::FineTuneSettings settings;
        settings.epochs = epochs;
        settings.batchExamples = 6;
        return settings;
    }
    std::unique_ptr<probe::Modification> tuning(double saveSeconds = 0, std::int64_t epochs = 4) const {
        probe::FineTuningOptions options;
        options.settings = settingsOf(epochs);
        options.logPlace = [this](double rate, std::int64_t seed) {
            return study::TrainingPlace{logFile(), fmt::format("{} {}", rate, seed)};
        };
        options.stateFolder = states();
        options.identity = "weights and data";
        options.saveSeconds = saveSeconds;
        return probe::makeFineTuning(*m_reader, m_set, options);
    }
    /// Counts tokens; asks to stop as soon as `most` of them are reported.
    JobContext counting(std::stop_source& stop, std::int64_t most) {
        m_reported = m_found = 0;
        return JobContext(stop.get_token(), [this, &stop, most](const Progress& progress) {
            if (progress.what == run::kFoundSteps)
                m_found = progress.done;
            if (progress.what != "tokens")
                return;
            m_reported = progress.done;
            if (progress.done >= most)
                stop.request_stop();
        });
    }

private Q_SLOTS:
    void initTestCase() {
        const fs::path folder = fs::path(m_dir.path().toStdString()) / "checkpoint";
        fs::create_directories(folder);
        const auto made = test::makeSmallCheckpoint(folder);
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        auto reader = model::WeightReader::open(folder, made->spec);
        QVERIFY(reader);
        m_reader = std::make_unique<model::WeightReader>(std::move(*reader));
    }
    void init() { fs::remove_all(states()); }

    void aStoppedTrainingGoesOnWhereItWas() {
        std::vector<float> whole;
        std::int64_t tokensOfAll = 0;
        {
            std::stop_source never;
            const auto modification = tuning(1e9);
            const auto made = modification->versions(m_rate, 1, counting(never, INT64_MAX));
            QVERIFY2(made, made ? "" : made.error().text().c_str());
            whole = weightsOf(**made);
            tokensOfAll = m_reported;
            QCOMPARE(m_found, std::int64_t{0});
        }
        QVERIFY(holdsNothing()); // it was too short to be worth keeping
        {
            std::stop_source stop;
            const auto modification = tuning(1e9);
            const auto made = modification->versions(m_rate, 1, counting(stop, tokensOfAll / 2));
            QVERIFY(!made && made.error().kind == ErrorKind::Stopped);
        }
        QVERIFY(!holdsNothing()); // the runner is gone, what it did is not
        std::stop_source never;
        const auto modification = tuning(1e9);
        const auto made = modification->versions(m_rate, 1, counting(never, INT64_MAX));
        QVERIFY(made);
        QVERIFY2(m_reported < 2 * tokensOfAll / 3, "it began anew");
        QVERIFY(m_found > 0);
        QVERIFY(weightsOf(**made) == whole);
        modification->done();
        QVERIFY(holdsNothing());
    }

    void aFinishedTrainingIsKeptUntilItIsMeasured() {
        std::stop_source never;
        std::vector<float> whole;
        {
            const auto modification = tuning(0); // every step counts as long
            const auto made = modification->versions(m_rate, 2, counting(never, INT64_MAX));
            QVERIFY(made);
            whole = weightsOf(**made);
        } // killed before it was measured
        const auto modification = tuning(0);
        const auto made = modification->versions(m_rate, 2, counting(never, INT64_MAX));
        QVERIFY(made);
        QCOMPARE(m_reported, 0); // nothing was trained
        QVERIFY(weightsOf(**made) == whole);
        QVERIFY(modification->versions(m_rate, 2, counting(never, INT64_MAX))); // the next task of the same cell
        QCOMPARE(m_reported, 0);
        const auto other = modification->versions(m_rate, 3, counting(never, INT64_MAX));
        QVERIFY(other && m_reported > 0);
        QVERIFY(weightsOf(**other) != whole);
        modification->done();
        QVERIFY(holdsNothing());
    }

    void aDamagedStateIsTrainedAnew() {
        std::stop_source never;
        std::vector<float> whole;
        {
            const auto modification = tuning(0);
            const auto made = modification->versions(m_rate, 1, counting(never, INT64_MAX));
            QVERIFY(made);
            whole = weightsOf(**made);
        }
        for (const auto& file : fs::recursive_directory_iterator(states()))
            if (file.is_regular_file())
                fs::resize_file(file.path(), fs::file_size(file.path()) / 2);
        const auto made = tuning(0)->versions(m_rate, 1, counting(never, INT64_MAX));
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QVERIFY(m_reported > 0);
    }

    void everyStepIsLogged() {
        std::stop_source never;
        QVERIFY(tuning(1e9)->versions(m_rate, 1, counting(never, INT64_MAX)));
        const auto logged = study::readTrainingLog(logFile());
        QVERIFY2(logged, logged ? "" : logged.error().text().c_str());
        auto alone = train::FineTune::create(*m_reader, settingsOf(4), m_rate.front(), 1, m_set->train, 1);
        QVERIFY(alone);
        QCOMPARE(logged->steps, (*alone)->stepsTotal());
        QCOMPARE(logged->lines.size(), std::size_t(16)); // 24 examples, 6 a step, 4 epochs
        QVERIFY(logged->isWhole() && !logged->diverged);
        std::int64_t learned = 0;
        for (const study::TrainingStep& line : logged->lines) {
            const auto report = (*alone)->step();
            QVERIFY(report);
            QCOMPARE(line.step, (*alone)->stepsDone());
            QCOMPARE(line.loss, report->loss); // to the last bit
            QCOMPARE(line.rate, report->learningRate);
            QCOMPARE(line.gradientNorm, report->gradientNorm);
            learned += line.tokens;
        }
        std::int64_t all = 0; // the first token of an example is never predicted
        for (const data::TuningExample& example : m_set->train)
            all += std::count(example.learned.begin() + 1, example.learned.end(), 1);
        QCOMPARE(learned, 4 * all);
    }

    void aLogGoesOnWhereTheTrainingDoes() {
        std::stop_source never;
        QVERIFY(tuning(1e9)->versions(m_rate, 1, counting(never, INT64_MAX)));
        const std::string whole = log();
        {
            std::stop_source stop;
            QVERIFY(!tuning(1e9)->versions(m_rate, 1, counting(stop, m_reported / 2)));
        }
        QVERIFY(log() != whole && whole.starts_with(log()));
        QVERIFY(tuning(1e9)->versions(m_rate, 1, counting(never, INT64_MAX)));
        QVERIFY(log() == whole);

        // Killed: what was done since the last save is in the log, and done again.
        fs::remove_all(states());
        const fs::path saved = fs::path(m_dir.path().toStdString()) / "saved";
        std::string atSave;
        {
            std::stop_source stop;
            int steps = 0;
            const JobContext job(stop.get_token(), [&](const Progress&) {
                if (++steps == 8) { // holds the save after step 7
                    fs::copy(states(), saved, fs::copy_options::recursive);
                    atSave = log();
                }
                if (steps == 11)
                    stop.request_stop();
            });
            QVERIFY(!tuning(0)->versions(m_rate, 1, job));
        }
        QVERIFY(log() != atSave && log().starts_with(atSave));
        fs::remove_all(states());
        fs::rename(saved, states());
        const auto modification = tuning(1e9);
        QVERIFY(modification->versions(m_rate, 1, counting(never, INT64_MAX)));
        QVERIFY(log() == whole);
        modification->done();
        QVERIFY(log() == whole); // the state goes, the curve stays
    }

    void aLogThatCannotBeWrittenFailsNothing() {
        fs::remove_all(logFile().parent_path());
        std::ofstream(logFile().parent_path()) << "a file where the folder should be";
        std::stop_source never;
        QVERIFY(tuning(1e9)->versions(m_rate, 1, counting(never, INT64_MAX)));
        fs::remove(logFile().parent_path());
    }

    void divergenceIsSaid() {
        std::stop_source never;
        const auto modification = tuning(0, 40);
        const std::vector<double> rate{10.0};
        const auto made = modification->versions(rate, 1, counting(never, INT64_MAX));
        QVERIFY(!made);
        const auto logged = study::readTrainingLog(logFile());
        QVERIFY(logged && logged->diverged && logged->isWhole());
        QVERIFY2(made.error().message.find(fmt::format("step {} of", logged->lines.back().step)) != std::string::npos,
                 made.error().message.c_str());
        QCOMPARE(made.error().kind, ErrorKind::NonFinite);
        QVERIFY2(made.error().message.find("diverged at step") != std::string::npos, made.error().message.c_str());
    }
};

QTEST_GUILESS_MAIN(TestFineTuning)
#include "tst_fine_tuning.moc"
