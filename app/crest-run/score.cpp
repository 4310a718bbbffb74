// SPDX-License-Identifier: Apache-2.0
// crest-run score --model DIR --texts FILE: log-likelihood of texts.
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/progress_line.h"
#include "app/crest-run/text_lines.h"
#include "core/base/json.h"
#include "core/eval/text_loss.h"
#include "core/series/series.h"
#include "core/series/tokenizer_files.h"

namespace crest {
namespace {

struct ScoreOptions {
    std::string model, texts, type = "float32", device = "cpu";
    std::optional<std::int64_t> stride;
    bool json = false;
};

constexpr std::size_t kTokensAtATime = 1 << 16;

/// One text: its ids and, where it can be scored, its windows over the ids and one id more, which is never an input.
struct ScoredText {
    std::vector<std::int32_t> ids;
    data::TokenizedText padded;
    std::vector<data::Window> windows;
    double logLikelihood = 0;
    std::vector<std::int32_t> greedy;
};

Result<ScoredText> prepare(const text::Tokenizer& tokenizer, const series::DecoderSpec& spec, const std::string& text,
                           std::optional<std::int64_t> stride) {
    ScoredText scored;
    scored.ids = tokenizer.encode(text, text::Specials::Template);
    const auto length = static_cast<std::int64_t>(scored.ids.size());
    if (length == 0 || (length > spec.contextLength && !stride))
        return scored;
    scored.padded.ids = scored.ids;
    scored.padded.ids.push_back(0);
    scored.padded.documents = {{0, length + 1}};
    data::WindowOptions options;
    options.context = static_cast<std::int32_t>(spec.contextLength);
    options.stride = static_cast<std::int32_t>(stride.value_or(spec.contextLength));
    CREST_TRY(plan, data::cutWindows(scored.padded, options));
    scored.windows = std::move(plan.windows);
    return scored;
}

/// Losses of all windows of `texts`; targets come in the order of the windows, each once.
Result<void> scoreTexts(model::Decoder& decoder, model::WeightSource& source, std::vector<ScoredText>& texts) {
    std::vector<eval::Sequence> sequences;
    for (const ScoredText& text : texts)
        for (const data::Window& window : text.windows)
            sequences.push_back(
                {std::span(text.padded.ids)
                     .subspan(static_cast<std::size_t>(window.begin), static_cast<std::size_t>(window.length)),
                 window.firstScored});
    if (sequences.empty())
        return {};
    eval::LossOptions options;
    options.greedy = true;
    CREST_TRY(losses, eval::sequenceLosses(decoder, source, sequences, options, {}));
    std::size_t next = 0;
    for (ScoredText& text : texts) {
        if (text.windows.empty())
            continue;
        for (std::size_t i = 0; i < text.ids.size(); ++i, ++next) {
            if (i + 1 < text.ids.size()) // the last target is the id that was added
                text.logLikelihood -= static_cast<double>(losses[0].tokenNats[next]);
            text.greedy.push_back(losses[0].greedy[next]);
        }
    }
    return {};
}

void print(const ScoredText& text, bool json, std::int64_t number) {
    const bool scored = !text.windows.empty() || text.ids.empty();
    const std::int64_t tokens = text.ids.empty() ? 0 : static_cast<std::int64_t>(text.ids.size()) - 1;
    if (json) {
        Json line = {{"ids", text.ids}, {"loglikelihood", nullptr}, {"tokens", nullptr}, {"greedy", nullptr}};
        if (scored) {
            line["loglikelihood"] = numberToJson(text.logLikelihood);
            line["tokens"] = tokens;
            line["greedy"] = text.greedy;
        }
        fmt::print("{}\n", canonicalJson(line));
    } else if (!scored) {
        fmt::print("{:>6}  {:>6} tokens  longer than the context; --stride N scores it by windows\n", number,
                   text.ids.size());
    } else {
        fmt::print("{:>6}  {:>6} tokens  {:>12.4f} nats  {:>8.4f} nats/token\n", number, tokens, text.logLikelihood,
                   tokens > 0 ? -text.logLikelihood / static_cast<double>(tokens) : 0.0);
    }
}

/// How many texts were longer than the context, and have no score.
Result<std::int64_t> score(const ScoreOptions& options) {
    CREST_CHECK(checkIsCheckpoint(options.model));
    const series::Checkpoint checkpoint = series::readCheckpoint(options.model).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Unsupported, checkpoint.reason, options.model);
    tellDoubts(checkpoint, "score");
    if (options.stride && (*options.stride < 1 || *options.stride > checkpoint.spec->contextLength))
        return fail(ErrorKind::OutOfRange, fmt::format("--stride {}: it must be 1 to the model's context of {} tokens",
                                                       *options.stride, checkpoint.spec->contextLength));
    CREST_TRY(device, model::deviceFromName(options.device));
    CREST_TRY(reader, model::WeightReader::open(options.model, *checkpoint.spec));
    CREST_CHECK(reader.checkedRms());
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(options.model)));
    CREST_TRY(lines, readTextLines(options.texts));
    model::PristineWeights source(reader);
    const auto compute = options.type == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
    model::Decoder decoder(*checkpoint.spec, {device, compute});
    std::vector<ScoredText> waiting;
    std::size_t tokens = 0;
    std::int64_t number = 0, tooLong = 0;
    const JobContext job({}, progressSink("scored", ::isatty(STDOUT_FILENO) != 1)); // the lines are progress enough
    for (std::size_t i = 0; i < lines.size(); ++i) {
        CREST_TRY(prepared, prepare(tokenizer, *checkpoint.spec, lines[i], options.stride));
        tokens += prepared.ids.size();
        waiting.push_back(std::move(prepared));
        if (tokens < kTokensAtATime && i + 1 < lines.size())
            continue;
        CREST_CHECK(scoreTexts(decoder, source, waiting));
        for (const ScoredText& text : waiting) {
            print(text, options.json, ++number);
            tooLong += text.windows.empty() && !text.ids.empty() ? 1 : 0;
        }
        job.report(number, static_cast<std::int64_t>(lines.size()), "texts");
        waiting.clear();
        tokens = 0;
    }
    return tooLong;
}

} // namespace

void addScoreCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ScoreOptions>();
    CLI::App* command = app.add_subcommand("score", "Log-likelihood of texts under one checkpoint");
    command->add_option("--model", options->model, "Checkpoint folder")->required();
    command->add_option("--texts", options->texts, "JSONL file, {\"text\": ...} a line; - for standard input")
        ->required();
    command->add_option("--stride", options->stride,
                        "Score texts longer than the context by windows that start this many tokens apart");
    command->add_option("--dtype", options->type, "Compute type")
        ->check(CLI::IsMember({"float32", "bfloat16"}))
        ->capture_default_str();
    command->add_option("--device", options->device, "cpu, cuda or cuda:0")->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object a line");
    command->callback([options, &exitCode] {
        const auto done = score(*options);
        if (!done)
            fmt::print(stderr, "crest-run score: {}\n", done.error().text());
        else if (*done > 0)
            fmt::print(stderr, "crest-run score: {} longer than the model's context and not scored; --stride N scores by windows\n",
                       *done == 1 ? "1 text is" : fmt::format("{} texts are", *done));
        exitCode = done && *done == 0 ? 0 : 1;
    });
}

} // namespace crest
