// SPDX-License-Identifier: Apache-2.0
// What a listing leaves open, since it would take too long: whether the tokenizer of each checkpoint, and the tokens
// that end a generation, can be read as the engine reads them. Without them no cell of a checkpoint can be measured.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/io/files.h"
#include "core/series/series.h"

namespace crest::series {

/// Reads tokenizers, each content once: a series that has the same one in a thousand folders costs one reading and the
/// time to look at a thousand files, one that is linked (the hub's cache) not even that. For one thread, and for as
/// long as files stay as they are.
class TokenizerChecks {
public:
    /// Why the checkpoint's tokenizer or generation_config.json cannot be used, a sentence that names the file; ""
    /// where they can be, and where files are missing, which the listing has said.
    std::string problemOf(const std::filesystem::path& checkpoint);

private:
    using Problem = std::optional<Error>; ///< `where` relative to the tokenizer's folder
    struct Known {
        std::vector<io::MappedFile> files;
        Problem problem;
    };
    Problem read(const std::filesystem::path& folder, const std::vector<std::filesystem::path>& files);
    std::map<std::string, Problem> m_byFile;           ///< by device, inode, size and time
    std::map<std::string, std::vector<Known>> m_bySize; ///< by names and sizes: what another one is compared with
};

/// The checkpoint is Broken for this reason, unless it is already; an empty problem changes nothing.
void markUnreadable(Checkpoint& checkpoint, const std::string& problem);

/// Checks every checkpoint that is not Broken and marks those that fail: between findSeries and judgeSeries. A stop
/// leaves the rest unchecked.
void checkTokenizers(std::vector<Series>& all, const JobContext& job = {});

} // namespace crest::series
