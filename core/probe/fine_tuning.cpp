// SPDX-License-Identifier: Apache-2.0
#include "core/probe/fine_tuning.h"

#include <chrono>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/units.h"
#include "core/study/planner.h"
#include "core/train/fine_tune.h"

namespace crest::probe {
namespace {

namespace fs = std::filesystem;

/// The weights of a training that somebody else holds.
class HeldWeights final : public model::WeightSource {
public:
    explicit HeldWeights(model::WeightSource& held)
        : m_held(held) {}
    const model::WeightReader& reader() const override { return m_held.reader(); }
    int versions() const override { return 1; }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override {
        m_held.make(tensor, first, count, firstVersion, out);
    }

private:
    model::WeightSource& m_held;
};

class FineTuning final : public Modification {
public:
    FineTuning(const model::WeightReader& reader, std::shared_ptr<const data::TuningSet> data,
               FineTuningOptions options)
        : m_reader(reader)
        , m_data(std::move(data))
        , m_options(std::move(options)) {}
    int members() const override { return 1; }
    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t seed,
                                                          const JobContext& job) override {
        if (strengths.size() != 1)
            return fail(ErrorKind::Internal, "Fine-tuning is made one learning rate at a time.");
        if (!m_training || m_rate != strengths.front() || m_seed != seed)
            CREST_CHECK(train(strengths.front(), seed, job));
        if (m_training->diverged())
            return fail(ErrorKind::NonFinite, m_divergence);
        return std::make_unique<HeldWeights>(m_training->weights());
    }

    void done() override {
        m_training.reset();
        for (const fs::path& folder : m_folders)
            removeFolder(folder);
        m_folders.clear();
    }

private:
    static void removeFolder(const fs::path& folder) {
        std::error_code ignored; // it costs room, nothing else
        fs::remove_all(folder, ignored);
    }
    fs::path folderOf(double rate, std::int64_t seed) const;
    Result<void> train(double rate, std::int64_t seed, const JobContext& job);
    Result<void> steps(train::FineTune& training, const fs::path& folder, const JobContext& job);

    const model::WeightReader& m_reader;
    std::shared_ptr<const data::TuningSet> m_data;
    FineTuningOptions m_options;
    std::unique_ptr<train::FineTune> m_training;
    double m_rate = 0;
    std::int64_t m_seed = 0;
    std::vector<fs::path> m_folders; ///< where states may lie of what this object trained
    std::string m_divergence;
};

fs::path FineTuning::folderOf(double rate, std::int64_t seed) const {
    if (m_options.stateFolder.empty())
        return {};
    const std::string name = fmt::format("{}\n{}\n{}\n{}", m_options.identity,
                                         canonicalJson(train::toJson(m_options.settings)), rate, seed);
    return m_options.stateFolder / sha256Hex(name).substr(0, 16);
}

Result<void> FineTuning::train(double rate, std::int64_t seed, const JobContext& job) {
    m_training.reset(); // before the next one takes its memory
    CREST_TRY(training, train::FineTune::create(m_reader, m_options.settings, rate, seed, m_data->train,
                                                m_options.threads));
    const fs::path folder = folderOf(rate, seed);
    if (!folder.empty()) {
        m_folders.push_back(folder);
        if (!training->loadState(folder, m_options.identity)) // of other instructions, damaged: trained anew
            removeFolder(folder);
    }
    CREST_CHECK(steps(*training, folder, job));
    m_training = std::move(training);
    m_rate = rate;
    m_seed = seed;
    return {};
}

/// Stopped or killed, a training is taken up at its last save; a finished one that took long is kept for whoever goes on
/// with measuring it.
Result<void> FineTuning::steps(train::FineTune& training, const fs::path& folder, const JobContext& job) {
    using Clock = std::chrono::steady_clock;
    auto saved = Clock::now();
    const auto save = [&]() -> Result<void> {
        saved = Clock::now();
        if (folder.empty())
            return {};
        std::error_code error;
        fs::create_directories(folder, error);
        return training.saveState(folder, m_options.identity);
    };
    const std::int64_t before = training.stepsDone();
    const auto begin = saved;
    std::int64_t tokens = 0;
    while (training.stepsDone() < training.stepsTotal() && !training.diverged()) {
        if (job.stopRequested()) {
            if (training.stepsDone() > before)
                CREST_CHECK(save());
            return stopped();
        }
        CREST_TRY(report, training.step());
        tokens += report.tokens;
        job.report(study::kPassesOfTraining * tokens, 0, "tokens");
        if (training.diverged()) {
            m_divergence = fmt::format("the training diverged at step {} of {}: its loss was {} nats/token",
                                       training.stepsDone() + 1, training.stepsTotal(), formatNumber(report.loss));
            return {};
        }
        const bool last = training.stepsDone() == training.stepsTotal();
        const std::chrono::duration<double> all = Clock::now() - begin, since = Clock::now() - saved;
        if ((last ? all : since).count() > m_options.saveSeconds)
            CREST_CHECK(save());
    }
    return {};
}

} // namespace

std::unique_ptr<Modification> makeFineTuning(const model::WeightReader& reader,
                                             std::shared_ptr<const data::TuningSet> data, FineTuningOptions options) {
    return std::make_unique<FineTuning>(reader, std::move(data), std::move(options));
}

} // namespace crest::probe
