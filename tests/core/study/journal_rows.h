// SPDX-License-Identifier: Apache-2.0
// Rows for journals, and a folder to write and read them in.
#pragma once

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <QTemporaryDir>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/study/journal_reader.h"

namespace crest::test {

/// Every fifth row is a suite task's, with texts that hold any bytes.
inline data::TaskOutcome outcomeOf(int i) {
    data::TaskOutcome outcome;
    const float x = static_cast<float>(i);
    outcome.metrics = {{"acc", "accuracy", 0.5, 0.25, {0, 1}, {}},
                       {"word_perplexity", "perplexity", 3.5, std::numeric_limits<double>::infinity(), {x, 2}, {3, 4}}};
    outcome.details = {
        {x, 2.5f, 3.5f}, {4, 5, 6}, {1, 0, 2}, {2, 1}, {0, 7}, {1, -1}, {std::string("a\0\n", 3), "\xc3\xa4"}};
    outcome.scoredTokens = 15;
    if (i % 10 == 9) // texts alone
        outcome.metrics.clear();
    return outcome;
}

inline study::ResultRow rowOf(int i) {
    study::ResultRow row;
    row.key = sha256Hex(std::to_string(i));
    row.run = "run";
    row.checkpoint = "step\n" + std::to_string(i); // a newline in a name must not break lines
    row.modification = "none";
    row.task = "heldout";
    row.value = 1.0 / (i + 3);
    row.n = 5;
    row.cachedAt = "2026-11-22T17:53:00.000Z";
    if (i % 5 == 4) {
        row.outcome = outcomeOf(i);
        row.n = 2;
        row.scoredTokens = row.outcome.scoredTokens;
        return row;
    }
    for (int s = 0; s < 5; ++s) {
        row.sequenceNats.push_back(static_cast<float>(i) + 0.1f * static_cast<float>(s));
        row.sequenceTokens.push_back(127);
    }
    return row;
}

inline std::vector<study::ResultRow> rowsOf(int first, int count) {
    std::vector<study::ResultRow> rows;
    for (int i = 0; i < count; ++i)
        rows.push_back(rowOf(first + i));
    return rows;
}

struct JournalFolder {
    QTemporaryDir dir;
    std::filesystem::path journal = std::filesystem::path(dir.path().toStdString()) / "journal",
             runners = std::filesystem::path(dir.path().toStdString()) / "runners";
    JournalFolder() {
        std::filesystem::create_directories(journal);
        std::filesystem::create_directories(runners);
    }
    std::vector<study::ResultRow> read(std::vector<study::ReadProblem>* problems = nullptr) const {
        study::JournalReader reader(journal, runners);
        auto rows = reader.poll();
        if (problems)
            *problems = reader.problems();
        return rows ? *rows : std::vector<study::ResultRow>();
    }
};

inline std::string slurp(const std::filesystem::path& file) {
    return *io::readTextFile(file);
}
inline void spill(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

} // namespace crest::test
