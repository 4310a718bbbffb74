// SPDX-License-Identifier: Apache-2.0
// The hub's list of a commit's files on arbitrary bytes: every name it gives is one file of the root folder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/series/hub_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto names = series::parseHubTree(bytes, "fuzz");
    if (!names)
        return names.error().message.empty() ? std::abort(), 1 : 0;
    for (const std::string& name : *names)
        if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
            name.find('\0') != std::string::npos)
            std::abort();
    // Nothing is in this folder, so all that is needed is missing, and what is missing is in the list.
    for (const std::string& name : series::missingFiles("/no/such/folder", *names))
        if (!names->contains(name))
            std::abort();
    return 0;
}
