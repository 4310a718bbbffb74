// SPDX-License-Identifier: Apache-2.0
#include "core/probe/fine_tuning.h"

#include <chrono>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/units.h"
#include "core/io/files.h"
#include "core/run/batch_runner.h"
#include "core/study/planner.h"
#include "core/train/fine_tune.h"
#include "core/train/save_pace.h"

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

/// Goes to the runner's log. A training without its curve is worth as much.
void sayNotLogged(const Error& error) {
    fmt::print(stderr, "The curve of a training is not kept from here on: {}\n", error.text());
}

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
        if (!isHeld(strengths.front(), seed))
            CREST_CHECK(make(strengths.front(), seed, job));
        if (m_training && m_training->diverged())
            return fail(ErrorKind::NonFinite, m_divergence);
        return std::make_unique<HeldWeights>(held());
    }
    std::optional<study::WeightChange> change(std::size_t) const override { return m_change; }
    std::string takeNote() override { return std::exchange(m_note, {}); }

    void done() override {
        forget();
        for (const fs::path& folder : m_folders)
            removeFolder(folder);
        m_folders.clear();
    }

private:
    void addNote(const std::string& note) { m_note += (m_note.empty() ? "" : " ") + note; }
    static void removeFolder(const fs::path& folder) {
        std::error_code ignored; // it costs room, nothing else
        fs::remove_all(folder, ignored);
    }
    bool isHeld(double rate, std::int64_t seed) const {
        return (m_training || m_kept) && m_rate == rate && m_seed == seed;
    }
    model::WeightSource& held() { return m_training ? m_training->weights() : m_kept->source; }
    void forget() {
        m_training.reset();
        m_kept.reset();
        m_change.reset();
    }
    Result<void> make(double rate, std::int64_t seed, const JobContext& job);
    bool openKept(const std::string& key);
    void keep(const std::string& key, double rate, std::int64_t seed);
    fs::path folderOf(double rate, std::int64_t seed) const;
    Result<void> train(double rate, std::int64_t seed, const JobContext& job);
    Result<void> steps(train::FineTune& training, const fs::path& folder, study::TrainingLogWriter& log,
                       const JobContext& job);

    const model::WeightReader& m_reader;
    std::shared_ptr<const data::TuningSet> m_data;
    FineTuningOptions m_options;
    /// Weights of an earlier training.
    struct Kept {
        explicit Kept(model::WeightReader opened)
            : reader(std::move(opened))
            , source(reader) {}
        model::WeightReader reader;
        model::PristineWeights source;
    };
    std::unique_ptr<train::FineTune> m_training; ///< this, or
    std::unique_ptr<Kept> m_kept;                ///< this
    std::optional<study::WeightChange> m_change; ///< of what is held
    std::string m_note;
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

study::WeightChange changeOf(const model::WeightReader& start, model::WeightSource& now) {
    const train::WeightDistance moved = train::distanceBetween(start, now);
    study::WeightChange change;
    change.distance = moved.distance, change.start = moved.start;
    for (const train::TensorDistance& tensor : moved.tensors) {
        change.tensors.push_back(tensor.tensor);
        change.distances.push_back(static_cast<float>(tensor.distance));
        change.starts.push_back(static_cast<float>(tensor.start));
    }
    return change;
}

/// The weights' own hash, as FineTune::writeCheckpoint noted it.
Result<bool> isWhole(const fs::path& folder) {
    CREST_TRY(text, io::readTextFile(folder / "crest.json", 10'000'000));
    CREST_TRY(weights, io::MappedFile::open(folder / train::kTunedWeightsFile));
    const auto json = parseJson(text, folder.string());
    const auto noted = json && json->is_object() ? requireString(*json, train::kTunedWeightsHash, folder.string())
                                                 : Result<std::string>(fail(ErrorKind::Malformed, "no object"));
    return noted && *noted == Sha256().update(weights.bytes()).finishHex();
}

Result<void> FineTuning::make(double rate, std::int64_t seed, const JobContext& job) {
    forget(); // before the next one takes its memory
    const std::string key = m_options.keep.key ? m_options.keep.key(rate, seed) : std::string();
    if (!openKept(key)) {
        CREST_CHECK(train(rate, seed, job));
        if (!m_training->diverged())
            keep(key, rate, seed);
    }
    m_rate = rate;
    m_seed = seed;
    if (m_kept || !m_training->diverged())
        m_change = changeOf(m_reader, held());
    return {};
}

/// False where there are none (any more: other workers make room), or they cannot be used: they are trained anew.
bool FineTuning::openKept(const std::string& key) {
    const study::KeptWeights& kept = m_options.keep.kept;
    if (key.empty() || !kept.has(key))
        return false;
    const auto whole = isWhole(kept.folderOf(key));
    auto reader = whole ? model::WeightReader::open(kept.folderOf(key), m_reader.spec()) : fail(whole.error());
    if (!whole || !*whole || !reader) {
        if (!kept.has(key))
            return false;
        kept.drop(key);
        const std::string why = reader ? "were damaged; they are trained anew." : "could not be read; they are trained anew: " + reader.error().text();
        addNote(fmt::format("Kept tuned weights of {} {}", m_options.keep.origin.filename().string(), why));
        return false;
    }
    kept.use(key);
    m_kept = std::make_unique<Kept>(std::move(*reader));
    return true;
}

/// What goes wrong here costs a later training, no result.
void FineTuning::keep(const std::string& key, double rate, std::int64_t seed) {
    const KeepOptions& options = m_options.keep;
    if (key.empty() || options.bytes <= 0)
        return;
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < m_reader.tensors().size(); ++i)
        bytes += 4 * m_reader.elements(static_cast<int>(i));
    Json provenance = options.provenance;
    provenance["learning_rate"] = rate;
    provenance["fine_tuning_seed"] = seed;
    const auto kept = options.kept.keep(key, bytes, options.bytes, [&](const fs::path& folder) {
        return m_training->writeCheckpoint(options.origin, folder, provenance);
    });
    if (!kept)
        addNote(fmt::format("The tuned weights of {} are not kept, the results are: {}", options.origin.filename().string(),
                            kept.error().text()));
}

Result<void> FineTuning::train(double rate, std::int64_t seed, const JobContext& job) {
    const std::span<const data::TuningExample> replay =
        m_options.replay ? std::span<const data::TuningExample>(*m_options.replay) : std::span<const data::TuningExample>();
    CREST_TRY(training, train::FineTune::create(m_reader, m_options.settings, rate, seed, m_data->train,
                                                m_options.threads, replay, m_options.recompute, m_options.device));
    const fs::path folder = folderOf(rate, seed);
    if (!folder.empty()) {
        m_folders.push_back(folder);
        if (!training->loadState(folder, m_options.identity)) // of other instructions, damaged: trained anew
            removeFolder(folder);
    }
    study::TrainingLogWriter log(m_options.logPlace ? m_options.logPlace(rate, seed) : study::TrainingPlace(),
                                 training->stepsTotal(), training->stepsDone(), sayNotLogged);
    CREST_CHECK(steps(*training, folder, log, job));
    for (const std::string& note : {training->takeNote(), training->diverged() ? m_divergence : std::string()})
        if (!note.empty())
            addNote(fmt::format("{}, learning rate {}, seed {}: {}", m_options.keep.origin.filename().string(), rate, seed, note));
    m_training = std::move(training);
    return {};
}

/// Stopped or killed, a training is taken up at its last save, a finished one, too: it may be killed while it is measured.
Result<void> FineTuning::steps(train::FineTune& training, const fs::path& folder, study::TrainingLogWriter& log,
                               const JobContext& job) {
    using Clock = std::chrono::steady_clock;
    const auto secondsSince = [](Clock::time_point then) {
        return std::chrono::duration<double>(Clock::now() - then).count();
    };
    auto saved = Clock::now();
    train::SavePace pace(m_options.saveSeconds, training.stateBytes());
    const auto save = [&]() -> Result<void> {
        if (folder.empty())
            return {};
        std::error_code error;
        fs::create_directories(folder, error);
        const auto begin = Clock::now();
        CREST_CHECK(training.saveState(folder, m_options.identity));
        pace.saved(secondsSince(begin));
        saved = Clock::now();
        return {};
    };
    const std::int64_t before = training.stepsDone();
    if (before > 0)
        job.report(before, training.stepsTotal(), run::kFoundSteps);
    std::int64_t tokens = 0;
    while (training.stepsDone() < training.stepsTotal() && !training.diverged()) {
        if (job.stopRequested()) {
            if (training.stepsDone() > before)
                CREST_CHECK(save());
            return stopped();
        }
        CREST_TRY(report, training.step());
        log.add({training.stepsDone() + (training.diverged() ? 1 : 0), report.learned, report.loss, report.learningRate,
                 report.gradientNorm},
                training.diverged());
        tokens += report.tokens;
        job.report(study::kPassesOfTraining * tokens, 0, "tokens");
        if (training.diverged()) {
            m_divergence = fmt::format("{} at step {} of {}: its loss was {} nats/token", study::kTrainingDiverged,
                                       training.stepsDone() + 1, training.stepsTotal(), formatNumber(report.loss));
            return {};
        }
        if (pace.isDue(secondsSince(saved)))
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
