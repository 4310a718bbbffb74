// SPDX-License-Identifier: Apache-2.0
#include "core/probe/fine_tuning.h"

#include <chrono>
#include <system_error>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/units.h"
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
    ~FineTuning() override { forget(); }

    int members() const override { return 1; }
    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t seed,
                                                          const JobContext& job) override {
        if (strengths.size() != 1)
            return fail(ErrorKind::Internal, "Fine-tuning is made one learning rate at a time.");
        if (!m_training || m_rate != strengths.front() || m_seed != seed) {
            forget();
            CREST_CHECK(train(strengths.front(), seed, job));
        }
        if (m_training->diverged())
            return fail(ErrorKind::NonFinite, m_divergence);
        return std::make_unique<HeldWeights>(m_training->weights());
    }

private:
    Result<void> train(double rate, std::int64_t seed, const JobContext& job);
    Result<void> steps(train::FineTune& training, const JobContext& job);

    /// The last cell is measured, or given up: nobody needs its state.
    void forget() {
        m_training.reset();
        if (!m_folder.empty()) {
            std::error_code ignored;
            fs::remove_all(m_folder, ignored);
        }
        m_folder.clear();
    }

    const model::WeightReader& m_reader;
    std::shared_ptr<const data::TuningSet> m_data;
    FineTuningOptions m_options;
    std::unique_ptr<train::FineTune> m_training;
    double m_rate = 0;
    std::int64_t m_seed = 0;
    fs::path m_folder;
    std::string m_divergence;
};

Result<void> FineTuning::train(double rate, std::int64_t seed, const JobContext& job) {
    CREST_TRY(training, train::FineTune::create(m_reader, m_options.settings, rate, seed, m_data->train,
                                                m_options.threads));
    if (!m_options.stateFolder.empty()) {
        m_folder = m_options.stateFolder /
                   sha256Hex(fmt::format("{}\n{}\n{}\n{}", m_options.identity,
                                         canonicalJson(train::toJson(m_options.settings)), rate, seed))
                       .substr(0, 16);
        // What cannot be taken up (of other instructions, damaged) is trained anew.
        if (!training->loadState(m_folder, m_options.identity)) {
            std::error_code ignored;
            fs::remove_all(m_folder, ignored);
        }
    }
    CREST_CHECK(steps(*training, job));
    m_training = std::move(training);
    m_rate = rate;
    m_seed = seed;
    return {};
}

Result<void> FineTuning::steps(train::FineTune& training, const JobContext& job) {
    using Clock = std::chrono::steady_clock;
    auto saved = Clock::now();
    const auto save = [&]() -> Result<void> {
        saved = Clock::now();
        if (m_folder.empty())
            return {};
        std::error_code error;
        fs::create_directories(m_folder, error);
        return training.saveState(m_folder, m_options.identity);
    };
    std::int64_t tokens = 0;
    while (training.stepsDone() < training.stepsTotal() && !training.diverged()) {
        if (job.stopRequested()) {
            CREST_CHECK(save());
            return stopped();
        }
        CREST_TRY(report, training.step());
        tokens += report.tokens;
        job.report(static_cast<std::int64_t>(kPassesOfTraining * static_cast<double>(tokens)), 0, "tokens");
        if (training.diverged())
            m_divergence = fmt::format("the training diverged at step {} of {}: its loss was {} nats/token",
                                       training.stepsDone() + 1, training.stepsTotal(), formatNumber(report.loss));
        else if (Clock::now() - saved > std::chrono::duration<double>(m_options.saveSeconds))
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
