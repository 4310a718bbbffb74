// SPDX-License-Identifier: Apache-2.0
// The list of a commit's files that huggingface_hub keeps (its _tree_cache.py): {"format_version": 1, "files": {"path":
// {"size": .., "blob_id": ..}}}.
#include <algorithm>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/checkpoint_records.h"
#include "core/series/hub_cache.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTreeBytes = kMaxConfigBytes;
constexpr std::size_t kMaxNameBytes = 255;

/// "model-00001-of-00003.safetensors" for "model" and ".safetensors".
bool isShard(std::string_view name, std::string_view stem, std::string_view type) {
    constexpr std::string_view kDigits = "0123456789";
    if (name.size() <= stem.size() + type.size() + 1 || !name.starts_with(stem) || !name.ends_with(type) ||
        name[stem.size()] != '-')
        return false;
    const std::string_view middle = name.substr(stem.size() + 1, name.size() - stem.size() - type.size() - 1);
    const std::size_t of = middle.find("-of-");
    return of != std::string_view::npos && of > 0 && middle.find_first_not_of(kDigits) == of &&
           middle.size() > of + 4 && middle.find_first_not_of(kDigits, of + 4) == std::string_view::npos;
}

/// One form of weights: whole, or shards with their index.
struct WeightForm {
    std::string stem, type;
    std::string whole() const { return stem + type; }
    std::string index() const { return stem + type + ".index.json"; }
    bool owns(const std::string& name) const {
        return name == whole() || name == index() || isShard(name, stem, type);
    }
};

/// The files of the commit that are this form: the whole file, else index and shards.
std::vector<std::string> filesOf(const WeightForm& form, const std::set<std::string>& committed) {
    if (committed.contains(form.whole()))
        return {form.whole()};
    std::vector<std::string> files;
    std::ranges::copy_if(committed, std::back_inserter(files), [&](const std::string& name) { return form.owns(name); });
    return committed.contains(form.index()) ? files : std::vector<std::string>();
}

std::vector<std::string> weightFiles(const fs::path& folder, const std::set<std::string>& committed) {
    const WeightForm forms[] = {{"model", ".safetensors"}, {"pytorch_model", ".bin"}};
    std::vector<std::string> preferred;
    for (const WeightForm& form : forms) {
        const std::vector<std::string> files = filesOf(form, committed);
        const bool begun = io::isThere(folder / form.whole()) || io::isThere(folder / form.index()) ||
                           std::ranges::any_of(files, [&](const std::string& name) { return io::isThere(folder / name); });
        if (begun)
            return io::isThere(folder / form.whole()) ? std::vector<std::string>() : files;
        if (preferred.empty())
            preferred = files;
    }
    return preferred;
}

std::vector<std::string> tokenizerFiles(const fs::path& folder, const std::set<std::string>& committed) {
    const std::vector<std::string> forms[] = {{"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"tokenizer.model"}};
    const auto inFolder = [&](const std::string& name) { return io::isThere(folder / name); };
    if (std::ranges::any_of(forms, [&](const auto& form) { return std::ranges::all_of(form, inFolder); }))
        return {};
    for (const auto& form : forms)
        if (std::ranges::all_of(form, [&](const std::string& name) { return committed.contains(name); }))
            return form;
    return {};
}

} // namespace

Result<std::set<std::string>> parseHubTree(std::string_view json, const std::string& where) {
    CREST_TRY(tree, parseJson(json, where, {.maxBytes = kMaxTreeBytes, .maxDepth = 8}));
    CREST_TRY(version, requireInt(tree, "format_version", where, 0, INT32_MAX));
    if (version != 1)
        return fail(ErrorKind::Unsupported, "\"format_version\" is not 1", where);
    const auto files = tree.find("files");
    if (files == tree.end() || !files->is_object())
        return fail(ErrorKind::Malformed, "\"files\" is no object", where);
    std::set<std::string> names;
    for (const auto& [path, entry] : files->items())
        if (path.size() <= kMaxNameBytes && path.find('/') == std::string::npos &&
            path.find('\0') == std::string::npos && path != "." && path != ".." && !path.empty())
            names.insert(path);
    return names;
}

std::set<std::string> committedFiles(const fs::path& folder, const std::string& commit,
                                     const HubRepository* repository) {
    const fs::path home = repository != nullptr ? repository->folder : folder / ".cache/huggingface";
    const fs::path file = home / "trees" / (commit + ".json");
    if (!io::isThere(file))
        return {};
    const auto text = readSmallText(file, kMaxTreeBytes);
    if (!text)
        return {};
    return parseHubTree(*text, file.string()).value_or(std::set<std::string>());
}

std::vector<std::string> missingFiles(const fs::path& folder, const std::set<std::string>& committed) {
    std::vector<std::string> needed;
    if (committed.contains("config.json"))
        needed.push_back("config.json");
    for (std::string& name : weightFiles(folder, committed))
        needed.push_back(std::move(name));
    for (std::string& name : tokenizerFiles(folder, committed))
        needed.push_back(std::move(name));
    std::erase_if(needed, [&](const std::string& name) { return io::isThere(folder / name); });
    return needed;
}

} // namespace crest::series
