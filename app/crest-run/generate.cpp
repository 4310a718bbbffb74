// SPDX-License-Identifier: Apache-2.0
// crest-run generate --model DIR --prompts FILE --max-new N: continuations of texts.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/command_line.h"
#include "app/crest-run/commands.h"
#include "app/crest-run/progress_line.h"
#include "app/crest-run/text_lines.h"
#include "app/crest-run/work.h"
#include "core/base/json.h"
#include "core/eval/text_generation.h"
#include "core/run/stop_signals.h"
#include "core/series/series.h"
#include "core/series/tokenizer_files.h"

namespace crest {
namespace {

struct GenerateOptions {
    std::string model, prompts, type = "float32", device = "cpu";
    eval::TextGenerationOptions text;
    bool ignoreEnd = false, cutLeft = false, json = false;
};

/// A prompt without tokens cannot be continued; transformers starts from BOS, too, and refuses where there is none.
void tellEmptyPrompts(const std::vector<std::string>& prompts, const text::Tokenizer& tokenizer) {
    const auto isEmpty = [&](const std::string& prompt) {
        return tokenizer.encode(prompt, text::Specials::Template).empty();
    };
    const auto count = std::count_if(prompts.begin(), prompts.end(), isEmpty);
    if (count > 0 && tokenizer.prefixId())
        fmt::print(stderr, "crest-run generate: {} {} no tokens: continued from {}, the tokenizer's {}.\n", count,
                   count == 1 ? "prompt has" : "prompts have", tokenizer.prefixText(),
                   tokenizer.bosId() ? "BOS" : "end token, since it has no BOS");
}

/// Prints answers in the order of the prompts, each as soon as those before it are there.
class Printer {
public:
    Printer(const std::vector<std::string>& prompts, bool json)
        : m_prompts(prompts)
        , m_json(json) {}

    void take(std::size_t prompt, eval::GeneratedText answer) {
        m_waiting.emplace(prompt, std::move(answer));
        while (!m_waiting.empty() && m_waiting.begin()->first == m_next)
            printFirst();
        std::fflush(stdout);
    }
    /// After a stop: what is whole, though something before it is missing.
    void flush() {
        while (!m_waiting.empty())
            printFirst();
    }
    std::size_t printed() const { return m_printed; }

private:
    void printFirst() {
        const auto& [prompt, answer] = *m_waiting.begin();
        if (m_json)
            fmt::print("{}\n", canonicalJson({{"index", prompt},
                                              {"ids", answer.ids},
                                              {"text", answer.text},
                                              {"score", numberToJson(answer.score)},
                                              {"prompt_tokens", answer.promptTokens},
                                              {"truncated", answer.truncated}}));
        else
            fmt::print("[{}]{} {}{}\n\n", prompt + 1, answer.truncated ? " ..." : "", m_prompts[prompt], answer.text);
        m_next = prompt + 1;
        ++m_printed;
        m_waiting.erase(m_waiting.begin());
    }

    const std::vector<std::string>& m_prompts;
    bool m_json;
    std::map<std::size_t, eval::GeneratedText> m_waiting;
    std::size_t m_next = 0, m_printed = 0;
};

Result<void> generate(GenerateOptions& options, const run::StopSignals& signals) {
    CREST_CHECK(checkIsCheckpoint(options.model));
    const series::Checkpoint checkpoint = series::readCheckpoint(options.model).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Unsupported, checkpoint.reason, options.model);
    tellDoubts(checkpoint, "generate");
    CREST_TRY(device, model::deviceFromName(options.device));
    CREST_TRY(reader, model::WeightReader::open(options.model, *checkpoint.spec));
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(options.model)));
    CREST_TRY(prompts, readTextLines(options.prompts));
    tellEmptyPrompts(prompts, tokenizer);
    if (!options.ignoreEnd) {
        CREST_TRY(ends, eval::endTokensOf(options.model, tokenizer));
        options.text.decoding.endTokens = std::move(ends);
    }
    options.text.truncateLeft = options.cutLeft;
    model::PristineWeights source(reader);
    const auto compute = options.type == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
    model::Decoder decoder(*checkpoint.spec, {device, compute});
    Printer printer(prompts, options.json);
    options.text.finished = [&](std::size_t prompt, const eval::GeneratedText& answer) { printer.take(prompt, answer); };
    const JobContext job(signals.token(), progressSink("continued", ::isatty(STDOUT_FILENO) != 1));
    const auto done = eval::generateTexts(decoder, source, tokenizer, prompts, options.text, job);
    printer.flush();
    if (done)
        return {};
    if (done.error().kind == ErrorKind::Stopped)
        return fail(ErrorKind::Stopped,
                    fmt::format("Stopped; {} of {} answers are printed.", printer.printed(), prompts.size()));
    return tl::unexpected(done.error());
}

void addDecodingOptions(CLI::App& command, eval::GenerationOptions& decoding) {
    command.add_option("--max-new", decoding.maxNewTokens, "New tokens of each answer, at most")->required();
    command.add_option("--beams", decoding.beams, "Beam search of this many beams")->capture_default_str();
    command.add_option("--length-penalty", decoding.lengthPenalty, "Beam scores are divided by length to this power")
        ->capture_default_str();
    command.add_option("--repetition-penalty", decoding.repetitionPenalty,
                       "Scores of tokens that were there before are divided by this (1: not)")
        ->capture_default_str();
    command.add_option("--temperature", decoding.temperature, "Draw tokens, at this temperature (0: greedy)")
        ->capture_default_str();
    command.add_option("--top-k", decoding.topK, "Draw from this many tokens (0: all)")->capture_default_str();
    command.add_option("--top-p", decoding.topP, "Draw from the fewest tokens that have this share")
        ->capture_default_str();
    command.add_option("--seed", decoding.seed, "Of the draws; the same for the same seed, prompt index and position")
        ->check(unsignedNumber())
        ->capture_default_str();
}

} // namespace

void addGenerateCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<GenerateOptions>();
    CLI::App* command = app.add_subcommand("generate", "Continuations of texts by one checkpoint");
    command->add_option("--model", options->model, "Checkpoint folder")->required();
    command->add_option("--prompts", options->prompts, "JSONL file, {\"text\": ...} a line; - for standard input")
        ->required();
    addDecodingOptions(*command, options->text.decoding);
    command->add_option("--stop", options->text.until, "Ends an answer, and is cut off; may be given again")
        ->allow_extra_args(false);
    command->add_flag("--ignore-end", options->ignoreEnd, "Go on after the end token: always --max-new tokens");
    command->add_flag("--cut-left", options->cutLeft, "Cut prompts that do not fit the context on their left");
    command->add_option("--dtype", options->type, "Compute type")
        ->check(CLI::IsMember({"float32", "bfloat16"}))
        ->capture_default_str();
    command->add_option("--device", options->device, "cpu, cuda or cuda:0")->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object a line");
    command->callback([options, &exitCode] {
        const run::StopSignals signals;
        const auto done = generate(*options, signals);
        if (!done)
            fmt::print(stderr, "crest-run generate: {}\n", done.error().text());
        exitCode = done ? 0 : done.error().kind == ErrorKind::Stopped ? kExitStopped : 1;
    });
}

} // namespace crest
