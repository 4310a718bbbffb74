// SPDX-License-Identifier: Apache-2.0
#include "core/series/file_identity.h"

#include <algorithm>
#include <vector>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/series/folder_stamp.h"
#include "core/series/tokenizer_files.h"

namespace crest::series {

namespace fs = std::filesystem;

Result<FileIdentity> identityOf(const fs::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0)
        return fail(io::systemError(errno, "look at", file));
    const auto nanoseconds = [](const timespec& time) {
        return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::int64_t>(time.tv_nsec);
    };
    return FileIdentity{fmt::format("{}:{}:{}:{}:{}", status.st_dev, status.st_ino, status.st_size,
                                    nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)),
                        std::max(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim))};
}

Result<std::string> folderStamp(const fs::path& checkpoint) {
    std::vector<fs::path> files, folders{tokenizerFolder(checkpoint)};
    std::error_code error;
    if (fs::is_regular_file(checkpoint, error))
        files.push_back(checkpoint);
    else if (folders.front() != checkpoint)
        folders.push_back(checkpoint);
    for (const fs::path& folder : folders) {
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
            if (const std::string type = entry->path().extension().string();
                type == ".json" || type == ".txt" || type == ".model" || type == ".yaml" ||
                (folder == checkpoint && (type == ".safetensors" || type == ".bin" || type == ".pt")))
                files.push_back(entry->path());
        if (error)
            return fail(io::systemError(error.value(), "search", folder));
    }
    std::ranges::sort(files);
    std::string stamp;
    for (const fs::path& file : files) {
        CREST_TRY(one, identityOf(file));
        stamp += fmt::format("{} {}\n", file.filename().string(), one.text);
    }
    return stamp;
}

} // namespace crest::series
