// SPDX-License-Identifier: Apache-2.0
// Crest's side of the benchmarks of task scoring; tests/bench/score_bench.py is the other side and the referee.
//
//   score_bench MODEL REQUESTS.json float32|bfloat16
// REQUESTS.json is {"pairs": [[context, continuation], ..]} or {"documents": [text, ..]}. For every line on standard
// input it scores all of them once, tokens and all, and prints one line of JSON: {"cpu", "wall", "nats": [..],
// "computed": tokens that went through the model, "peak": most resident bytes of this process so far}.
//   score_bench load MODEL
// For every line: opens the checkpoint until it can be computed with; {"cpu", "wall"}.
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>

#include <ATen/Parallel.h>

#include "core/eval/task_scoring.h"
#include "core/io/files.h"
#include "core/series/series.h"

using namespace crest;

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::int64_t statusBytes(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key + ":"))
            return std::stoll(line.substr(key.size() + 1)) * 1024;
    return 0;
}

struct Loaded {
    std::unique_ptr<model::WeightReader> reader;
    std::unique_ptr<model::Decoder> decoder;
};

Result<Loaded> load(const std::string& folder, const std::string& type) {
    const series::Checkpoint checkpoint = series::readCheckpoint(folder).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Unsupported, checkpoint.reason);
    CREST_TRY(reader, model::WeightReader::open(folder, *checkpoint.spec));
    const auto compute = type == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
    return Loaded{std::make_unique<model::WeightReader>(std::move(reader)),
                  std::make_unique<model::Decoder>(*checkpoint.spec, model::DecoderOptions{at::kCPU, compute})};
}

struct Requests {
    data::TaskDefinition task;
    std::vector<data::TaskItem> items;
};

Result<Requests> readRequests(const std::string& file) {
    CREST_TRY(text, io::readTextFile(file));
    CREST_TRY(json, parseJson(text, file));
    Requests requests;
    const bool pairs = json.contains("pairs");
    requests.task.name = file;
    requests.task.kind = pairs ? data::TaskKind::Loglikelihood : data::TaskKind::Rolling;
    for (const Json& entry : json[pairs ? "pairs" : "documents"]) {
        data::TaskItem item;
        item.requests.push_back(pairs ? data::ItemRequest{entry[0], entry[1]} : data::ItemRequest{"", entry});
        requests.items.push_back(std::move(item));
    }
    return requests;
}

Result<Json> score(const Loaded& loaded, const text::Tokenizer& tokenizer, const Requests& requests) {
    CREST_TRY(task, eval::prepareTask(requests.task, requests.items, tokenizer, loaded.decoder->spec()));
    model::PristineWeights weights(*loaded.reader);
    eval::LossOptions options = eval::taskLossOptions(*loaded.decoder);
    double computed = 0;
    options.tokensPlanned = [&](double tokens) { computed = tokens; };
    CREST_TRY(losses, eval::sequenceLosses(*loaded.decoder, weights, task.sequences(), options, {}));
    return Json{{"nats", eval::scoresOf(task, losses[0]).requestNats}, {"computed", computed}};
}

int complain(const Error& error) {
    std::cerr << error.text() << "\n";
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool loads = !arguments.empty() && arguments[0] == "load";
    if (arguments.size() != (loads ? 2 : 3)) {
        std::cerr << "score_bench MODEL REQUESTS.json float32|bfloat16, or score_bench load MODEL\n";
        return 2;
    }
    at::set_num_threads(1);
    Requests requests;
    Result<Loaded> loaded;
    std::optional<text::Tokenizer> tokenizer;
    if (!loads) {
        auto read = readRequests(arguments[1]);
        auto found = text::Tokenizer::load(arguments[0]);
        loaded = load(arguments[0], arguments[2]);
        if (!read || !found || !loaded)
            return complain(!read ? read.error() : !found ? found.error() : loaded.error());
        requests = std::move(*read);
        tokenizer = std::move(*found);
    }
    for (std::string line; std::getline(std::cin, line);) {
        const double cpu = cpuSeconds();
        const auto begin = std::chrono::steady_clock::now();
        Result<Json> result = Json::object();
        if (loads) {
            if (const auto opened = load(arguments[1], "float32"); !opened)
                return complain(opened.error());
        } else {
            result = score(*loaded, *tokenizer, requests);
        }
        if (!result)
            return complain(result.error());
        (*result)["wall"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        (*result)["cpu"] = cpuSeconds() - cpu;
        (*result)["peak"] = statusBytes("VmHWM");
        (*result)["peak_anonymous"] = statusBytes("RssAnon");
        std::cout << result->dump() << std::endl;
    }
    return 0;
}
