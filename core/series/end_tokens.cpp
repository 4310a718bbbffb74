// SPDX-License-Identifier: Apache-2.0
#include "core/series/end_tokens.h"

#include <utility>

#include "core/series/checkpoint_records.h"

namespace crest::series {
namespace {

constexpr std::size_t kMostIds = 1'000;
constexpr std::size_t kMostShown = 60; ///< bytes of a value

/// Keys of generation_config.json that greedy decoding and beams depend on, with what changes nothing (null and an empty list
/// never do).
constexpr std::pair<const char*, int> kDecodingKeys[] = {
    {"repetition_penalty", 1},  {"num_beams", 1},          {"no_repeat_ngram_size", 0},
    {"max_new_tokens", 0},      {"min_new_tokens", 0},     {"min_length", 0},
    {"bad_words_ids", 0},       {"suppress_tokens", 0},    {"begin_suppress_tokens", 0},
    {"sequence_bias", 0},       {"guidance_scale", 1},     {"exponential_decay_length_penalty", 0},
    {"forced_bos_token_id", -1}, {"forced_eos_token_id", -1},
};

bool isTokenId(const Json& id) {
    if (id.is_number_unsigned())
        return id.get<std::uint64_t>() <= INT32_MAX;
    return id.is_number_integer() && id.get<std::int64_t>() >= 0 && id.get<std::int64_t>() <= INT32_MAX;
}

} // namespace

Result<std::vector<std::int32_t>> parseEndTokens(const Json& config, const std::string& where) {
    std::vector<std::int32_t> ids;
    const auto found = config.is_object() ? config.find("eos_token_id") : config.end();
    if (!config.is_object() || found == config.end() || found->is_null())
        return ids;
    const Json list = found->is_array() ? *found : Json::array({*found});
    if (list.size() > kMostIds)
        return fail(ErrorKind::Malformed, "eos_token_id names more than 1,000 tokens", where);
    for (const Json& id : list) {
        if (!isTokenId(id))
            return fail(ErrorKind::Malformed, "eos_token_id is no token id or list of them", where);
        ids.push_back(id.get<std::int32_t>());
    }
    return ids;
}

Result<std::vector<std::int32_t>> recordedEndTokens(const std::filesystem::path& folder) {
    std::error_code ignored;
    for (const char* name : {"generation_config.json", "config.json"}) {
        const std::filesystem::path file = folder / name;
        if (!std::filesystem::exists(file, ignored))
            continue;
        CREST_TRY(config, readSmallJson(file));
        CREST_TRY(ids, parseEndTokens(config, file.string()));
        if (!ids.empty())
            return ids;
    }
    return std::vector<std::int32_t>();
}

Result<std::vector<std::string>> recordedDecoding(const std::filesystem::path& folder) {
    std::vector<std::string> asked;
    const std::filesystem::path file = folder / "generation_config.json";
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored))
        return asked;
    CREST_TRY(config, readSmallJson(file));
    for (const auto& [key, neutral] : kDecodingKeys)
        if (const auto found = config.is_object() ? config.find(key) : config.end();
            found != config.end() && !found->is_null() && !(found->is_array() && found->empty()) && *found != neutral)
            asked.push_back(std::string(key) + " " +
                            found->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, kMostShown));
    return asked;
}

} // namespace crest::series
