// SPDX-License-Identifier: Apache-2.0
#include "core/series/tokenizer_check.h"

#include <functional>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/series/checkpoint_records.h"
#include "core/series/end_tokens.h"
#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargest = 64'000'000; ///< of a tokenizer; a larger one is refused by its size

/// All that a tokenizer is made from: its own files and those beside it.
std::vector<fs::path> allFiles(const fs::path& folder, std::vector<fs::path> files) {
    for (const char* beside : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"})
        if (io::isThere(folder / beside))
            files.push_back(folder / beside);
    return files;
}

/// Device, inode, size and time of every file; "" where one cannot be looked at.
std::string identityOf(const std::vector<fs::path>& files) {
    std::string all;
    for (const fs::path& file : files) {
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0)
            return {};
        all += fmt::format("{} {}:{}:{}:{}.{}\n", file.filename().string(), status.st_dev, status.st_ino,
                           status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    }
    return all;
}

/// Names, sizes and 64-bit hashes: a check is no key of results, which have SHA-256. "" where one cannot be read.
std::string contentOf(const std::vector<fs::path>& files) {
    std::string all;
    for (const fs::path& file : files) {
        const auto text = io::readTextFile(file, kLargest);
        if (!text)
            return {};
        all += fmt::format("{} {}:{:x}\n", file.filename().string(), text->size(),
                           std::hash<std::string_view>()(*text));
    }
    return all;
}

} // namespace

TokenizerChecks::Problem TokenizerChecks::read(const fs::path& folder, const std::vector<fs::path>& files) {
    const std::string content = contentOf(files);
    if (const auto known = m_byContent.find(content); known != m_byContent.end() && !content.empty())
        return known->second;
    Problem problem;
    if (const auto tokenizer = text::Tokenizer::load(folder); !tokenizer) {
        problem = tokenizer.error();
        const fs::path where = problem->where;
        if (where.has_root_path())
            problem->where = where.lexically_relative(folder).string();
        if (problem->where == ".")
            problem->where = files.front().filename().string();
    }
    if (!content.empty())
        m_byContent.emplace(content, problem);
    return problem;
}

std::string TokenizerChecks::problemOf(const fs::path& checkpoint) {
    const auto files = tokenizerFiles(checkpoint);
    if (!files)
        return {};
    const fs::path folder = tokenizerFolder(checkpoint);
    const std::vector<fs::path> all = allFiles(folder, *files);
    const std::string identity = identityOf(all);
    auto known = m_byFile.find(identity);
    if (known == m_byFile.end() || identity.empty())
        known = m_byFile.insert_or_assign(identity, read(folder, all)).first;
    if (const Problem& problem = known->second)
        return Error{problem->kind, problem->message, (folder / problem->where).lexically_normal().string()}.text();
    if (const auto ends = recordedEndTokens(folder); !ends)
        return ends.error().text();
    return {};
}

void markUnreadable(Checkpoint& checkpoint, const std::string& problem) {
    if (!problem.empty())
        mark(checkpoint, CheckpointState::Broken, problem);
}

void checkTokenizers(std::vector<Series>& all, const JobContext& job) {
    TokenizerChecks checks;
    for (Series& series : all)
        for (Checkpoint& checkpoint : series.checkpoints) {
            if (job.stopRequested())
                return;
            if (checkpoint.state != CheckpointState::Broken)
                markUnreadable(checkpoint, checks.problemOf(checkpoint.path));
        }
}

} // namespace crest::series
