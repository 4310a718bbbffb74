// SPDX-License-Identifier: Apache-2.0
#include "core/series/tokenizer_check.h"

#include <algorithm>
#include <cstring>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/series/checkpoint_records.h"
#include "core/series/end_tokens.h"
#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

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

struct Content {
    std::string names; ///< and sizes
    std::vector<io::MappedFile> files;
};

/// Nothing where a file cannot be mapped: then what reads it says why.
std::optional<Content> contentOf(const std::vector<fs::path>& files) {
    Content content;
    for (const fs::path& file : files) {
        auto map = io::MappedFile::open(file);
        if (!map)
            return std::nullopt;
        content.names += fmt::format("{} {}\n", file.filename().string(), map->bytes().size());
        content.files.push_back(std::move(*map));
    }
    return content;
}

bool isSame(const std::vector<io::MappedFile>& some, const std::vector<io::MappedFile>& others) {
    return std::ranges::equal(some, others, [](const io::MappedFile& one, const io::MappedFile& other) {
        const auto a = one.bytes(), b = other.bytes();
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    });
}

} // namespace

TokenizerChecks::Problem TokenizerChecks::read(const fs::path& folder, const std::vector<fs::path>& files) {
    auto content = contentOf(files);
    if (content)
        for (const Known& known : m_bySize[content->names])
            if (isSame(known.files, content->files))
                return known.problem;
    Problem problem;
    if (const auto tokenizer = text::Tokenizer::load(folder); !tokenizer) {
        problem = tokenizer.error();
        const fs::path where = problem->where;
        if (where.has_root_path())
            problem->where = where.lexically_relative(folder).string();
        if (problem->where == ".")
            problem->where = files.front().filename().string();
    }
    if (content)
        m_bySize[content->names].push_back({std::move(content->files), problem});
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
