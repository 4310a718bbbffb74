// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_config.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/text/tokenizer_file.h"

namespace crest::text::detail {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNamedTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};

constexpr std::uint64_t kMaxCompanionBytes = 4'000'000; ///< of each file; Gemma 3 has 1.2 MB
constexpr std::size_t kMostAdded = 15'000; ///< each becomes an entry with flags; Gemma 3 has 6,242

/// "" where there is no such file.
Result<std::string> readOptional(const fs::path& file) {
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return std::string();
    return io::readTextFile(file, kMaxCompanionBytes);
}

/// An empty object for no text.
Result<Json> readObject(std::string_view text, const fs::path& file) {
    if (text.empty())
        return Json::object();
    CREST_TRY(parsed, parseBounded(text, file.string()));
    if (!parsed.is_object())
        return fail(ErrorKind::Malformed, "the file is no JSON object", file.string());
    return parsed;
}

tl::unexpected<Error> tooMany(std::size_t count, const fs::path& file) {
    return fail(ErrorKind::Malformed, fmt::format("{} added tokens; the limit is {}", count, kMostAdded),
                file.string());
}

Result<void> checkCounts(const Json& config, const fs::path& file) {
    for (const char* key : {"added_tokens_decoder", "extra_special_tokens", "additional_special_tokens"})
        if (const std::size_t count = field(config, key).size(); count > kMostAdded)
            return tooMany(count, file);
    return {};
}

std::string contentOf(const Json& token) {
    return addedToken(token)["content"].get<std::string>();
}

bool isNamed(const Json& config, const std::string& content) {
    return std::ranges::any_of(kNamedTokens, [&](const char* key) { return contentOf(field(config, key)) == content; });
}

/// {"token": id, ...} as "added_tokens_decoder" has it.
Json listOf(const Json& addedIds, const Json& config) {
    Json list = Json::object();
    for (const auto& [content, id] : addedIds.items()) {
        if (!id.is_number_unsigned())
            continue;
        Json entry = addedToken(content);
        entry["special"] = isNamed(config, content);
        entry["normalized"] = !entry["special"].get<bool>();
        list[std::to_string(id.get<std::uint64_t>())] = std::move(entry);
    }
    return list;
}

} // namespace

Result<Json> readTokenizerConfig(const fs::path& folder) {
    CREST_TRY(config, readOptional(folder / "tokenizer_config.json"));
    CREST_TRY(map, readOptional(folder / "special_tokens_map.json"));
    CREST_TRY(added, readOptional(folder / "added_tokens.json"));
    return mergeTokenizerConfig(config, map, added, folder);
}

Result<Json> mergeTokenizerConfig(std::string_view configText, std::string_view mapText, std::string_view addedText,
                                  const fs::path& folder) {
    CREST_TRY(config, readObject(configText, folder / "tokenizer_config.json"));
    CREST_CHECK(checkCounts(config, folder / "tokenizer_config.json"));
    if (field(config, "added_tokens_decoder").is_object())
        return config;
    CREST_TRY(map, readObject(mapText, folder / "special_tokens_map.json"));
    CREST_CHECK(checkCounts(map, folder / "special_tokens_map.json"));
    for (auto& [key, token] : map.items())
        config[key] = std::move(token);
    CREST_TRY(added, readObject(addedText, folder / "added_tokens.json"));
    if (added.size() > kMostAdded)
        return tooMany(added.size(), folder / "added_tokens.json");
    if (!added.empty())
        config["added_tokens_decoder"] = listOf(added, config);
    return config;
}

Json addedToken(const Json& token) {
    Json entry{{"id", 0},         {"content", ""},   {"special", true},     {"normalized", false},
               {"lstrip", false}, {"rstrip", false}, {"single_word", false}};
    if (token.is_string())
        entry["content"] = token;
    if (token.is_object())
        for (auto& [key, value] : entry.items())
            if (const Json& given = field(token, key.c_str()); key != "id" && given.type() == value.type())
                value = given;
    return entry;
}

Json addedTokens(const Json& config) {
    Json list = Json::array();
    std::set<std::string> known;
    const auto add = [&](const Json& token) {
        Json entry = addedToken(token);
        const auto content = entry["content"].get<std::string>();
        if (!content.empty() && known.insert(content).second)
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
    for (const char* key : kNamedTokens)
        add(field(config, key));
    for (const char* key : {"extra_special_tokens", "additional_special_tokens"})
        if (const Json& more = field(config, key); more.is_array())
            for (const Json& token : more)
                add(token);
    return list;
}

Json postProcessor(const Json& config, const Json& added, const TokenTable& vocabulary) {
    const auto idOf = [&](const std::string& content) -> std::optional<std::int32_t> {
        auto next = static_cast<std::int32_t>(vocabulary.size()); // of the next token that the vocabulary lacks
        for (const Json& entry : added) {
            const auto& text = entry["content"].get_ref<const std::string&>();
            const std::optional<std::int32_t> known = vocabulary.find(text);
            if (text == content)
                return known ? *known : next;
            next += known ? 0 : 1;
        }
        return vocabulary.find(content);
    };
    Json single = Json::array();
    Json specials = Json::object();
    const auto add = [&](const char* flag, const char* key) {
        const std::string content = contentOf(field(config, key));
        const std::optional<std::int32_t> id = idOf(content);
        if (content.empty() || field(config, flag) != true || !id)
            return;
        single.push_back({{"SpecialToken", {{"id", content}}}});
        specials[content] = {{"ids", {*id}}};
    };
    add("add_bos_token", "bos_token");
    single.push_back({{"Sequence", {{"id", "A"}}}});
    add("add_eos_token", "eos_token");
    if (specials.empty())
        return nullptr;
    return {{"type", "TemplateProcessing"}, {"single", std::move(single)}, {"special_tokens", std::move(specials)}};
}

} // namespace crest::text::detail
