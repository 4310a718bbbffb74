// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_settings.h"

#include <array>

#include "core/data/definition_keys.h"
#include "core/data/tuning_rows.h"

namespace crest::data {
namespace {

constexpr std::int64_t kLargestSeed = 4'294'967'295;
constexpr std::int64_t kMostCount = std::int64_t(1) << 53;

constexpr std::array kLossNames{std::pair{"completions", LossOn::Completions}, std::pair{"all", LossOn::All}};
constexpr std::array kLongNames{std::pair{"truncate", TooLong::Truncate}, std::pair{"drop", TooLong::Drop}};
constexpr std::array kBeginNames{std::pair{"tokenizer", TuningBegin::Tokenizer},
                                 std::pair{"nothing", TuningBegin::Nothing},
                                 std::pair{"begin_token", TuningBegin::BeginToken}};

template<class Table, class T> const char* nameOf(const Table& table, T value) {
    for (const auto& [name, one] : table)
        if (one == value)
            return name;
    return "";
}

template<class Table, class T> Result<void> readName(const Keys& keys, const char* key, const Table& table, T& into) {
    CREST_TRY(given, keys.text(key, nameOf(table, into)));
    std::vector<std::string> known;
    for (const auto& [name, value] : table) {
        known.emplace_back(name);
        if (given == name) {
            into = value;
            return {};
        }
    }
    return keys.wrong(fmt::format("\"{}\" is one of {}", key, fmt::join(known, ", ")));
}

Result<std::string> definitionText(const Keys& keys, const char* key) {
    if (!keys.has(key) || keys.at(key).is_null())
        return std::string();
    if (!keys.at(key).is_object())
        return keys.wrong(fmt::format("\"{}\" must be an object", key));
    return canonicalJson(keys.at(key));
}

Json definitionJson(const std::string& text) {
    return text.empty() ? Json() : Json::parse(text, nullptr, false);
}

} // namespace

Json tuningIdentity(const TuningDataSettings& settings) {
    const TuningSplitSettings& split = settings.split;
    const double share = split.heldOutCount > 0 ? 0.0 : split.heldOutShare;
    const bool holdsOut = split.heldOutCount > 0 || share > 0; // a seed that draws nothing decides nothing
    return {{"loss_on", nameOf(kLossNames, settings.lossOn)},
            {"begin", nameOf(kBeginNames, settings.begin)},
            {"max_tokens", settings.maxTokens},
            {"too_long", nameOf(kLongNames, settings.tooLong)},
            {"held_out_share", share},
            {"held_out_count", split.heldOutCount},
            {"split_seed", holdsOut ? split.splitSeed : 0U},
            {"sample_count", split.sampleCount},
            {"sample_seed", split.sampleCount > 0 ? split.sampleSeed : 0U}};
}

Json tuningDataToJson(const TuningDataSettings& settings) {
    Json json = tuningIdentity(settings);
    json["held_out_share"] = settings.split.heldOutShare;
    json["split_seed"] = settings.split.splitSeed;
    json["sample_seed"] = settings.split.sampleSeed;
    json["path"] = settings.path;
    json["form"] = settings.form;
    json["chat"] = settings.chat;
    json["form_definition"] = definitionJson(settings.formDefinition);
    json["chat_definition"] = definitionJson(settings.chatDefinition);
    json["max_bad_share"] = settings.maxBadShare;
    return json;
}

Result<TuningDataSettings> tuningDataFromJson(const Json& json, const std::string& where) {
    const Keys keys(json, where);
    CREST_CHECK(keys.only({"path", "form", "chat", "form_definition", "chat_definition", "loss_on", "begin",
                           "max_tokens", "too_long", "held_out_share", "held_out_count", "split_seed", "sample_count",
                           "sample_seed", "max_bad_share"}));
    TuningDataSettings settings;
    CREST_TRY(path, keys.text("path"));
    CREST_TRY(form, keys.text("form", settings.form));
    CREST_TRY(chat, keys.text("chat", ""));
    CREST_TRY(formDefinition, definitionText(keys, "form_definition"));
    CREST_TRY(chatDefinition, definitionText(keys, "chat_definition"));
    settings.path = std::move(path);
    settings.form = std::move(form);
    settings.chat = std::move(chat);
    settings.formDefinition = std::move(formDefinition);
    settings.chatDefinition = std::move(chatDefinition);
    CREST_CHECK(readName(keys, "loss_on", kLossNames, settings.lossOn));
    CREST_CHECK(readName(keys, "begin", kBeginNames, settings.begin));
    CREST_CHECK(readName(keys, "too_long", kLongNames, settings.tooLong));
    CREST_TRY(maxTokens, keys.whole("max_tokens", settings.maxTokens, 2, kMostExampleTokens));
    settings.maxTokens = maxTokens;
    CREST_TRY(share, keys.number("held_out_share", settings.split.heldOutShare, 0, 1));
    CREST_TRY(heldOut, keys.whole("held_out_count", 0, 0, kMostCount));
    CREST_TRY(splitSeed, keys.whole("split_seed", settings.split.splitSeed, 0, kLargestSeed));
    CREST_TRY(sample, keys.whole("sample_count", 0, 0, kMostCount));
    CREST_TRY(sampleSeed, keys.whole("sample_seed", settings.split.sampleSeed, 0, kLargestSeed));
    CREST_TRY(badShare, keys.number("max_bad_share", settings.maxBadShare, 0, 1));
    settings.split = {share, heldOut, static_cast<std::uint32_t>(splitSeed), sample,
                      static_cast<std::uint32_t>(sampleSeed)};
    settings.maxBadShare = badShare;
    CREST_CHECK(checkTuningData(settings, where));
    return settings;
}

Result<void> checkTuningData(const TuningDataSettings& settings, const std::string& where) {
    if (settings.maxTokens < 2 || settings.maxTokens > kMostExampleTokens)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("the longest example has {} tokens, it must be from 2 to {}", settings.maxTokens,
                                kMostExampleTokens),
                    where);
    if (!(settings.maxBadShare >= 0 && settings.maxBadShare <= 1))
        return fail(ErrorKind::OutOfRange, "the share of rows that may be left out must be from 0 to 1", where);
    if (const auto checked = checkTuningSplit(settings.split); !checked)
        return fail(checked.error().kind, checked.error().message, where);
    return {};
}

Result<TuningDataSettings> resolveTuningData(TuningDataSettings settings, const std::filesystem::path& templatesFolder,
                                             const JobContext& job) {
    CREST_CHECK(checkTuningData(settings, settings.path));
    const bool needsForm = settings.formDefinition.empty();
    const bool needsStyle = !settings.chat.empty() && settings.chatDefinition.empty();
    if (settings.chat.empty())
        settings.chatDefinition.clear();
    if (!needsForm && !needsStyle)
        return settings;
    CREST_TRY(templates, readTuningTemplates(templatesFolder));
    const auto unknown = [&](const std::string& what, const std::string& name, const auto& all) {
        std::vector<std::string> known;
        for (const auto& one : all)
            known.push_back(one.name());
        return fail(ErrorKind::NotFound,
                    fmt::format("there is no {} \"{}\"; there are: {}", what, name, fmt::join(known, ", ")),
                    templatesFolder.string());
    };
    if (needsStyle) {
        const ChatStyle* style = templates.style(settings.chat);
        if (!style)
            return unknown("way of writing dialogues", settings.chat, templates.styles);
        settings.chatDefinition = canonicalJson(style->definition());
    }
    if (!needsForm)
        return settings;
    if (settings.form == "auto") {
        CREST_TRY(files, tuningFiles(settings.path));
        CREST_TRY(row, firstTuningRow(files, job));
        auto recognised = recogniseForm(row, templates);
        if (!recognised)
            return fail(recognised.error().kind, recognised.error().message, files.front().name());
        settings.form = recognised->name();
    }
    const TuningTemplate* form = templates.form(settings.form);
    if (!form)
        return unknown("form of rows", settings.form, templates.forms);
    settings.formDefinition = canonicalJson(form->definition());
    return settings;
}

} // namespace crest::data
