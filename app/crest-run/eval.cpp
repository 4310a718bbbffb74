// SPDX-License-Identifier: Apache-2.0
// crest-run eval --model DIR --suite FILE --data DIR: the tasks of a suite under one checkpoint.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/command_line.h"
#include "app/crest-run/chat_options.h"
#include "app/crest-run/commands.h"
#include "app/crest-run/progress_line.h"
#include "app/crest-run/text_lines.h"
#include "app/crest-run/work.h"
#include "core/eval/task_scoring.h"
#include "core/eval/text_generation.h"
#include "core/io/files.h"
#include "core/run/stop_signals.h"
#include "core/series/end_tokens.h"
#include "core/series/series.h"
#include "core/series/tokenizer_files.h"
#include "core/study/chat_tasks.h"

namespace crest {
namespace {

struct EvalRequest {
    std::string model, suite, data, items, type = "float32", device = "cpu";
    std::vector<std::string> tasks;
    int shots = -1, threads = 0;
    std::int64_t limit = 0;
    ChatOptions chat;
    bool json = false;
};

/// What stays from task to task.
struct Session {
    text::Tokenizer tokenizer;
    model::WeightReader reader;
    std::unique_ptr<model::Decoder> decoder;
    eval::TaskScoringOptions scoring;
    std::optional<io::AtomicFile> items;
};

Result<Session> openSession(const EvalRequest& request) {
    CREST_CHECK(checkIsCheckpoint(request.model));
    const series::Checkpoint checkpoint = series::readCheckpoint(request.model).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Unsupported, checkpoint.reason, request.model);
    tellDoubts(checkpoint, "eval");
    CREST_TRY(device, model::deviceFromName(request.device));
    CREST_TRY(reader, model::WeightReader::open(request.model, *checkpoint.spec));
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(request.model)));
    CREST_TRY(endTokens, eval::endTokensOf(request.model, tokenizer));
    const auto compute = request.type == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
    Session session{std::move(tokenizer), std::move(reader), nullptr, {}, {}};
    session.decoder = std::make_unique<model::Decoder>(*checkpoint.spec, model::DecoderOptions{device, compute});
    session.scoring.endTokens = std::move(endTokens);
    session.scoring.cache = data::TokenCache::ofUser();
    if (!request.items.empty()) {
        CREST_TRY(items, io::AtomicFile::create(request.items));
        session.items.emplace(std::move(items));
    }
    return session;
}

/// The tasks that were asked for, in the suite's order, as they are asked.
Result<std::vector<data::TaskDefinition>> chosenTasks(const EvalRequest& request) {
    CREST_TRY(suite, data::readSuite(request.suite));
    for (data::TaskDefinition& task : suite.tasks) {
        std::string suffix; // lines are told apart by the command
        CREST_TRY(asked, askedWith(task, request.chat, request.shots, suffix));
        task = std::move(asked);
    }
    if (request.tasks.empty())
        return suite.tasks;
    for (const std::string& name : request.tasks)
        if (std::ranges::none_of(suite.tasks, [&](const data::TaskDefinition& task) { return task.name == name; }))
            return fail(ErrorKind::NotFound, fmt::format("the suite has no task \"{}\"", name), request.suite);
    std::erase_if(suite.tasks, [&](const data::TaskDefinition& task) {
        return std::ranges::find(request.tasks, task.name) == request.tasks.end();
    });
    return suite.tasks;
}

void printMetrics(const data::TaskDefinition& task, const data::TaskOutcome& outcome, bool json) {
    const std::size_t items = outcome.details.itemDocuments.size();
    for (const data::MetricValue& metric : outcome.metrics) {
        const bool spread = std::isfinite(metric.stderr_);
        if (json)
            fmt::print("{}\n", canonicalJson({{"task", task.name},
                                              {"metric", metric.metric},
                                              {"value", numberToJson(metric.value)},
                                              {"stderr", spread ? Json(metric.stderr_) : Json()},
                                              {"n", items},
                                              {"unit", metric.unit}}));
        else
            fmt::print("{:<24} {:<28} {:>10.4f} {:<12} n = {}  {}\n", task.name, metric.metric, metric.value,
                       spread ? fmt::format("+- {:.4f}", metric.stderr_) : "", items, metric.unit);
    }
    std::fflush(stdout);
    if (!outcome.cause.empty())
        fmt::print(stderr, "crest-run eval: {}: {}\n", task.name, outcome.cause);
}

/// The choice with the largest log-likelihood, the first of equal ones; null where there is none.
Json predictedChoice(std::span<const float> nats) {
    std::size_t best = nats.size();
    for (std::size_t i = 0; i < nats.size(); ++i)
        if (std::isfinite(nats[i]) && (best == nats.size() || nats[i] < nats[best]))
            best = i;
    return best == nats.size() ? Json() : Json(best);
}

/// One line for each item: what was asked is told by task and document, what was answered in full.
Result<void> writeItems(io::AtomicFile& file, const data::TaskDefinition& task, const data::TaskOutcome& outcome) {
    const data::ItemDetails& details = outcome.details;
    std::size_t request = 0;
    for (std::size_t i = 0; i < details.itemDocuments.size(); ++i) {
        Json line = {{"task", task.name}, {"document", details.itemDocuments[i]}};
        if (task.kind == data::TaskKind::MultipleChoice) {
            line["gold"] = details.itemGold[i];
            line["predicted"] = predictedChoice(std::span(details.requestNats)
                                                    .subspan(request, static_cast<std::size_t>(details.itemRequests[i])));
        }
        if (task.kind == data::TaskKind::Generation) {
            line["text"] = details.texts[i];
        } else {
            Json logLikelihoods = Json::array(), tokens = Json::array(), greedy = Json::array();
            for (std::int32_t r = 0; r < details.itemRequests[i]; ++r, ++request) {
                logLikelihoods.push_back(numberToJson(-static_cast<double>(details.requestNats[request])));
                tokens.push_back(details.requestTokens[request]);
                if (!details.requestGreedy.empty())
                    greedy.push_back(details.requestGreedy[request] != 0);
            }
            line["loglikelihoods"] = std::move(logLikelihoods);
            line["tokens"] = std::move(tokens);
            if (task.kind != data::TaskKind::Rolling)
                line["greedy"] = std::move(greedy);
        }
        for (const data::MetricValue& metric : outcome.metrics)
            if (i < metric.itemValues.size())
                line["values"][metric.metric] = numberToJson(static_cast<double>(metric.itemValues[i]));
        CREST_CHECK(file.write(canonicalJson(line) + "\n"));
    }
    return {};
}

/// What lm-evaluation-harness would take over from the model's folder, so that its texts are others.
void tellDecoding(const std::vector<data::TaskDefinition>& tasks, const std::string& model) {
    const auto isWritten = [](const data::TaskDefinition& task) { return task.kind == data::TaskKind::Generation; };
    const auto asked = series::recordedDecoding(model); // a file that cannot be read was refused with its end tokens
    if (asked && !asked->empty() && std::ranges::any_of(tasks, isWritten))
        fmt::print(stderr,
                   "crest-run eval: generation_config.json asks for {}; texts are written by the suite's \"generation\" "
                   "alone, where lm-evaluation-harness would follow both\n",
                   fmt::join(*asked, ", "));
}

void tellLosses(const data::TaskDefinition& task, const data::TaskItems& items, const eval::PreparedTask& prepared) {
    if (items.badRows > 0)
        fmt::print(stderr, "crest-run eval: {}: {} of {} rows cannot be used and are left out; the first: {}\n", task.name,
                   items.badRows, items.rows, items.badExamples.empty() ? "" : items.badExamples.front());
    if (items.withoutSystem > 0)
        fmt::print(stderr, "crest-run eval: {}: the chat template refuses a system message; {} items were asked without it\n",
                   task.name, items.withoutSystem);
    if (prepared.cutRequests > 0)
        fmt::print(stderr,
                   "crest-run eval: {}: {} requests are longer than the model's context and lost tokens on their left\n",
                   task.name, prepared.cutRequests);
}

Result<void> runTask(Session& session, const EvalRequest& request, const data::TaskDefinition& task,
                     std::stop_token stop) {
    const JobContext job(std::move(stop), rateSink(task.name));
    data::ItemOptions options;
    options.shots = request.shots;
    options.limit = request.limit;
    CREST_TRY(chat, study::chatTemplateOf(task, request.model));
    options.chat = chat ? &*chat : nullptr;
    CREST_TRY(items, data::makeItems(task, request.data, options, job));
    CREST_TRY(prepared, eval::prepareTask(task, std::move(items.items), session.tokenizer, session.decoder->spec(),
                                          session.scoring, job));
    tellLosses(task, items, prepared);
    model::PristineWeights weights(session.reader);
    const eval::PreparedTask* one = &prepared;
    CREST_TRY(outcomes, eval::scoreTasks(*session.decoder, weights, session.tokenizer, {&one, 1}, 1,
                                         eval::taskLossOptions(*session.decoder), job));
    const data::TaskOutcome& outcome = outcomes[0][0];
    printMetrics(task, outcome, request.json);
    if (!outcome.cause.empty())
        CREST_CHECK(session.reader.checkedRms(job)); // names the tensor where it is one that is not finite
    if (session.items)
        CREST_CHECK(writeItems(*session.items, task, outcome));
    return {};
}

int evaluate(const EvalRequest& request) {
    const run::StopSignals signals;
    const auto complain = [](const Error& error) { fmt::print(stderr, "crest-run eval: {}\n", error.text()); };
    if (request.threads > 0)
        at::set_num_threads(request.threads);
    const auto tasks = chosenTasks(request);
    if (!tasks) {
        complain(tasks.error());
        return 1;
    }
    std::error_code error;
    if (!std::filesystem::exists(request.data, error)) {
        complain({ErrorKind::NotFound, "The folder of the tasks' data is not there.", request.data});
        return 1;
    }
    auto session = openSession(request);
    if (!session) {
        complain(session.error());
        return 1;
    }
    tellDecoding(*tasks, request.model);
    int exitCode = 0;
    for (const data::TaskDefinition& task : *tasks) {
        const auto done = runTask(*session, request, task, signals.token());
        if (done)
            continue;
        complain(done.error());
        if (done.error().kind == ErrorKind::Stopped) {
            exitCode = kExitStopped;
            break;
        }
        exitCode = 1; // the other tasks may have their data
    }
    if (session->items) // of the tasks that are finished
        if (const auto kept = session->items->commit(); !kept) {
            complain(kept.error());
            return 1;
        }
    return exitCode;
}

} // namespace

void addEvalCommand(CLI::App& app, int& exitCode) {
    const auto request = std::make_shared<EvalRequest>();
    CLI::App* command = app.add_subcommand("eval", "The tasks of a suite under one checkpoint");
    command->add_option("--model", request->model, "Checkpoint folder")->required();
    command->add_option("--suite", request->suite, "Suite file (resources/suites)")->required();
    command->add_option("--data", request->data, "Folder with the tasks' data")->required();
    command->add_option("--tasks", request->tasks, "Only these, by name, separated by commas")->delimiter(',');
    command->add_option("--shots", request->shots, "Worked examples before each question (default: the task's own)")
        ->check(zeroOrMore());
    command->add_option("--limit", request->limit, "Only the first so many rows of each task")
        ->check(positiveNumber());
    addChatOptions(*command, request->chat);
    command->add_option("--items", request->items, "Write every item with its log-likelihoods, one JSON object a line");
    command->add_option("--compute,--dtype", request->type, "Compute type")
        ->check(CLI::IsMember({"float32", "bfloat16"}))
        ->capture_default_str();
    command->add_option("--device", request->device, "cpu, cuda or cuda:0")->capture_default_str();
    command->add_option("--threads", request->threads, "Threads (default: all cores)")->check(positiveNumber());
    command->add_flag("--json", request->json, "Print one JSON object for each metric");
    command->callback([request, &exitCode] { exitCode = evaluate(*request); });
}

} // namespace crest
