// SPDX-License-Identifier: Apache-2.0
#include "core/text/vocabulary_files.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/text/tokenizer_file.h"

namespace crest::text::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxBytes = kMaxFileBytes / 2; // of each of the two files

Result<Json> readObject(const std::string& text, const std::string& where) {
    if (text.empty())
        return Json::object();
    CREST_TRY(parsed, parseBounded(text, where));
    if (!parsed.is_object())
        return fail(ErrorKind::Malformed, "the file is no JSON object", where);
    return parsed;
}

/// An entry of "added_tokens" for a token written as a text or as an object with flags.
Json addedToken(const Json& token) {
    Json entry{{"id", 0},         {"content", ""},   {"special", true},     {"normalized", false},
               {"lstrip", false}, {"rstrip", false}, {"single_word", false}};
    if (token.is_string())
        entry["content"] = token;
    if (token.is_object())
        for (auto& [key, value] : entry.items())
            if (const Json& given = field(token, key.c_str()); given.type() == value.type())
                value = given;
    return entry;
}

/// Special tokens as the class has them where nobody says otherwise.
Json specialToken(const Json& config, const Json& map, const char* key, std::string_view vocab) {
    if (config.contains(key))
        return config[key];
    if (map.contains(key))
        return map[key];
    const bool usual =
        std::string_view(key) != "pad_token" && vocab.find("\"<|endoftext|>\"") != std::string_view::npos;
    return usual ? Json("<|endoftext|>") : Json();
}

Json addedTokens(const Json& config, const Json& map, std::string_view vocab) {
    Json list = Json::array();
    const auto add = [&](const Json& token) {
        Json entry = addedToken(token);
        const bool known =
            std::ranges::any_of(list, [&](const Json& other) { return other["content"] == entry["content"]; });
        if (entry["content"] != "" && !known)
            list.push_back(std::move(entry));
    };
    if (const Json& given = field(config, "added_tokens_decoder"); given.is_object()) {
        std::vector<std::pair<std::string, const Json*>> byId;
        for (const auto& [id, token] : given.items())
            byId.emplace_back(fmt::format("{:0>20}", id), &token);
        std::ranges::sort(byId);
        for (const auto& [id, token] : byId)
            add(*token);
    }
    for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"})
        add(specialToken(config, map, key, vocab));
    return list;
}

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

/// A BOS in front of every text, where the vocabulary has it.
Json bosTemplate(const Json& config, const Json& bos, const Json& vocab) {
    const Json token = addedToken(bos)["content"];
    const Json& id = field(vocab, token.get_ref<const std::string&>().c_str());
    if (field(config, "add_bos_token") != true || !id.is_number_integer())
        return nullptr;
    return {{"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", token}}}}, {{"Sequence", {{"id", "A"}}}}}},
            {"special_tokens", {{token.get<std::string>(), {{"ids", {id}}}}}}};
}

} // namespace

Result<std::string> tokenizerOfVocabularyFiles(const fs::path& folder, const std::string& configText) {
    CREST_TRY(config, readObject(configText, (folder / "tokenizer_config.json").string()));
    if (const Json& name = field(config, "tokenizer_class");
        !name.is_null() && name != "GPT2Tokenizer" && name != "GPT2TokenizerFast")
        return fail(ErrorKind::Unsupported,
                    fmt::format("there is no tokenizer.json, and Crest reads vocab.json and merges.txt of the class "
                                "GPT2Tokenizer only, not of {}; load it with transformers' AutoTokenizer and "
                                "save_pretrained writes a tokenizer.json",
                                name.dump().substr(0, 60)),
                    folder.string());
    std::string mapText;
    std::error_code ignored;
    const fs::path mapFile = folder / "special_tokens_map.json";
    if (fs::exists(mapFile, ignored)) {
        CREST_TRY(read, io::readTextFile(mapFile, kMaxRestBytes));
        mapText = std::move(read);
    }
    CREST_TRY(map, readObject(mapText, mapFile.string()));
    CREST_TRY(vocab, io::readTextFile(folder / "vocab.json", kMaxBytes));
    CREST_TRY(merges, io::readTextFile(folder / "merges.txt", kMaxBytes));
    // Checked by itself, so that it stays one value inside the text that is put together.
    TokenTable table;
    CREST_CHECK(readVocabularyObject(vocab, (folder / "vocab.json").string(), table));
    const Json bos = specialToken(config, map, "bos_token", vocab);
    Json bosId = Json::object();
    const std::string bosText = addedToken(bos)["content"].get<std::string>();
    if (const auto id = table.find(bosText))
        bosId[bosText] = *id;
    const Json prefixSpace = field(config, "add_prefix_space") == true;
    Json head{{"version", "1.0"},
              {"added_tokens", addedTokens(config, map, vocab)},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefixSpace}, {"use_regex", true}}},
              {"post_processor", bosTemplate(config, bos, bosId)},
              {"decoder", {{"type", "ByteLevel"}}}};
    std::string text = canonicalJson(head);
    text.pop_back();
    return text + R"(,"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + mergesList(merges) + "}}";
}

} // namespace crest::text::detail
