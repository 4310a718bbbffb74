// SPDX-License-Identifier: Apache-2.0
// A checkpoint's folder that is there whole or not at all.
#pragma once

#include <filesystem>
#include <functional>

#include "core/base/result.h"

namespace crest::train {

/// Lets `fill` write into folder.tmp (emptied before), syncs it and renames it to `folder`.
Result<void> publishFolder(const std::filesystem::path& folder,
                           const std::function<Result<void>(const std::filesystem::path& temporary)>& fill);

/// Copies what there is of tokenizer.json and the files beside it that transformers reads.
Result<void> copyTokenizer(const std::filesystem::path& from, const std::filesystem::path& to);

} // namespace crest::train
