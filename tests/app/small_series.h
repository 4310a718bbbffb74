// SPDX-License-Identifier: Apache-2.0
// For tests of crest-run as a process: a series of two small checkpoints with a text of theirs.
#pragma once

#include <QFile>
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/core/probe/small_checkpoint.h"
#include "tests/support/crest_run.h"

namespace crest::test {
namespace fs = std::filesystem;

inline QString pathOf(const fs::path& path) {
    return QString::fromStdString(path.string());
}

/// One small checkpoint of `series` at so many tokens, unlike any other.
inline void makeOne(const fs::path& folder, const std::string& series, std::int64_t tokens) {
    fs::create_directories(folder);
    auto made = makeSmallCheckpoint(folder);
    QVERIFY2(made, made ? "" : made.error().text().c_str());
    for (auto& [name, values] : made->weights)
        values[0] += static_cast<float>(tokens) * 1e-5f;
    QVERIFY(writeSmallWeights(*made));
    Json stds = Json::object();
    for (const auto& [name, std] : made->initStd)
        stds[name] = std;
    writeText(
        folder / "crest.json",
        Json{{"format", 1}, {"series", series}, {"tokens", tokens}, {"step", tokens / 10}, {"init_std", stds}}.dump());
}

/// How often each key stands in the journals of a study.
inline std::map<std::string, int> journalKeys(const fs::path& study) {
    std::map<std::string, int> times;
    for (const auto& entry : fs::directory_iterator(study / "journal")) {
        if (entry.path().extension() != ".jsonl")
            continue;
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);)
            if (const Json json = Json::parse(line.substr(9), nullptr, false); json.value("type", "") == "result")
                ++times[json.at("result").at("key").get<std::string>()];
    }
    return times;
}

inline QByteArray journalText(const fs::path& study) {
    QByteArray all;
    for (const auto& entry : fs::directory_iterator(study / "journal"))
        if (QFile file(pathOf(entry.path())); file.open(QIODevice::ReadOnly))
            all += file.readAll();
    return all;
}

/// A folder for the studies of one test program, with the series that they probe.
class SmallSeries {
protected:
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    fs::path m_series = m_folder / "series", m_text, m_other = m_folder / "other.txt";

    /// Call it first; a failure is the test's.
    void make() {
        qputenv("XDG_CACHE_HOME", (m_dir.path() + "/cache").toUtf8());
        for (const std::int64_t tokens : {1000, 2000}) {
            makeOne(m_series / ("step" + std::to_string(tokens / 10)), "small", tokens);
            if (QTest::currentTestFailed())
                return;
        }
        m_text = m_series / "step100" / "text.jsonl";
        std::string other;
        for (const std::string& document : smallDocuments())
            other += "Once " + document + "\n\n";
        writeText(m_other, other);
        writeText(m_folder / "broken.jsonl", "{\"txt\": 1}\n[]\n");
        writeText(m_folder / "short.md", "One line.\n");
    }
    QStringList probe(const fs::path& study, const QString& gammas = QStringLiteral("0.1"),
                      const QStringList& more = {}) const {
        return QStringList{QStringLiteral("probe"),         QStringLiteral("noise"),
                           QStringLiteral("--series"),      pathOf(m_series),
                           QStringLiteral("--study"),       pathOf(study),
                           QStringLiteral("--gammas"),      gammas,
                           QStringLiteral("--seeds"),       QStringLiteral("3"),
                           QStringLiteral("--max-windows"), QStringLiteral("4"),
                           QStringLiteral("--json")} +
               more;
    }
    QStringList texts(const QString& role = QStringLiteral("id"), const QString& window = QStringLiteral("32")) const {
        return {QStringLiteral("--texts"), QStringLiteral("words=%1:%2").arg(pathOf(m_text), role),
                QStringLiteral("--window"), window};
    }
};

} // namespace crest::test
