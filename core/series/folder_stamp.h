// SPDX-License-Identifier: Apache-2.0
// Whether a checkpoint's files were touched since one looked last: weights are mapped, so what is written into them
// shows at once.
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.h"

namespace crest::series {

/// Device, inode, size and times of every file that a checkpoint, a folder or a nanoGPT file, is made of (weights,
/// JSON, tokenizer). Equal stamps: nothing was changed in between. Different ones say only that the content has to be
/// looked at again.
Result<std::string> folderStamp(const std::filesystem::path& checkpoint);

} // namespace crest::series
