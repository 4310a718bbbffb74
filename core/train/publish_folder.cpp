// SPDX-License-Identifier: Apache-2.0
#include "core/train/publish_folder.h"

#include "core/io/files.h"

namespace crest::train {

namespace fs = std::filesystem;

Result<void> publishFolder(const fs::path& folder, const std::function<Result<void>(const fs::path&)>& fill) {
    const fs::path temporary = folder.string() + ".tmp";
    std::error_code code;
    fs::remove_all(temporary, code);
    fs::create_directories(temporary, code);
    if (code)
        return fail(io::systemError(code.value(), "create", temporary));
    CREST_CHECK(fill(temporary));
    CREST_CHECK(io::syncFolder(temporary));
    fs::rename(temporary, folder, code);
    if (code)
        return fail(io::systemError(code.value(), "rename", folder));
    return io::syncFolder(folder.parent_path());
}

Result<void> copyTokenizer(const fs::path& from, const fs::path& to) {
    std::error_code code;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
                             "tokenizer.model"}) {
        if (!fs::exists(from / name, code))
            continue;
        CREST_TRY(mapped, io::MappedFile::open(from / name));
        const std::span<const std::byte> bytes = mapped.bytes();
        CREST_CHECK(io::writeFileAtomic(to / name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
    return {};
}

} // namespace crest::train
