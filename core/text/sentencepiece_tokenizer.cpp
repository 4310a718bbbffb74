// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/io/limited_process.h"
#include "core/text/tokenizer_config.h"
#include "core/text/tokenizer_file.h"

namespace crest::text::detail {
namespace {

namespace fs = std::filesystem;

/// Special and user-defined pieces, then what the configuration adds. Flags of the configuration about pieces of the
/// model do not count: control symbols are looked for in the text as it is, user-defined ones behind the normalizer.
Json allAddedTokens(const Json& head, const Json& config) {
    Json list = Json::array();
    std::vector<std::string> known;
    for (const char* key : {"special", "kept"}) {
        const bool special = std::string_view(key) == "special";
        for (const Json& content : field(head, key)) {
            Json entry = addedToken(content);
            entry["special"] = special;
            entry["normalized"] = !special;
            known.push_back(entry["content"].get<std::string>());
            list.push_back(std::move(entry));
        }
    }
    std::ranges::sort(known);
    for (Json entry : addedTokens(config)) {
        if (std::ranges::binary_search(known, entry["content"].get<std::string>()))
            continue;
        entry["normalized"] = false;
        list.push_back(std::move(entry));
    }
    return list;
}

Json decoderOf(const Json& head) {
    Json steps = {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                  {{"type", "ByteFallback"}},
                  {{"type", "Fuse"}}};
    // The space that was put in front goes again; where white space was taken together, so does all at the start.
    const bool all = field(head, "remove_extra_whitespaces") == true;
    if (all || field(head, "add_dummy_prefix") == true)
        steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", all ? kMaxStringBytes : 1}, {"stop", 0}});
    return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

Json normalizerOf(const Json& head, const Json& config) {
    Json normalizer{{"type", "SentencePiece"}, {"kept", field(head, "kept")}};
    for (const char* key : {"precompiled_charsmap", "add_dummy_prefix", "remove_extra_whitespaces",
                            "escape_whitespaces", "treat_whitespace_as_suffix"})
        if (head.contains(key))
            normalizer[key] = head[key];
    normalizer["prefix_at_start_only"] = field(config, "legacy") != true;
    return normalizer;
}

} // namespace

Result<std::string> tokenizerOfDescription(std::string_view described, const std::string& where, Json& config) {
    const std::size_t lineEnd = described.find('\n');
    if (lineEnd == std::string_view::npos)
        return fail(ErrorKind::Malformed, "the reader of tokenizer.model was cut off", where);
    CREST_TRY(head, parseBounded(described.substr(0, lineEnd), where));
    if (!head.is_object())
        return fail(ErrorKind::Malformed, "the reader of tokenizer.model says no JSON object", where);
    const std::string_view vocabulary = described.substr(lineEnd + 1);
    // Checked by itself, so that it stays one value inside the text that is put together.
    TokenTable table;
    std::vector<double> scores;
    CREST_CHECK(readScoredVocabulary(vocabulary, where, table, scores));
    for (const char* key : {"bos_token", "eos_token", "unk_token"})
        if (!config.contains(key))
            config[key] = field(head, key);
    const Json added = allAddedTokens(head, config);
    const Json text{{"version", "1.0"},
                    {"added_tokens", added},
                    {"normalizer", normalizerOf(head, config)},
                    {"post_processor", postProcessor(config, added, table)},
                    {"decoder", decoderOf(head)}};
    Json model{{"type", field(head, "type")},
               {"unk_id", field(head, "unk_id")},
               {"byte_fallback", field(head, "byte_fallback")},
               {"hidden", field(head, "hidden")}};
    std::string outer = canonicalJson(text);
    std::string inner = canonicalJson(model);
    outer.pop_back();
    inner.pop_back();
    return outer + R"(,"model":)" + inner + R"(,"vocab":)" + std::string(vocabulary) + "}}";
}

Result<std::string> describeSentencePiece(const fs::path& model) {
    io::LimitedProcess process;
    CREST_TRY(program, io::helperProgram("crest-read-model"));
    process.program = std::move(program);
    process.input = model;
    process.limits.memoryBytes = 1'500'000'000;
    process.limits.processor = std::chrono::seconds(10);
    process.limits.outputBytes = kMaxFileBytes;
    return io::runLimited(process);
}

} // namespace crest::text::detail
