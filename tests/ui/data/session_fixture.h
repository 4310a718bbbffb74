// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoint folders, a text and a pretending runner in a temporary folder that also stands for the user's folders.
#pragma once

#include <QFile>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/core/series/make_checkpoint.h"
#include "ui/data/study_session.h"

namespace crest::test {

inline void writeFile(const QString& path, const QByteArray& content) {
    QFile file(path);
    if (file.open(QIODevice::WriteOnly))
        file.write(content);
}

struct SessionFixture {
    QTemporaryDir dir;
    QString series = dir.filePath(QStringLiteral("series")), text = dir.filePath(QStringLiteral("heldout.jsonl")),
            pid = dir.filePath(QStringLiteral("pid"));

    SessionFixture() {
        for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
            qputenv(variable, dir.filePath(QString::fromLatin1(variable)).toUtf8());
        makeSeries(series, "series", 4);
        QByteArray lines;
        for (int i = 0; i < 40; ++i)
            lines += "{\"text\": \"The quick brown fox jumps over the lazy dog, for the " + QByteArray::number(i) +
                     "th time.\"}\n";
        writeFile(text, lines);
        useRunner(0);
    }

    /// Readable checkpoints at 1M, 2M, 4M ... tokens.
    static void makeSeries(const QString& folder, const std::string& name, int checkpoints) {
        for (int i = 0; i < checkpoints; ++i) {
            const auto where = std::filesystem::path(folder.toStdString()) / ("tokens-" + std::to_string(1 << i) + "M");
            makeCheckpoint(where, tinySpec(), static_cast<unsigned>(i + 1));
            writeRecord(where, name, std::int64_t{1'000'000} << i, 1);
        }
    }

    void breakLargest() const {
        const auto file = std::filesystem::path(series.toStdString()) / "tokens-8M" / "model.safetensors";
        std::filesystem::resize_file(file, std::filesystem::file_size(file) - 10);
    }

    /// crest-run is a script that starts the pretending runner (each result takes `micros`, cells of the checkpoint
    /// `failing` fail) and leaves its process id and its arguments; asked for devices it tells those of useDevices().
    void useRunner(int micros, const QString& failing = {}) const {
        const QString pretend = QStringLiteral(CREST_BINARY_DIR "/tests/crest-pretend-run");
        useScript(
            QStringLiteral("if [ \"$1\" = devices ]; then exec cat '%4'; fi\necho $$ > '%1'\necho \"$*\" >> "
                           "'%5'\nrun=\"\"\ncase \"$*\" in *--run*) run=\"--run ${*##*--run }\";; esac\n"
                           "device=\"${*##*--device }\"\n"
                           "exec '%2' work \"$2\" --workers 2 --micros %3 --device ${device%% *} %6 ${run%% --json}\n")
                .arg(pid, pretend)
                .arg(micros)
                .arg(dir.filePath(QStringLiteral("devices.json")), dir.filePath(QStringLiteral("arguments")),
                     failing.isEmpty() ? QString() : QStringLiteral("--fail ") + failing));
    }
    void useDevices(const QByteArray& json) const { writeFile(dir.filePath(QStringLiteral("devices.json")), json); }
    QString runnerArguments() const {
        QFile file(dir.filePath(QStringLiteral("arguments")));
        return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
    }
    void useScript(const QString& commands) const {
        const QString script = dir.filePath(QStringLiteral("runner.sh"));
        QFile::remove(script);
        writeFile(script, "#!/bin/sh\n" + commands.toUtf8());
        QFile::setPermissions(script, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        qputenv("CREST_RUN", script.toUtf8());
    }
    qint64 runnerPid() const {
        QFile file(pid);
        return file.open(QIODevice::ReadOnly) ? file.readAll().trimmed().toLongLong() : 0;
    }

    study::Task task(const char* name) const {
        study::Task task;
        task.name = name;
        task.textsPath = text.toStdString();
        task.windowTokens = task.strideTokens = 16;
        task.maxWindows = 8;
        return task;
    }
    study::Probe probe(const ui::StudySession& session) const {
        study::Probe probe;
        probe.name = "noise";
        probe.series = session.study().series.at(0).name;
        probe.strengths = {0.05, 0.1};
        probe.seeds = 4;
        probe.tasks = {{"heldout", study::Role::InDistribution}};
        return probe;
    }
};

} // namespace crest::test
