// SPDX-License-Identifier: Apache-2.0
// Which files are a checkpoint's tokenizer. (core/text reads them.)
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace crest::series {

/// Where the tokenizer of a checkpoint lies: its folder, or the folder of a checkpoint that is a file (.pt, .pth). Other
/// paths stay as they are.
std::filesystem::path tokenizerFolder(const std::filesystem::path& checkpoint);

/// tokenizer.json; without it vocab.json and merges.txt, or tokenizer.model. NotFound with a sentence that says which
/// to copy, where there is none or where it was not downloaded.
Result<std::vector<std::filesystem::path>> tokenizerFiles(const std::filesystem::path& checkpoint);

/// SHA-256 of the tokenizer's content: of tokenizer.json itself; of several files over their names and hashes.
Result<std::string> tokenizerHash(const std::filesystem::path& checkpoint);

} // namespace crest::series
