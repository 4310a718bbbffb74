// SPDX-License-Identifier: Apache-2.0
// A pretended study in a temporary folder, for the tests of the executor.
#pragma once

#include <QTemporaryDir>
#include <QtTest>

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "core/run/executor.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "tests/support/pretend_runner.h"

/// Whether `condition` comes true within this time.
inline bool eventually(const std::function<bool()>& condition, int milliseconds = 10'000) {
    for (int i = 0; i < milliseconds / 10; ++i) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

struct StudyFixture {
    QTemporaryDir dir;
    crest::study::StudyFolder folder;

    explicit StudyFixture(const crest::pretend::Shape& shape = {})
        : folder(*crest::study::StudyFolder::create((dir.path() + "/study").toStdString(),
                                                    crest::pretend::makeStudy(shape))) {}

    std::string queue(const crest::pretend::Shape& shape) {
        crest::study::ResultReader reader(folder);
        (void)reader.poll();
        auto id = crest::study::queueRun(
            folder, crest::pretend::makePlan(shape, [&](const std::string& key) { return reader.has(key); }));
        return id ? *id : std::string();
    }
    crest::Result<crest::run::RunSummary> work(crest::run::WorkOptions options = {},
                                               const crest::pretend::Behaviour& behaviour = {},
                                               const crest::JobContext& job = {}) {
        if (options.workers == 0)
            options.workers = 2;
        options.threadsPerWorker = 1;
        return crest::run::workStudy(folder, options, crest::pretend::makeFactory(behaviour), job);
    }
    crest::study::RunStatus status(const std::string& id) const {
        crest::study::RunFollower follower(folder, id);
        auto status = follower.poll();
        return status ? *status : crest::study::RunStatus{};
    }
    /// All rows by key, without what differs from run to run; problems are appended to `problems`.
    std::map<std::string, crest::study::ResultRow> rows(std::vector<std::string>* problems = nullptr) const {
        crest::study::ResultReader reader(folder);
        std::map<std::string, crest::study::ResultRow> byKey;
        if (auto rows = reader.poll())
            for (crest::study::ResultRow& row : *rows) {
                row.run.clear();
                row.cachedAt.clear();
                byKey.emplace(row.key, row);
            }
        if (problems)
            for (const auto& problem : reader.problems())
                problems->push_back(problem.where + ": " + problem.message);
        return byKey;
    }
};
