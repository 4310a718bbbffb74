// SPDX-License-Identifier: Apache-2.0
// Folders as the clients of the Hugging Face hub leave them (formats.md 1.5), around checkpoints of make_checkpoint.h.
#pragma once

#include <chrono>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "tests/core/series/make_checkpoint.h"

namespace crest::test {

/// A commit: 40 hex digits that depend on a word.
inline std::string commitOf(const std::string& word) {
    return sha256Hex(word).substr(0, 40);
}

/// Moves the files of a snapshot into blobs/, named by their hashes, and leaves links, as the hub's cache does.
inline void linkIntoBlobs(const std::filesystem::path& snapshot) {
    namespace fs = std::filesystem;
    const fs::path blobs = snapshot.parent_path().parent_path() / "blobs";
    fs::create_directories(blobs);
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(snapshot))
        files.push_back(entry.path());
    for (const fs::path& file : files) {
        const std::string blob = sha256Hex(io::readTextFile(file).value());
        fs::rename(file, blobs / blob);
        fs::create_symlink(fs::path("../../blobs") / blob, file);
    }
}

/// A revision of a repository in the cache. Equal seeds give equal weights. "" as `ref`: downloaded by its commit.
inline std::filesystem::path makeSnapshot(const std::filesystem::path& cache, const std::string& repository,
                                          const std::string& ref, unsigned seed,
                                          const series::DecoderSpec& spec = tinySpec(), std::string commit = {}) {
    const std::filesystem::path home = cache / ("models--" + repository);
    if (commit.empty())
        commit = commitOf(repository + ref + std::to_string(seed));
    const std::filesystem::path snapshot = home / "snapshots" / commit;
    if (!std::filesystem::exists(snapshot)) {
        makeCheckpoint(snapshot, spec, seed);
        linkIntoBlobs(snapshot);
    }
    if (!ref.empty())
        writeText(home / "refs" / ref, commit);
    return snapshot;
}

/// The note of `hf download --local-dir` beside a file: commit, ETag, time.
inline void writeDownloadNote(const std::filesystem::path& file, const std::string& commit, double seconds) {
    writeText(file.parent_path() / ".cache/huggingface/download" / (file.filename().string() + ".metadata"),
              commit + "\n" + sha256Hex(io::readTextFile(file).value()) + "\n" + std::to_string(seconds) + "\n");
}

inline double secondsNow() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace crest::test
