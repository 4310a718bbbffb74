// SPDX-License-Identifier: Apache-2.0
// What lm-evaluation-harness answered (harness_reference.py, chat_reference.py), and what crest-run eval says beside it.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <QFile>
#include <QProcess>
#include <QString>

#include "core/base/json.h"
#include "core/data/suite.h"
#include "core/io/files.h"
#include "tests/support/peers.h"

namespace crest::harness {

using data::TaskKind;

constexpr double kLogLikelihoodShare = 1e-4, kMetricShare = 1e-4;

/// What the reference wrote of one task.
struct Reference {
    data::TaskDefinition task;
    std::vector<data::TaskItem> items;
    Json scores, metrics, spreads;
    Json values; ///< of each metric one per item
};

/// Has a script write what the harness answers into `folder`; what went wrong, or "".
inline QString askHarness(const char* script, const QString& folder) {
    const auto answered = test::askPeerOnce({script, {folder}, folder});
    return answered ? QString() : QString::fromStdString(answered.error().text());
}

inline TaskKind kindOf(const std::string& name) {
    if (name == "multiple_choice")
        return TaskKind::MultipleChoice;
    if (name == "loglikelihood_rolling")
        return TaskKind::Rolling;
    return name == "generate_until" ? TaskKind::Generation : TaskKind::Loglikelihood;
}

inline data::TaskItem itemOf(const Json& json, TaskKind kind) {
    data::TaskItem item;
    item.document = json["document"];
    for (const Json& request : json["requests"])
        item.requests.push_back(kind == TaskKind::Rolling ? data::ItemRequest{"", request[1]}
                                                          : data::ItemRequest{request[0], request[1]});
    item.choices = json.value("choices", std::vector<std::string>());
    item.gold = json.value("gold", -1);
    item.original = json.value("original", "");
    item.references = json.value("references", std::vector<std::string>());
    return item;
}

inline Result<Reference> readReference(const std::filesystem::path& file, const std::string& name) {
    CREST_TRY(text, io::readTextFile(file));
    CREST_TRY(json, parseJson(text, file.string()));
    Reference reference;
    reference.task.name = name;
    reference.task.kind = kindOf(json["kind"]);
    for (const auto& [metric, value] : json["metrics"].items())
        reference.task.metrics.push_back(metric);
    for (const Json& item : json["items"]) {
        reference.items.push_back(itemOf(item, reference.task.kind));
        if (item.contains("until")) {
            reference.task.generation.until = item["until"].get<std::vector<std::string>>();
            reference.task.generation.maxNewTokens = item["max_new"];
        }
    }
    reference.scores = json["scores"];
    reference.metrics = json["metrics"];
    reference.spreads = json["stderr"];
    reference.values = json.value("values", Json::object());
    return reference;
}

/// What one line of --items says of an item, beside the reference; "" where it is the same.
inline QString itemDifference(const Json& line, const Reference& reference, std::size_t item) {
    if (line["document"] != reference.items[item].document)
        return QString("another document");
    for (const auto& [metric, values] : reference.values.items()) {
        const double got = line["values"].value(metric, -1.0), wanted = values[item];
        if (std::abs(got - wanted) > 1e-6)
            return QString("%1 is %2, not %3").arg(QString::fromStdString(metric)).arg(got).arg(wanted);
    }
    const Json& scores = reference.scores[item];
    if (reference.task.kind == TaskKind::Generation)
        return line["text"] == scores[0] ? QString() : QString::fromStdString(line["text"].dump());
    if (line["loglikelihoods"].size() != scores.size())
        return QString("another number of requests");
    for (std::size_t r = 0; r < scores.size(); ++r) {
        const double wanted = scores[r][0], got = line["loglikelihoods"][r];
        if (!(std::abs(got - wanted) <= kLogLikelihoodShare * std::max(1.0, std::abs(wanted))))
            return QString("request %1: %2, not %3").arg(r).arg(got).arg(wanted);
        if (reference.task.kind != TaskKind::Rolling && line["greedy"][r] != scores[r][1])
            return QString("request %1: greedy").arg(r);
    }
    if (reference.task.kind != TaskKind::MultipleChoice)
        return {};
    const auto best = std::max_element(scores.begin(), scores.end(), [](const Json& a, const Json& b) {
        return a[0].get<double>() < b[0].get<double>();
    });
    return line["predicted"] == std::distance(scores.begin(), best) ? QString() : QString("another choice is the likeliest");
}

/// Value, standard error and number of items of every metric of a task; "" where they are the reference's.
inline QString metricDifference(const std::map<std::string, Json>& metrics, const Reference& reference) {
    for (const auto& [metric, value] : reference.metrics.items()) {
        const auto got = metrics.find(reference.task.name + " " + metric);
        if (got == metrics.end())
            return QString::fromStdString(metric) + " is not there";
        const double wanted = value, is = got->second["value"];
        const Json& spread = reference.spreads[metric];
        const bool near = std::abs(is - wanted) <= kMetricShare * std::abs(wanted);
        const bool nearSpread = !spread.is_number() || metric == "perplexity" || // which the harness draws by lot
                                std::abs(got->second["stderr"].get<double>() - spread.get<double>()) <= 1e-6;
        if (!near || !nearSpread || got->second["n"] != reference.items.size())
            return QString::fromStdString(got->second.dump() + ", not " + value.dump() + " +- " + spread.dump());
    }
    return {};
}

struct Ran {
    int exitCode = -1;
    std::vector<Json> lines;
    QByteArray errors;
};

inline Ran crestRun(const QStringList& arguments) {
    QProcess process;
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    process.waitForFinished(120'000);
    Ran ran{process.exitCode(), {}, process.readAllStandardError()};
    for (const QByteArray& line : process.readAllStandardOutput().split('\n'))
        if (!line.isEmpty())
            ran.lines.push_back(Json::parse(line.toStdString(), nullptr, false));
    return ran;
}

inline std::vector<Json> readLines(const QString& file) {
    std::vector<Json> lines;
    QFile stream(file);
    if (stream.open(QIODevice::ReadOnly))
        while (!stream.atEnd())
            lines.push_back(Json::parse(stream.readLine().toStdString(), nullptr, false));
    return lines;
}

} // namespace crest::harness
