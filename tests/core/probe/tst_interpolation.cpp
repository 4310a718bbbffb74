// SPDX-License-Identifier: Apache-2.0
// Tuned weights that are kept and used again, how far they are from their start, and mixtures of both (WiSE-FT).
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "core/probe/fine_tuning.h"
#include "core/probe/interpolation.h"
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

/// All tensors of one version.
std::vector<float> weightsOf(model::WeightSource& source, int version = 0) {
    std::vector<float> all;
    for (int tensor = 0; tensor < static_cast<int>(source.reader().tensors().size()); ++tensor) {
        std::vector<float> part(static_cast<std::size_t>(source.reader().elements(tensor)));
        float* const to[] = {part.data()};
        source.make(tensor, 0, source.reader().elements(tensor), version, to);
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    return std::sqrt(squares);
}

} // namespace

class TestInterpolation : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_dir = std::make_unique<QTemporaryDir>();
    fs::path m_checkpoint{fs::path(m_dir->path().toStdString()) / "checkpoint"};
    fs::path m_kept{fs::path(m_dir->path().toStdString()) / "tuned"};
    std::unique_ptr<model::WeightReader> m_reader;
    std::shared_ptr<const data::TuningSet> m_set = smallSet();
    std::vector<double> m_rate{0.003};
    std::int64_t m_reported = 0;
    std::vector<float> m_start;

    std::unique_ptr<probe::Modification> tuning(std::int64_t bytes) const {
        probe::FineTuningOptions options;
        options.settings.epochs = 4;
        options.settings.batchExamples = 6;
        options.identity = "weights and data";
        options.keep.kept = study::KeptWeights(m_kept);
        options.keep.bytes = bytes;
        options.keep.key = [](double rate, std::int64_t seed) { return "rate" + std::to_string(rate) + "-" + std::to_string(seed); };
        options.keep.origin = m_checkpoint;
        options.keep.provenance = {{"format", 1}, {"tokens", 1000}};
        return probe::makeFineTuning(*m_reader, m_set, options);
    }
    JobContext counting() {
        m_reported = 0;
        return JobContext(std::stop_token(), [this](const Progress& progress) { m_reported = progress.done; });
    }
    std::string keyOf(std::int64_t seed) const { return "rate" + std::to_string(m_rate[0]) + "-" + std::to_string(seed); }

private Q_SLOTS:
    void initTestCase() {
        fs::create_directories(m_checkpoint);
        const auto made = test::makeSmallCheckpoint(m_checkpoint);
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        auto reader = model::WeightReader::open(m_checkpoint, made->spec);
        QVERIFY(reader);
        m_reader = std::make_unique<model::WeightReader>(std::move(*reader));
        model::PristineWeights pristine(*m_reader);
        m_start = weightsOf(pristine);
    }
    void init() { fs::remove_all(m_kept); }

    /// Made unwritable between two trainings: said with each, which is measured all the same; what was kept before stays in use.
    void aFolderThatCannotBeWrittenCostsNoResult() {
        const auto modification = tuning(10'000'000);
        const auto first = modification->versions(m_rate, 1, counting());
        QVERIFY2(first, first ? "" : first.error().text().c_str());
        const std::vector<float> kept = weightsOf(**first);
        fs::remove(m_kept / "lock");
        fs::create_directories(m_kept / "lock"); // as on a file system that became read-only: no lock can be had
        const auto second = modification->versions(m_rate, 2, counting());
        QVERIFY2(second, second ? "" : second.error().text().c_str());
        QVERIFY(m_reported > 0);
        const std::string note = modification->takeNote();
        QVERIFY2(note.find("are not kept, the results are:") != std::string::npos && note.find("lock") != std::string::npos, note.c_str());
        QVERIFY(!study::KeptWeights(m_kept).has(keyOf(2)));
        m_reported = 0;
        const auto again = modification->versions(m_rate, 1, counting());
        QVERIFY(again && weightsOf(**again) == kept);
        QCOMPARE(m_reported, std::int64_t{0}); // not trained
    }

    void keptWeightsNeedNoTraining() {
        std::vector<float> whole;
        study::WeightChange change;
        {
            const auto modification = tuning(10'000'000);
            const auto made = modification->versions(m_rate, 1, counting());
            QVERIFY2(made, made ? "" : made.error().text().c_str());
            QVERIFY(m_reported > 0);
            QCOMPARE(modification->takeNote(), std::string());
            whole = weightsOf(**made);
            change = *modification->change(0);
            modification->done();
        }
        QVERIFY(std::abs(change.distance / distance(whole, m_start) - 1) < 1e-6);
        QCOMPARE(change.tensors.size(), m_reader->tensors().size());
        double squares = 0;
        for (const float part : change.distances)
            squares += static_cast<double>(part) * static_cast<double>(part);
        QVERIFY(std::abs(std::sqrt(squares) / change.distance - 1) < 1e-6);
        // Another run, which may keep nothing itself.
        for (const std::int64_t bytes : {std::int64_t{10'000'000}, std::int64_t{0}}) {
            const auto modification = tuning(bytes);
            const auto made = modification->versions(m_rate, 1, counting());
            QVERIFY(made);
            QCOMPARE(m_reported, std::int64_t{0});
            QVERIFY(weightsOf(**made) == whole);
            QVERIFY(*modification->change(0) == change);
        }
        // It is a checkpoint.
        const auto reader = model::WeightReader::open(study::KeptWeights(m_kept).folderOf(keyOf(1)), m_reader->spec());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        QVERIFY(fs::exists(study::KeptWeights(m_kept).folderOf(keyOf(1)) / "tokenizer.json"));
    }

    void damagedOnesAreTrainedAnew() {
        std::vector<float> whole;
        {
            const auto modification = tuning(10'000'000);
            whole = weightsOf(**modification->versions(m_rate, 1, counting()));
        }
        const fs::path file = study::KeptWeights(m_kept).folderOf(keyOf(1)) / "model.safetensors";
        {
            std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
            damaged.seekp(-3, std::ios::end);
            damaged.put('!');
        }
        const auto modification = tuning(10'000'000);
        const auto made = modification->versions(m_rate, 1, counting());
        QVERIFY(made && m_reported > 0);
        QVERIFY(weightsOf(**made) == whole);
        const std::string note = modification->takeNote(); // the plan had said that nothing is trained
        QVERIFY2(note.find("were damaged; they are trained anew") != std::string::npos, note.c_str());
        QVERIFY(tuning(0)->versions(m_rate, 1, counting()) && m_reported == 0); // kept again
    }

    void unreadableOnesAreTrainedAnew() {
        QVERIFY(tuning(10'000'000)->versions(m_rate, 1, counting()));
        fs::remove(study::KeptWeights(m_kept).folderOf(keyOf(1)) / "model.safetensors");
        const auto modification = tuning(10'000'000);
        QVERIFY(modification->versions(m_rate, 1, counting()) && m_reported > 0);
        const std::string note = modification->takeNote();
        QVERIFY2(note.find("could not be read; they are trained anew: ") != std::string::npos && note.find("model.safetensors") != std::string::npos,
                 note.c_str());
        QVERIFY(tuning(0)->versions(m_rate, 1, counting()) && m_reported == 0); // kept again
    }

    void aTinyBudgetKeepsTheLastOnly() {
        const auto bytes = static_cast<std::int64_t>(4 * m_start.size()) + 60'000; // one, with its tokenizer
        const auto modification = tuning(bytes);
        const study::KeptWeights kept(m_kept);
        for (const std::int64_t seed : {1, 2}) {
            QVERIFY(modification->versions(m_rate, seed, counting()));
            QCOMPARE(modification->takeNote(), std::string());
        }
        QVERIFY(!kept.has(keyOf(1)) && kept.has(keyOf(2)));
        QVERIFY(kept.size() <= bytes);
        const auto tiny = tuning(1000);
        QVERIFY(tiny->versions(m_rate, 3, counting())); // the result is there all the same
        const std::string note = tiny->takeNote();
        QVERIFY2(note.find("not kept") != std::string::npos && note.find("1 kB") != std::string::npos, note.c_str());
        QCOMPARE(tiny->takeNote(), std::string()); // said once
        QVERIFY(kept.has(keyOf(2)));
    }

    void whatCannotBeWrittenIsSaid() {
        test::writeText(m_kept, "a file where the folder should be");
        const auto modification = tuning(10'000'000);
        QVERIFY(modification->versions(m_rate, 1, counting()));
        QVERIFY(modification->takeNote().find("not kept") != std::string::npos);
    }

    void mixturesLieBetween() {
        std::vector<float> tuned;
        study::WeightChange whole;
        {
            const auto modification = tuning(0);
            tuned = weightsOf(**modification->versions(m_rate, 1, counting()));
            whole = *modification->change(0);
        }
        const std::int64_t tokens = m_reported;
        const auto mixing = probe::makeInterpolation(*m_reader, tuning(0), m_rate[0]);
        QCOMPARE(mixing->members(), 1);
        const std::vector<double> shares{0.25, 0.5, 1};
        const auto made = mixing->versions(shares, 1, counting());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QCOMPARE(m_reported, tokens); // trained once
        QCOMPARE((*made)->versions(), 3);
        QVERIFY(weightsOf(**made, 2) == tuned);
        for (int version = 0; version < 3; ++version) {
            const double a = shares[static_cast<std::size_t>(version)];
            const std::vector<float> mixed = weightsOf(**made, version);
            double worst = 0;
            for (std::size_t i = 0; i < mixed.size(); ++i)
                worst = std::max(worst, std::abs(static_cast<double>(mixed[i]) - ((1 - a) * static_cast<double>(m_start[i]) +
                                                                                   a * static_cast<double>(tuned[i]))));
            QVERIFY2(worst < 2e-7, qPrintable(QString::number(worst)));
            const study::WeightChange change = *mixing->change(static_cast<std::size_t>(version));
            QVERIFY(std::abs(change.distance / distance(mixed, m_start) - 1) < 1e-4);
            QCOMPARE(change.start, whole.start);
        }
        // All versions at once are those one by one.
        std::vector<std::vector<float>> together(3, std::vector<float>(static_cast<std::size_t>(m_reader->elements(0))));
        float* const to[] = {together[0].data(), together[1].data(), together[2].data()};
        (*made)->make(0, 0, m_reader->elements(0), 0, to);
        for (int version = 0; version < 3; ++version) {
            std::vector<float> one(together[0].size());
            float* const alone[] = {one.data()};
            (*made)->make(0, 0, m_reader->elements(0), version, alone);
            QVERIFY(one == together[static_cast<std::size_t>(version)]);
        }
        const auto again = mixing->versions(std::span(shares).first(1), 1, counting()); // the next task
        QVERIFY(again && m_reported == 0);
        const auto other = mixing->versions(shares, 2, counting());
        QVERIFY(other && m_reported == tokens);
        mixing->done();
    }

    void aDivergedTrainingHasNoMixtures() {
        const auto mixing = probe::makeInterpolation(*m_reader, tuning(10'000'000), 9.0);
        const std::vector<double> shares{0.5};
        const auto made = mixing->versions(shares, 1, counting());
        QVERIFY(!made && made.error().kind == ErrorKind::NonFinite);
        QCOMPARE(study::KeptWeights(m_kept).size(), std::int64_t{0});
    }
};

QTEST_GUILESS_MAIN(TestInterpolation)
#include "tst_interpolation.moc"
