// SPDX-License-Identifier: GPL-3.0-or-later
// What tells apart things of one name in several folders.
#pragma once

#include <filesystem>
#include <vector>

#include <QString>

namespace crest::ui {

/// The part of each path that the others do not have: without the folders that all begin with and the names that all
/// end with ("run-a" and "run-b" of x/run-a/step1 and x/run-b/step1). "" for a path that has nothing of its own; all
/// are "" where there is one path only.
std::vector<QString> distinguishingParts(const std::vector<std::filesystem::path>& paths);

} // namespace crest::ui
