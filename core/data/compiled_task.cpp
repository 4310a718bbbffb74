// SPDX-License-Identifier: Apache-2.0
#include "core/data/compiled_task.h"

#include <algorithm>
#include <cmath>

#include "core/data/data_folder.h"
#include "core/data/definition_keys.h"
#include "core/data/py_regex.h"

namespace crest::data {
namespace {

constexpr std::int64_t kMostShots = 1000;
constexpr std::size_t kMostSources = 100;
constexpr std::size_t kMostParts = 1000;

const std::vector<std::string> kTaskKeys = {
    "name",   "kind",     "about",       "source",     "version",    "data",      "evaluate",
    "fields", "parts",    "description", "context",    "contexts",   "choices",   "continuation",
    "gold",   "document", "counted",     "answer",     "references", "delimiter", "shot_delimiter",
    "shots",  "metrics",  "chance",      "generation", "filters",    "compare",   "special_tokens",
    "chat",   "system"};

Result<RowFormat> formatFromName(const std::string& name, const Keys& keys) {
    for (const auto& [known, format] : {std::pair<const char*, RowFormat>{"", RowFormat::ByName},
                                        {"json", RowFormat::JsonRows},
                                        {"csv", RowFormat::Csv},
                                        {"tsv", RowFormat::Tsv},
                                        {"lines", RowFormat::Lines},
                                        {"paragraphs", RowFormat::Paragraphs},
                                        {"whole_file", RowFormat::WholeFile},
                                        {"wikitext_pages", RowFormat::WikitextPages},
                                        {"parquet", RowFormat::Parquet}})
        if (name == known)
            return format;
    return keys.wrong(fmt::format("the format \"{}\" is not known", name));
}

Result<DataSource> sourceOf(const Json& definition, const std::string& where) {
    DataSource source;
    if (definition.is_string()) {
        source.pattern = definition.get<std::string>();
    } else {
        const Keys keys(definition, where);
        CREST_CHECK(keys.only({"files", "format", "header", "labels", "label_field"}));
        CREST_TRY(pattern, keys.text("files"));
        CREST_TRY(formatName, keys.text("format", ""));
        CREST_TRY(format, formatFromName(formatName, keys));
        CREST_TRY(header, keys.texts("header"));
        CREST_TRY(labels, keys.text("labels", ""));
        CREST_TRY(labelField, keys.text("label_field", "label"));
        source = {pattern, {format, header}, labels, labelField};
        if (!labels.empty())
            CREST_CHECK(checkPattern(labels));
    }
    if (const auto checked = checkPattern(source.pattern); !checked)
        return fail(checked.error().kind, checked.error().message, where);
    return source;
}

Result<void> readData(const Keys& keys, CompiledTask& task) {
    if (!keys.has("data") || !keys.at("data").is_object() || keys.at("data").empty())
        return keys.wrong("\"data\" must say for each split which files may hold its rows");
    for (const auto& [split, sources] : keys.at("data").items()) {
        const std::string where = fmt::format("{}: data.{}", keys.where(), split);
        if (!sources.is_array() || sources.empty() || sources.size() > kMostSources)
            return fail(ErrorKind::Malformed, "must be a list of file patterns", where);
        for (const Json& one : sources) {
            CREST_TRY(source, sourceOf(one, where));
            task.data[split].push_back(std::move(source));
        }
    }
    CREST_TRY(evaluate, keys.text("evaluate", task.data.contains("test") ? "test" : "validation"));
    if (!task.data.contains(evaluate))
        return keys.wrong(fmt::format("\"data\" has no split \"{}\", which is to be evaluated", evaluate));
    task.evaluate = std::move(evaluate);
    return {};
}

Result<void> readTemplate(const Keys& keys, const char* key, std::optional<Template>& into) {
    if (!keys.has(key))
        return {};
    CREST_TRY(source, keys.text(key));
    CREST_TRY(parsed, Template::parse(source, fmt::format("{}: {}", keys.where(), key)));
    into = std::move(parsed);
    return {};
}

Result<void> readTemplates(const Keys& keys, CompiledTask& task) {
    for (const auto& [key, into] : {std::pair<const char*, std::optional<Template>*>{"description", &task.description},
                                    {"context", &task.context},
                                    {"contexts", &task.contexts},
                                    {"continuation", &task.continuation},
                                    {"gold", &task.gold},
                                    {"document", &task.document},
                                    {"counted", &task.counted},
                                    {"answer", &task.answer}})
        CREST_CHECK(readTemplate(keys, key, *into));
    if (keys.has("choices") && keys.at("choices").is_string())
        CREST_CHECK(readTemplate(keys, "choices", task.choices));
    for (const auto& [key, into] : {std::pair<const char*, std::vector<Template>*>{"choices", &task.choiceList},
                                    {"references", &task.references}}) {
        if (!keys.has(key) || !keys.at(key).is_array())
            continue;
        CREST_TRY(sources, keys.texts(key));
        for (const std::string& source : sources) {
            CREST_TRY(parsed, Template::parse(source, fmt::format("{}: {}", keys.where(), key)));
            into->push_back(std::move(parsed));
        }
    }
    if (keys.has("fields")) {
        if (!keys.at("fields").is_object())
            return keys.wrong("\"fields\" must be an object of templates");
        const Keys fields(keys.at("fields"), keys.where() + ": fields");
        for (const auto& [name, ignored] : keys.at("fields").items()) {
            CREST_TRY(source, fields.text(name.c_str()));
            CREST_TRY(parsed, Template::parse(source, fmt::format("{}: fields.{}", keys.where(), name)));
            task.fields.emplace_back(name, std::move(parsed));
        }
    }
    return {};
}

/// The pool as the harness chooses it: fewshot_split, fixed samples, training, validation, test.
Result<void> readShots(const Keys& keys, CompiledTask& task) {
    const Json none = Json::object();
    const Keys shots(keys.has("shots") ? keys.at("shots") : none, keys.where() + ": shots");
    CREST_CHECK(shots.only({"count", "from", "order", "seed", "rows"}));
    CREST_TRY(from, shots.text("from", ""));
    CREST_TRY(order, shots.text("order", "random"));
    if (order != "random" && order != "first")
        return shots.wrong("\"order\" must be random or first");
    CREST_TRY(seed, shots.whole("seed", 1234, 0, 4'294'967'295));
    task.shots.first = order == "first";
    task.shots.seed = static_cast<std::uint32_t>(seed);
    if (!from.empty() && !task.data.contains(from))
        return shots.wrong(fmt::format("\"data\" has no split \"{}\"", from));
    const std::string test = task.data.contains("test") ? "test" : "";
    task.shots.withoutSelf = from == test;
    if (from.empty() && shots.has("rows")) {
        const Json& rows = shots.at("rows");
        if (!rows.is_array() || rows.size() > static_cast<std::size_t>(kMostShots) ||
            !std::ranges::all_of(rows, [](const Json& row) { return row.is_object(); }))
            return shots.wrong("\"rows\" must be a list of objects");
        task.shots.rows.assign(rows.begin(), rows.end());
        return {};
    }
    for (const char* split : {"train", "validation", "test"})
        if (from.empty() && task.data.contains(split))
            from = split;
    task.shots.from = from.empty() ? task.evaluate : from;
    return {};
}

Result<void> readParts(const Keys& keys, CompiledTask& task) {
    if (!keys.has("parts"))
        return {};
    const Json& parts = keys.at("parts");
    if (!parts.is_array() || parts.empty() || parts.size() > kMostParts)
        return keys.wrong("\"parts\" must be a list of names or of objects with a name");
    for (const Json& part : parts) {
        Json object = part.is_string() ? Json{{"name", part}} : part;
        const bool named = object.is_object() && object.contains("name") && object["name"].is_string();
        if (!named || object["name"].get_ref<const std::string&>().empty())
            return keys.wrong("each of \"parts\" must be a name or an object with a name");
        for (const auto& [key, value] : object.items())
            if (!value.is_string())
                return keys.wrong(fmt::format("\"{}\" of a part must be a text", key));
        task.parts.push_back(std::move(object));
    }
    return {};
}

/// What a kind needs, and what would be left without effect.
Result<void> checkForm(const Keys& keys, const CompiledTask& task) {
    const auto needs = [&](bool there, const char* what) -> Result<void> {
        if (!there)
            return keys.wrong(fmt::format("this kind of task needs {}", what));
        return {};
    };
    switch (task.kind) {
    case TaskKind::MultipleChoice:
        CREST_CHECK(needs(task.gold.has_value(), "\"gold\""));
        if (task.contexts)
            return needs(task.continuation.has_value() && !task.context && !task.choices && task.choiceList.empty(),
                         "\"continuation\" beside \"contexts\", and neither \"context\" nor \"choices\"");
        CREST_CHECK(needs(task.context.has_value(), "\"context\""));
        return needs(task.choices.has_value() || task.choiceList.size() > 1, "\"choices\"");
    case TaskKind::Loglikelihood:
        return needs(task.context && task.continuation, "\"context\" and \"continuation\"");
    case TaskKind::Rolling:
        return needs(task.document.has_value(), "\"document\"");
    case TaskKind::Generation:
        return needs(task.context.has_value(), "\"context\"");
    }
    return {};
}

Result<TaskKind> kindFromName(const std::string& name, const Keys& keys) {
    for (const auto& [known, kind] : {std::pair<const char*, TaskKind>{"multiple_choice", TaskKind::MultipleChoice},
                                      {"loglikelihood", TaskKind::Loglikelihood},
                                      {"rolling", TaskKind::Rolling},
                                      {"generation", TaskKind::Generation}})
        if (name == known)
            return kind;
    return keys.wrong(
        fmt::format("\"kind\" is multiple_choice, loglikelihood, rolling or generation, not \"{}\"", name));
}

Result<GenerationSettings> readGeneration(const Keys& keys) {
    const Json none = Json::object();
    const Keys settings(keys.has("generation") ? keys.at("generation") : none, keys.where() + ": generation");
    CREST_CHECK(
        settings.only({"until", "max_new_tokens", "temperature", "top_k", "top_p", "beams", "repetition_penalty"}));
    GenerationSettings result;
    CREST_TRY(until, settings.texts("until"));
    for (const std::string& stop : until)
        if (stop.empty())
            return settings.wrong("an empty text in \"until\" would end before the first token");
    CREST_TRY(most, settings.whole("max_new_tokens", 256, 1, 1'000'000));
    CREST_TRY(temperature, settings.number("temperature", 0, 0, 100));
    CREST_TRY(topK, settings.whole("top_k", 0, 0, 10'000'000));
    CREST_TRY(topP, settings.number("top_p", 1, 0, 1));
    CREST_TRY(beams, settings.whole("beams", 1, 1, 1000));
    CREST_TRY(penalty, settings.number("repetition_penalty", 1, 0.01, 100));
    return GenerationSettings{until, most, temperature, topK, topP, static_cast<int>(beams), penalty};
}

Result<std::vector<std::string>> readMetrics(const Keys& keys, TaskKind kind) {
    CREST_TRY(metrics, keys.texts("metrics"));
    const std::vector<std::string>& known = metricsOf(kind);
    for (const std::string& metric : metrics)
        if (std::ranges::find(known, metric) == known.end())
            return keys.wrong(
                fmt::format("the metric \"{}\" is not one of this kind: {}", metric, fmt::join(known, ", ")));
    if (metrics.empty())
        metrics.push_back(known.front());
    return metrics;
}

} // namespace

const std::vector<std::string>& metricsOf(TaskKind kind) {
    static const std::vector<std::string> choice{"acc", "acc_norm", "acc_bytes"};
    static const std::vector<std::string> likelihood{"acc", "perplexity"};
    static const std::vector<std::string> rolling{"word_perplexity", "byte_perplexity", "bits_per_byte", "loss"};
    static const std::vector<std::string> generation{"exact_match", "tokens"};
    return kind == TaskKind::MultipleChoice  ? choice
           : kind == TaskKind::Loglikelihood ? likelihood
           : kind == TaskKind::Rolling       ? rolling
                                             : generation;
}

Result<CompiledTask> compileTask(const Json& definition, const std::string& where) {
    const Keys outer(definition, where);
    CREST_CHECK(outer.only(kTaskKeys));
    CompiledTask task;
    CREST_TRY(name, outer.text("name"));
    if (name.empty() || name.size() > 200)
        return outer.wrong("\"name\" must be from 1 to 200 characters long");
    task.name = name;
    const Keys keys(definition, where.empty() ? name : where + ": " + name);
    CREST_TRY(kindName, keys.text("kind"));
    CREST_TRY(kind, kindFromName(kindName, keys));
    task.kind = kind;
    CREST_CHECK(readData(keys, task));
    CREST_CHECK(readTemplates(keys, task));
    CREST_CHECK(readShots(keys, task));
    CREST_CHECK(readParts(keys, task));
    CREST_CHECK(checkForm(keys, task));
    CREST_TRY(delimiter, keys.text("delimiter", " "));
    CREST_TRY(shotDelimiter, keys.text("shot_delimiter", "\n\n"));
    task.delimiter = std::move(delimiter);
    task.shotDelimiter = std::move(shotDelimiter);
    CREST_TRY(chat, chatSettings(definition, keys.where()));
    CREST_TRY(system, keys.text("system", ""));
    task.chat = std::move(chat);
    task.system = std::move(system);
    return task;
}

Result<ChatSettings> chatSettings(const Json& definition, const std::string& where) {
    const Keys keys(definition, where);
    ChatSettings chat;
    if (!keys.has("chat"))
        return chat;
    if (keys.at("chat").is_boolean()) {
        chat.on = keys.at("chat").get<bool>();
        return chat;
    }
    const Keys settings(keys.at("chat"), where + ": chat");
    CREST_CHECK(settings.only({"template", "multiturn", "date", "sha256"}));
    CREST_TRY(name, settings.text("template", ""));
    CREST_TRY(multiturn, settings.truth("multiturn", true));
    CREST_TRY(date, settings.text("date", ""));
    CREST_TRY(hash, settings.text("sha256", ""));
    return ChatSettings{true, name, multiturn, date, hash};
}

Json chatToJson(const ChatSettings& chat) {
    if (!chat.on)
        return false;
    Json json = {{"multiturn", chat.multiturn}};
    for (const auto& [key, text] : {std::pair("template", &chat.name), std::pair("date", &chat.date), std::pair("sha256", &chat.hash)})
        if (!text->empty())
            json[key] = *text;
    return json;
}

Result<TaskDefinition> askedAs(const TaskDefinition& task, const ChatSettings& chat, const std::string& system,
                               std::int64_t shots) {
    if (task.kind == TaskKind::Rolling || (!chat.on && system.empty()))
        return task;
    Json definition = task.definition;
    ChatSettings asked = chat;
    asked.multiturn = chat.multiturn || (shots < 0 ? task.shots : shots) == 0;
    if (chat.on)
        definition["chat"] = chatToJson(asked);
    if (!system.empty())
        definition["system"] = system;
    return parseTask(definition, task.name);
}

std::string chatWords(const Json& definition) {
    const auto chat = chatSettings(definition, "");
    std::string words;
    if (chat && chat->on) {
        words = chat->name.empty() ? "chat template" : fmt::format("chat template {}", chat->name);
        if (!chat->multiturn)
            words += ", shots in one message";
        if (!chat->date.empty())
            words += ", on " + chat->date;
    }
    if (definition.is_object() && definition.contains("system"))
        words += words.empty() ? "system instruction" : ", system instruction";
    return words;
}

Result<AnswerRules> answerRules(const Json& definition, const std::string& where) {
    const Keys keys(definition, where);
    AnswerRules rules;
    if (keys.has("filters")) {
        if (!keys.at("filters").is_array())
            return keys.wrong("\"filters\" must be a list");
        for (const Json& one : keys.at("filters")) {
            const Keys filter(one, where + ": filters");
            CREST_CHECK(filter.only({"name", "regex", "group", "fallback"}));
            CREST_TRY(name, filter.text("name"));
            CREST_TRY(regex, filter.text("regex", ""));
            CREST_TRY(group, filter.whole("group", 0, -1000, 1000));
            CREST_TRY(fallback, filter.text("fallback", "[invalid]"));
            if (const auto compiled = PyRegex::compile(regex); !compiled)
                return filter.wrong(compiled.error().message);
            rules.filters.push_back({name, regex, group, fallback});
        }
    }
    if (rules.filters.empty())
        rules.filters.emplace_back();
    const Json none = Json::object();
    const Keys compare(keys.has("compare") ? keys.at("compare") : none, where + ": compare");
    CREST_CHECK(compare.only({"ignore", "ignore_case", "ignore_punctuation", "ignore_numbers"}));
    CREST_TRY(ignore, compare.texts("ignore"));
    for (const std::string& regex : ignore)
        if (const auto compiled = PyRegex::compile(regex); !compiled)
            return compare.wrong(compiled.error().message);
    CREST_TRY(ignoreCase, compare.truth("ignore_case", false));
    CREST_TRY(ignorePunctuation, compare.truth("ignore_punctuation", false));
    CREST_TRY(ignoreNumbers, compare.truth("ignore_numbers", false));
    rules.ignore = std::move(ignore);
    rules.ignoreCase = ignoreCase;
    rules.ignorePunctuation = ignorePunctuation;
    rules.ignoreNumbers = ignoreNumbers;
    return rules;
}

Result<TaskDefinition> parseTask(const Json& definition, const std::string& where) {
    CREST_TRY(compiled, compileTask(definition, where));
    const Keys keys(definition, where.empty() ? compiled.name : where + ": " + compiled.name);
    CREST_CHECK(answerRules(definition, keys.where()));
    TaskDefinition task;
    task.name = compiled.name;
    task.kind = compiled.kind;
    CREST_TRY(metrics, readMetrics(keys, task.kind));
    task.metrics = std::move(metrics);
    CREST_TRY(chance, keys.number("chance", std::nan(""), 0, 1e9));
    task.chance = chance;
    const Json none = Json::object();
    CREST_TRY(shots, Keys(keys.has("shots") ? keys.at("shots") : none, keys.where()).whole("count", 0, 0, kMostShots));
    task.shots = static_cast<int>(shots);
    CREST_TRY(specials, keys.text("special_tokens", "tokenizer"));
    if (specials != "tokenizer" && specials != "none")
        return keys.wrong("\"special_tokens\" must be tokenizer or none");
    task.tokenizerSpecials = specials == "tokenizer";
    CREST_TRY(generation, readGeneration(keys));
    task.generation = std::move(generation);
    task.chat = std::move(compiled.chat);
    task.definition = definition;
    return task;
}

} // namespace crest::data
