// SPDX-License-Identifier: Apache-2.0
// Crest's side of the probe and scoring benchmarks; tests/bench/run_probe_bench.py is the other side and the referee.
//
//   noise_bench noise|score MODEL IDS.i32 WINDOW float32|bfloat16 [GAMMA,GAMMA,...]
// IDS.i32 holds windows of WINDOW + 1 little-endian int32 ids. For every line "N" or "FIRST N" on standard input it
// runs once and prints one line of JSON: score evaluates the first N windows; noise evaluates all windows for seeds
// FIRST .. FIRST + N - 1 and every gamma, as antithetic pairs.
#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>

#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/eval/text_loss.h"
#include "core/probe/gaussian_noise.h"
#include "core/series/series.h"

using namespace crest;

namespace {

/// Bytes of anonymous memory that are resident: what a probe adds to the mapped weights.
std::int64_t anonymousBytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.rfind("RssAnon:", 0) == 0)
            return std::stoll(line.substr(8)) * 1024;
    return 0;
}

/// The most anonymous memory seen while it lives.
class PeakMemory {
public:
    PeakMemory()
        : m_start(anonymousBytes())
        , m_watcher([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                m_peak = std::max(m_peak.load(), anonymousBytes());
                std::this_thread::sleep_for(std::chrono::milliseconds(3));
            }
        }) {}
    std::int64_t extra() const { return std::max<std::int64_t>(m_peak, anonymousBytes()) - m_start; }

private:
    std::int64_t m_start;
    std::atomic<std::int64_t> m_peak{0};
    std::jthread m_watcher;
};

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Bench {
    std::string mode;
    series::Checkpoint checkpoint;
    std::unique_ptr<model::WeightReader> reader;
    std::unique_ptr<model::Decoder> decoder;
    std::vector<std::int32_t> ids;
    std::vector<eval::Sequence> sequences;
    std::vector<double> gammas;
    double tokens = 0;
};

Result<void> open(Bench& bench, const std::vector<std::string>& arguments) {
    bench.mode = arguments[0];
    bench.checkpoint = series::readCheckpoint(arguments[1]).checkpoint;
    if (!bench.checkpoint.spec)
        return fail(ErrorKind::Unsupported, bench.checkpoint.reason);
    CREST_TRY(reader, model::WeightReader::open(arguments[1], *bench.checkpoint.spec));
    bench.reader = std::make_unique<model::WeightReader>(std::move(reader));
    std::ifstream file(arguments[2], std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    bench.ids.resize(bytes.size() / 4);
    std::copy_n(bytes.data(), bench.ids.size() * 4, reinterpret_cast<char*>(bench.ids.data()));
    const std::size_t window = std::stoul(arguments[3]) + 1;
    for (std::size_t begin = 0; begin + window <= bench.ids.size(); begin += window)
        bench.sequences.push_back({std::span(bench.ids).subspan(begin, window), 1});
    const auto compute = arguments[4] == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
    bench.decoder = std::make_unique<model::Decoder>(*bench.checkpoint.spec, model::DecoderOptions{at::kCPU, compute});
    std::istringstream list(arguments.size() > 5 ? arguments[5] : "");
    for (std::string gamma; std::getline(list, gamma, ',');)
        bench.gammas.push_back(std::stod(gamma));
    return {};
}

double meanNats(std::span<const eval::Sequence> sequences, const eval::VersionLoss& loss) {
    double sum = 0;
    for (const double nats : eval::sumBySequence(sequences, loss.tokenNats))
        sum += nats;
    return sum / static_cast<double>(loss.tokenNats.size());
}

Result<Json> score(Bench& bench, std::size_t windows) {
    const auto sequences = std::span(bench.sequences).first(std::min(windows, bench.sequences.size()));
    model::PristineWeights source(*bench.reader);
    CREST_TRY(losses, eval::sequenceLosses(*bench.decoder, source, sequences, {}, {}));
    bench.tokens += static_cast<double>(losses[0].tokenNats.size());
    return Json{{"loss", meanNats(sequences, losses[0])}};
}

/// values[g][s]: mean loss of the pair of seed first + s at gamma g.
Result<Json> noise(Bench& bench, std::int64_t first, std::int64_t seeds) {
    CREST_TRY(rms, bench.reader->checkedRms());
    CREST_TRY(std, probe::noiseStd(*bench.reader, bench.checkpoint.initStd.empty() ? rms : bench.checkpoint.initStd));
    const auto modification = probe::makeGaussianNoise(*bench.reader, std);
    std::vector<std::vector<double>> values(bench.gammas.size());
    for (std::int64_t seed = first; seed < first + seeds; ++seed) {
        CREST_TRY(versions, modification->versions(bench.gammas, seed, {}));
        CREST_TRY(losses, eval::sequenceLosses(*bench.decoder, *versions, bench.sequences, {}, {}));
        for (std::size_t g = 0; g < values.size(); ++g) {
            values[g].push_back(
                (meanNats(bench.sequences, losses[2 * g]) + meanNats(bench.sequences, losses[2 * g + 1])) / 2);
            bench.tokens += 2 * static_cast<double>(losses[2 * g].tokenNats.size());
        }
    }
    return Json{{"values", values}};
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 5) {
        std::cerr << "noise_bench noise|score MODEL IDS.i32 WINDOW float32|bfloat16 [GAMMAS]\n";
        return 2;
    }
    at::set_num_threads(1);
    Bench bench;
    if (const auto opened = open(bench, arguments); !opened) {
        std::cerr << opened.error().text() << "\n";
        return 1;
    }
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::int64_t first = 1, count = 0;
        words >> count;
        if (std::int64_t second = 0; words >> second)
            first = count, count = second;
        bench.tokens = 0;
        const PeakMemory memory;
        const double cpu = cpuSeconds();
        const auto begin = std::chrono::steady_clock::now();
        auto result =
            bench.mode == "score" ? score(bench, static_cast<std::size_t>(count)) : noise(bench, first, count);
        if (!result) {
            std::cerr << result.error().text() << "\n";
            return 1;
        }
        (*result)["wall"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        (*result)["cpu"] = cpuSeconds() - cpu;
        (*result)["tokens"] = bench.tokens;
        (*result)["extra_bytes"] = memory.extra();
        std::cout << result->dump() << std::endl;
    }
    return 0;
}
