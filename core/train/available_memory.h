// SPDX-License-Identifier: Apache-2.0
// How much memory this process may still take before the system kills something. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace crest::train {

/// Bytes: what the machine has left without swapping, and less where a group of processes (a container, a job of a cluster) has a
/// limit of its own (cgroup v2); what could be given up at once, files that were read, counts as left. Nothing where the system does
/// not say. The places are those of Linux below `root`.
std::optional<std::int64_t> availableMemory(const std::filesystem::path& root = "/");
/// Throws std::bad_alloc where that is known to be less: without a limit the system promises any amount, and kills whoever takes it.
void requireAvailable(std::int64_t bytes, const std::filesystem::path& root = "/");

} // namespace crest::train
