// SPDX-License-Identifier: Apache-2.0
// Overlays from result files of lm-evaluation-harness: results[task] holds "acc" (0.3) or "acc,none" (0.4) with its
// "acc_stderr" or "acc_stderr,none"; who was measured stands in config.model_args, a text or (newer) an object. How it was
// asked stands in chat_template, fewshot_as_multiturn and system_instruction.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "core/analysis/measure.h"
#include "core/analysis/overlay_rows.h"
#include "core/analysis/statistics.h"
#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/data/row_decoder.h"
#include "core/data/suite.h"
#include "core/series/names.h"

namespace crest::analysis {
namespace {

constexpr std::size_t kLongestText = 64'000, kLongestVersion = 40;
constexpr std::size_t kMostValues = 200'000; ///< of one file, without its samples

/// The text of a key; "" where there is none, or one that is no name.
std::string textAt(const Json& object, const char* key) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    const bool text = object.is_object() && at != object.end() && at->is_string();
    return text && at->get_ref<const std::string&>().size() <= kLongestText ? at->get<std::string>() : std::string();
}

/// The value of "key" in "pretrained=a/b,revision=step1000" or {"pretrained": "a/b"}.
std::string argument(const Json& config, const std::string& key) {
    const auto arguments = config.is_object() ? config.find("model_args") : config.end();
    if (!config.is_object() || arguments == config.end())
        return {};
    if (arguments->is_object())
        return textAt(*arguments, key.c_str());
    const std::string text = "," + textAt(config, "model_args");
    const std::size_t at = text.find(fmt::format(",{}=", key));
    if (at == std::string::npos)
        return {};
    const std::size_t first = at + key.size() + 2;
    return text.substr(first, text.find(',', first) - first);
}

struct Subject {
    std::string label; ///< of the curve
    std::optional<double> tokens;
};

std::string lastPart(const std::string& path) {
    const std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
    return clean.has_filename() ? clean.filename().string() : clean.parent_path().filename().string();
}

/// Who was measured: the revision tells the checkpoint, else the last folder of the model's path, else the file's name.
Subject subjectOf(const Json& json, const OverlayFile& file) {
    static const Json kNone = Json::object();
    const Json& config = json.contains("config") ? json["config"] : kNone;
    std::string model = argument(config, "pretrained");
    if (model.empty())
        model = textAt(json, "model_name");
    if (model.empty())
        model = textAt(config, "model");
    std::string revision = argument(config, "revision");
    if (revision.empty())
        revision = textAt(config, "model_revision");
    const std::string folder = lastPart(model), stem = std::filesystem::path(file.name).stem().string();
    Subject subject{folder, std::nullopt};
    if (!revision.empty() && revision != "main")
        subject.tokens = detail::tokensOfName(model, revision);
    if (!subject.tokens) {
        const std::filesystem::path path(model);
        if (subject.tokens = detail::tokensOfName(path.parent_path().string(), folder); subject.tokens) {
            const std::string series = series::seriesPartOfName(folder), above = lastPart(path.parent_path().string());
            subject.label = !series.empty() ? series : !above.empty() && above != "." ? above : folder;
        }
    }
    if (!subject.tokens)
        subject.tokens = detail::tokensOfName(model, stem);
    if (subject.label.empty())
        subject.label = series::seriesPartOfName(stem).empty() ? stem : series::seriesPartOfName(stem);
    return subject;
}

struct MetricKey {
    std::string name;   ///< "acc", "exact_match,strict-match"
    std::string error;  ///< the key of its standard error
    bool isError = false;
};

/// "acc,none" is acc; other filters stay in the name.
MetricKey metricKey(const std::string& key) {
    const std::size_t comma = key.find(',');
    const std::string stem = key.substr(0, comma), filter = comma == std::string::npos ? "" : key.substr(comma);
    return {filter == ",none" ? stem : key, stem + "_stderr" + filter, stem.ends_with("_stderr")};
}

std::int64_t itemsOf(const Json& json, const std::string& task) {
    const auto samples = json.find("n-samples");
    if (samples == json.end() || !samples->is_object() || !samples->contains(task))
        return 0;
    const Json& counts = (*samples)[task];
    const auto effective = counts.is_object() ? counts.find("effective") : counts.end();
    if (!counts.is_object() || effective == counts.end() || !effective->is_number_unsigned())
        return 0;
    const auto count = effective->get<std::uint64_t>();
    return count > 1'000'000'000'000 ? 0 : static_cast<std::int64_t>(count);
}

/// Whole documents are scored as they are, whatever questions are asked by. Files of 0.4 say the kind of a task; in others its
/// metrics tell.
bool isRolling(const Json& json, const std::string& task, const Json& values) {
    const auto configs = json.find("configs");
    if (configs != json.end() && configs->is_object() && configs->contains(task))
        return textAt((*configs)[task], "output_type") == "loglikelihood_rolling";
    return std::any_of(values.items().begin(), values.items().end(), [](const auto& one) {
        const std::string name = one.key().substr(0, one.key().find(','));
        return name == "word_perplexity" || name == "byte_perplexity" || name == "bits_per_byte";
    });
}

/// What a file says of how its tasks were asked.
struct Asked {
    bool asChat = false, inOne = false, system = false;
    const Json* shots = nullptr; ///< by task, where there is such a list
    bool anyShots = true;
};

bool isSome(const Json& count) {
    return !count.is_number() || count.get<double>() > 0;
}

Asked askedIn(const Json& json) {
    const auto isText = [&](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && at->is_string();
    };
    Asked asked;
    asked.asChat = isText("chat_template");
    asked.inOne = json.contains("fewshot_as_multiturn") && json["fewshot_as_multiturn"] == false;
    asked.system = isText("system_instruction") && !json["system_instruction"].get_ref<const std::string&>().empty();
    if (const auto counts = json.find("n-shot"); counts != json.end() && counts->is_object()) {
        asked.shots = &*counts;
        asked.anyShots = std::any_of(counts->begin(), counts->end(), isSome);
    }
    return asked;
}

/// Whether a task has shots; of a group, which often has no number, whether any task of the file has.
bool hasShots(const Asked& asked, const std::string& task) {
    const bool known = asked.shots && asked.shots->contains(task);
    return known ? isSome((*asked.shots)[task]) : asked.anyShots;
}

/// The name under which Crest keeps a task that is asked as this file's were: "arc_easy (chat template)".
std::string nameAsAsked(const Json& json, const Asked& asked, const std::string& task, const Json& values) {
    if ((!asked.asChat && !asked.system) || isRolling(json, task, values))
        return task;
    Json definition = Json::object();
    if (asked.asChat)
        definition["chat"] = data::chatToJson({true, "", !asked.inOne || !hasShots(asked, task), "", ""});
    if (asked.system)
        definition["system"] = "...";
    return fmt::format("{} ({})", task, data::chatWords(definition));
}

void addTask(const Json& json, const Asked& asked, const std::string& task, const Json& values, const Subject& subject,
             const std::string& where, detail::OverlayBuilder& builder) {
    if (task.size() > detail::kLongestOverlayName)
        return builder.leaveOut(where, fmt::format("a task with a name of more than {} bytes", detail::kLongestOverlayName));
    const std::string name = nameAsAsked(json, asked, task, values);
    static const std::set<std::string> kNoMetrics{"sample_len", "sample_count", "alias", "name", "samples"};
    for (const auto& [key, value] : values.items()) {
        const MetricKey metric = metricKey(key);
        if (metric.isError || kNoMetrics.contains(metric.name) || !value.is_number())
            continue;
        detail::OverlayRow row{subject.label, name, metric.name, measureOf(metric.name).unit, {}};
        row.point.tokens = *subject.tokens;
        row.point.value = value.get<double>();
        row.point.n = itemsOf(json, task);
        if (!std::isfinite(row.point.value)) {
            builder.leaveOut(where, fmt::format("{} of {} is not finite", metric.name, task));
            continue;
        }
        const auto error = values.find(metric.error);
        if (error != values.end() && error->is_number() && error->get<double>() >= 0) {
            row.point.low = row.point.value - kNormal975 * error->get<double>();
            row.point.high = row.point.value + kNormal975 * error->get<double>();
        }
        builder.add(std::move(row), where);
    }
}

void addFile(const OverlayFile& file, detail::OverlayBuilder& builder, std::set<std::string>& versions) {
    if (file.content.size() > detail::kLongestOverlayFile || data::countValues(file.content) > kMostValues) // before it is taken apart
        return builder.leaveOut(file.name, "larger than result files of lm-evaluation-harness are (16 MB, 200,000 values); save it without its samples");
    const auto json = parseJson(file.content, file.name, {kMostOverlayBytes, 64});
    if (!json)
        return builder.leaveOut(file.name, json.error().message);
    const auto results = json->is_object() ? json->find("results") : json->end();
    if (!json->is_object() || results == json->end() || !results->is_object())
        return builder.leaveOut(file.name, "there is no \"results\": this is no result file of lm-evaluation-harness");
    const Subject subject = subjectOf(*json, file);
    if (subject.label.size() > detail::kLongestOverlayName)
        return builder.leaveOut(file.name, fmt::format("a model with a name of more than {} bytes", detail::kLongestOverlayName));
    if (!subject.tokens)
        return builder.leaveOut(
            file.name, fmt::format("neither a revision nor the name of \"{}\" tells how many tokens it has seen; import "
                                   "its numbers as CSV with a column \"tokens\"",
                                   subject.label));
    if (const std::string version = textAt(*json, "lm_eval_version"); !version.empty() && version.size() <= kLongestVersion)
        versions.insert(version);
    const Asked asked = askedIn(*json);
    for (const auto& [task, values] : results->items())
        if (values.is_object())
            addTask(*json, asked, task, values, subject, file.name, builder);
        else
            builder.leaveOut(file.name, fmt::format("the results of \"{}\" are no object", task.substr(0, 80)));
}

} // namespace

Result<OverlayImport> overlayFromHarness(std::span<const OverlayFile> files) {
    detail::OverlayBuilder builder;
    std::set<std::string> versions;
    for (const OverlayFile& file : files)
        addFile(file, builder, versions);
    OverlayImport import = builder.finish();
    if (import.overlay.curves.empty())
        return fail(ErrorKind::Malformed,
                    "No number can be used" + (import.problems.empty() ? "." : ": " + import.problems.front()),
                    files.empty() ? std::string() : files.front().name);
    std::string said = "lm-evaluation-harness";
    for (const std::string& version : versions)
        said += (version == *versions.begin() ? " " : ", ") + version;
    import.overlay.source = fmt::format("{}, {}", said, counted(static_cast<std::int64_t>(files.size()), "file"));
    import.overlay.name = import.overlay.curves.front().label;
    return import;
}

} // namespace crest::analysis
