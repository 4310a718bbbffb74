// SPDX-License-Identifier: Apache-2.0
#include "core/series/tokenizer_files.h"

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/series/olmo_native.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTokenizerBytes = 256'000'000;

/// A file that is really there: no dangling link, no pointer, not empty.
Result<void> checkWhole(const fs::path& file) {
    std::error_code error;
    if (!fs::exists(file, error) && fs::is_symlink(fs::symlink_status(file, error)))
        return fail(ErrorKind::NotFound,
                    "This link leads to a file that is not there; copy the checkpoint with its targets.",
                    file.string());
    CREST_TRY(head, io::readFileHead(file, 64));
    if (head.fileSize == 0)
        return fail(ErrorKind::Malformed, "the tokenizer is an empty file.", file.string());
    if (io::isGitLfsPointer(head.bytes))
        return fail(ErrorKind::Malformed, "this is a git-lfs pointer, not the tokenizer; run `git lfs pull`.",
                    file.string());
    return {};
}

bool holdsTokenizer(const fs::path& folder) {
    return io::isThere(folder / "tokenizer.json") || io::isThere(folder / "tokenizer.model") ||
           (io::isThere(folder / "vocab.json") && io::isThere(folder / "merges.txt"));
}

/// The folder that a checkpoint's folder lies in.
fs::path beside(const fs::path& folder) {
    return (folder.has_filename() ? folder : folder.parent_path()).parent_path();
}

} // namespace

fs::path tokenizerFolder(const fs::path& checkpoint) {
    std::error_code error;
    const bool isWeights = checkpoint.extension() == ".pt" || checkpoint.extension() == ".pth";
    if (isWeights && fs::is_regular_file(checkpoint, error))
        return checkpoint.parent_path();
    const bool isBeside = isNativeOlmo(checkpoint) && !holdsTokenizer(checkpoint) && holdsTokenizer(beside(checkpoint));
    return isBeside ? beside(checkpoint) : checkpoint;
}

Result<std::vector<fs::path>> tokenizerFiles(const fs::path& checkpoint) {
    const fs::path folder = tokenizerFolder(checkpoint);
    std::vector<fs::path> files;
    if (io::isThere(folder / "tokenizer.json"))
        files = {folder / "tokenizer.json"};
    else if (io::isThere(folder / "vocab.json") && io::isThere(folder / "merges.txt"))
        files = {folder / "vocab.json", folder / "merges.txt"};
    else if (io::isThere(folder / "tokenizer.model"))
        files = {folder / "tokenizer.model"};
    if (files.empty() && folder != checkpoint)
        return fail(
            ErrorKind::NotFound,
            "the tokenizer is missing: a nanoGPT checkpoint holds none. Copy the tokenizer.json of the one it was "
            "trained with beside it (GPT-2's for models trained on OpenWebText).",
            (folder / "tokenizer.json").string());
    if (files.empty() && isNativeOlmo(checkpoint)) {
        const auto native = readNativeOlmo(checkpoint);
        const bool named = native && !native->tokenizer.empty();
        return fail(ErrorKind::NotFound,
                    fmt::format("the tokenizer is missing: OLMo's trainer saves none{}. Copy its tokenizer.json into "
                                "the checkpoint's folder, or once beside the folders of all.",
                                named ? fmt::format(" (config.yaml names \"{}\")", native->tokenizer) : ""),
                    (checkpoint / "tokenizer.json").string());
    }
    if (files.empty())
        return fail(ErrorKind::NotFound, "the tokenizer is missing; copy tokenizer.json into the checkpoint's folder.",
                    (folder / "tokenizer.json").string());
    for (const fs::path& file : files)
        CREST_CHECK(checkWhole(file));
    return files;
}

Result<std::string> tokenizerHash(const fs::path& checkpoint) {
    CREST_TRY(files, tokenizerFiles(checkpoint));
    std::string listed, hash;
    for (const fs::path& file : files) {
        CREST_TRY(text, io::readTextFile(file, kMaxTokenizerBytes));
        hash = sha256Hex(text);
        listed += fmt::format("{} {}\n", file.filename().string(), hash);
    }
    return files.size() == 1 ? hash : sha256Hex(listed);
}

} // namespace crest::series
