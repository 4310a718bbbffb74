// SPDX-License-Identifier: Apache-2.0
// crest-run tokenize --model DIR: token ids of texts.
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/progress_line.h"
#include "app/crest-run/text_lines.h"
#include "core/base/json.h"
#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"

namespace crest {
namespace {

struct TokenizeOptions {
    std::string model, texts = "-";
    bool json = false, plain = false;
};

Result<void> tokenize(const TokenizeOptions& options) {
    CREST_CHECK(checkModelThere(options.model));
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(options.model)));
    CREST_TRY(lines, readTextLines(options.texts));
    const JobContext job({}, progressSink("tokenized", ::isatty(STDOUT_FILENO) != 1)); // the lines are progress enough
    std::int64_t number = 0;
    for (const std::string& line : lines) {
        job.report(number++, static_cast<std::int64_t>(lines.size()), "texts");
        const auto ids = tokenizer.encode(line, options.plain ? text::Specials::None : text::Specials::Template);
        if (options.json)
            fmt::print("{}\n", canonicalJson(Json{{"ids", ids}}));
        else
            fmt::print("{}\n", fmt::join(ids, " "));
    }
    return {};
}

} // namespace

void addTokenizeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<TokenizeOptions>();
    CLI::App* command = app.add_subcommand("tokenize", "Token ids of texts");
    command->add_option("--model", options->model, "Checkpoint folder, or tokenizer.json")->required();
    command->add_option("--texts", options->texts,
                        "JSONL file, {\"text\": ...} a line; - (the default) for standard input");
    command->add_flag("--no-special", options->plain, "Leave out the tokens that the tokenizer puts around a text");
    command->add_flag("--json", options->json, "Print one JSON object a line");
    command->callback([options, &exitCode] {
        const auto done = tokenize(*options);
        if (!done)
            fmt::print(stderr, "crest-run tokenize: {}\n", done.error().text());
        exitCode = done ? 0 : 1;
    });
}

} // namespace crest
