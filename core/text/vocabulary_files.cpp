// SPDX-License-Identifier: Apache-2.0
#include "core/text/vocabulary_files.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/text/tokenizer_config.h"
#include "core/text/tokenizer_file.h"

namespace crest::text::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxVocabularyBytes = kMaxFileBytes / 2; // of each of the two files
constexpr const char* kEndOfText = "<|endoftext|>";

/// The lines of merges.txt as a JSON list of texts.
std::string mergesList(std::string_view text) {
    std::string list = "[";
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty() || line.starts_with("#version"))
            continue;
        list += list.size() > 1 ? "," : "";
        list += Json(line).dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    return list + "]";
}

} // namespace

Result<std::string> tokenizerOfVocabularyFiles(const fs::path& folder, Json& config) {
    CREST_TRY(vocab, io::readTextFile(folder / "vocab.json", kMaxVocabularyBytes));
    CREST_TRY(merges, io::readTextFile(folder / "merges.txt", kMaxVocabularyBytes));
    return tokenizerOfVocabulary(vocab, merges, folder, config);
}

Result<std::string> tokenizerOfVocabulary(const std::string& vocab, std::string_view merges, const fs::path& folder,
                                          Json& config) {
    if (const Json& name = field(config, "tokenizer_class");
        !name.is_null() && name != "GPT2Tokenizer" && name != "GPT2TokenizerFast")
        return fail(ErrorKind::Unsupported,
                    fmt::format("there is no tokenizer.json, and Crest reads vocab.json and merges.txt of the class "
                                "GPT2Tokenizer only, not of {}; load it with transformers' AutoTokenizer and "
                                "save_pretrained writes a tokenizer.json",
                                name.dump().substr(0, 60)),
                    folder.string());
    // Checked by itself, so that it stays one value inside the text that is put together.
    TokenTable table;
    CREST_CHECK(readVocabularyObject(vocab, (folder / "vocab.json").string(), table));
    // Special tokens as the class has them where nobody says otherwise.
    for (const char* key : {"bos_token", "eos_token", "unk_token"})
        if (!config.contains(key) && table.find(kEndOfText))
            config[key] = kEndOfText;
    const Json added = addedTokens(config);
    const Json prefixSpace = field(config, "add_prefix_space") == true;
    Json head{{"version", "1.0"},
              {"added_tokens", added},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefixSpace}, {"use_regex", true}}},
              {"post_processor", postProcessor(config, added, table)},
              {"decoder", {{"type", "ByteLevel"}}}};
    std::string text = canonicalJson(head);
    text.pop_back();
    return text + R"(,"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + mergesList(merges) + "}}";
}

} // namespace crest::text::detail
