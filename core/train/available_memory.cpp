// SPDX-License-Identifier: Apache-2.0
#include "core/train/available_memory.h"

#include <algorithm>
#include <fstream>
#include <new>
#include <string>

namespace crest::train {
namespace {

namespace fs = std::filesystem;

/// The number after `name`, the first of the file where that is "".
std::optional<std::int64_t> numberIn(const fs::path& file, const std::string& name) {
    std::ifstream in(file);
    std::string word;
    while (!name.empty() && word != name)
        if (!(in >> word))
            return std::nullopt;
    std::int64_t number = 0;
    return in >> number ? std::optional(number) : std::nullopt; // "max" is no number
}

/// Path of the group of this process: the line "0::/path".
std::string groupOf(const fs::path& root) {
    std::ifstream in(root / "proc/self/cgroup");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("0::/"))
            return line.substr(4);
    return {};
}

} // namespace

std::optional<std::int64_t> availableMemory(const fs::path& root) {
    std::optional<std::int64_t> least = numberIn(root / "proc/meminfo", "MemAvailable:");
    if (least)
        *least *= 1024;
    const fs::path top = root / "sys/fs/cgroup";
    for (fs::path group = top / groupOf(root);; group = group.parent_path()) {
        const auto most = numberIn(group / "memory.max", ""), now = numberIn(group / "memory.current", "");
        if (most && now) {
            const std::int64_t left =
                std::max<std::int64_t>(0, *most - *now + numberIn(group / "memory.stat", "inactive_file").value_or(0));
            least = std::min(least.value_or(left), left);
        }
        if (group == top || group == group.parent_path())
            return least;
    }
}

void requireAvailable(std::int64_t bytes, const fs::path& root) {
    if (availableMemory(root).value_or(bytes) < bytes)
        throw std::bad_alloc();
}

} // namespace crest::train
