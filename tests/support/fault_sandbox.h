// SPDX-License-Identifier: Apache-2.0
// A study in a folder of its own, crest-fault-scenario run on it under the shim, and what it left behind.
#pragma once

#include <QProcess>
#include <QTemporaryDir>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/run/executor.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "tests/support/fault_scenario.h"

namespace crest::test {

class FaultSandbox {
public:
    FaultSandbox() {
        const auto made = study::StudyFolder::create(study(), pretend::makeStudy(faultShape()));
        if (!made)
            qFatal("%s", made.error().text().c_str());
    }
    std::string root() const { return m_dir.path().toStdString(); }
    std::filesystem::path study() const { return root() + "/all/study"; }
    std::string acksFile() const { return root() + "/all/acks"; }
    std::string traceFile() const { return root() + "/trace"; }

    struct Ended {
        bool whole = false; ///< it ended by itself, not by a signal
        QString said;
    };
    /// `settings`: of the shim, besides CREST_FAULT_UNDER.
    Ended run(const std::map<QString, QString>& settings) const {
        QProcess process;
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("LD_PRELOAD"), QStringLiteral(CREST_BINARY_DIR "/tests/crest_faults.so"));
        environment.insert(QStringLiteral("CREST_FAULT_UNDER"), QString::fromStdString(root() + "/all"));
        environment.insert(QStringLiteral("ASAN_OPTIONS"), QStringLiteral("verify_asan_link_order=0"));
        for (const auto& [name, value] : settings)
            environment.insert(name, value);
        process.setProcessEnvironment(environment);
        process.start(QStringLiteral(CREST_BINARY_DIR "/tests/crest-fault-scenario"),
                      {QString::fromStdString(study().string()), QString::fromStdString(acksFile())});
        if (!process.waitForFinished(60'000)) {
            process.kill();
            process.waitForFinished();
            return {false, QStringLiteral("it did not end")};
        }
        return {process.exitStatus() == QProcess::NormalExit, QString::fromUtf8(process.readAllStandardOutput())};
    }

private:
    QTemporaryDir m_dir;
};

inline std::set<std::string> linesOf(const std::string& text) {
    std::set<std::string> lines;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        lines.insert(text.substr(begin, end - begin));
    return lines;
}

/// What is wrong with a study after a fault: "" where it opens, and every acknowledged result is there as it was
/// stored.
inline std::string whatIsWrong(const std::filesystem::path& path, const std::set<std::string>& acknowledged) {
    const auto folder = study::StudyFolder::open(path);
    if (!folder)
        return "the study does not open: " + folder.error().text();
    if (const std::string& name = folder->study().name; name != "pretended" && name != "changed")
        return "study.json is neither the old nor the new one";
    study::ResultReader reader(*folder);
    const auto rows = reader.poll();
    if (!rows)
        return "the results cannot be read: " + rows.error().text();
    std::map<std::string, study::ResultRow> stored;
    for (const study::ResultRow& row : *rows)
        stored.emplace(row.key, row);
    for (const study::ResultRow& row : faultRows())
        if (acknowledged.contains(row.key) && (!stored.contains(row.key) || !(stored.at(row.key) == row)))
            return "an acknowledged result is lost or changed";
    for (const std::string& id : study::listRuns(*folder))
        if (const auto status = study::RunFollower(*folder, id).poll(); !status)
            return "a run cannot be followed: " + status.error().text();
    return {};
}

/// Goes on with the study as a user would, and says what keeps it from being done.
inline std::string whatKeepsItFromGoingOn(const std::filesystem::path& path) {
    const auto folder = study::StudyFolder::open(path);
    if (!folder)
        return folder.error().text();
    if (study::listRuns(*folder).empty())
        if (const auto id = study::queueRun(*folder, pretend::makePlan(faultShape())); !id)
            return id.error().text();
    const std::string id = study::listRuns(*folder).front();
    run::WorkOptions options;
    options.runId = id;
    options.workers = options.threadsPerWorker = 1;
    const auto summary = run::workStudy(*folder, options, pretend::makeFactory());
    if (!summary)
        return summary.error().text();
    if (!summary->message.empty())
        return summary->message;
    const auto status = study::RunFollower(*folder, id).poll();
    if (!status || status->state != study::RunState::Done)
        return fmt::format("the run is {}: {} cells are stored, {} of them just now, {} before",
                           status ? study::runStateName(status->state) : "lost", status ? status->doneCells : 0,
                           summary->freshCells, summary->storedCells);
    std::filesystem::remove_all(folder->journalFolder()); // results.h5 alone holds it all
    study::ResultReader reader(*folder);
    const auto rows = reader.poll();
    return rows && rows->size() == faultRows().size() ? "" : "results.h5 does not hold every result";
}

} // namespace crest::test
