// SPDX-License-Identifier: Apache-2.0
#include "core/train/run_state.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <span>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"

namespace crest::train {
namespace {

namespace fs = std::filesystem;
constexpr int kFormat = 1;

std::string_view bytesOf(const at::Tensor& state) {
    return {static_cast<const char*>(state.const_data_ptr()), static_cast<std::size_t>(state.nbytes())};
}

Result<Json> readManifest(const fs::path& file) {
    CREST_TRY(text, io::readTextFile(file, 1'000'000));
    CREST_TRY(json, parseJson(text, file.string()));
    CREST_TRY(format, requireInt(json, "format", file.string(), 1, 1 << 20));
    if (format != kFormat)
        return fail(ErrorKind::Unsupported,
                    "The saved state has format " + std::to_string(format) + "; this version reads " +
                        std::to_string(kFormat) + ".",
                    file.string());
    if (!json.contains("states") || !json["states"].is_array())
        return fail(ErrorKind::Malformed, "The list of saved states is missing.", file.string());
    return json;
}

/// Calls `use` for every stretch of the file, which does not stay in memory.
void eachStretch(const io::MappedFile& file, const std::function<void(std::span<const std::byte>, std::size_t first)>& use) {
    constexpr std::size_t kStretch = 1 << 24;
    const std::span<const std::byte> all = file.bytes();
    for (std::size_t first = 0; first < all.size(); first += kStretch) {
        const std::size_t count = std::min(kStretch, all.size() - first);
        use(all.subspan(first, count), first);
        file.release(first, count);
    }
}

/// True where the file is whole and was copied into `state`.
bool loadFile(const fs::path& file, const std::string& sha256, at::Tensor& state) {
    const auto mapped = io::MappedFile::open(file);
    if (!mapped || mapped->bytes().size() != state.nbytes())
        return false;
    Sha256 hash;
    eachStretch(*mapped, [&](std::span<const std::byte> bytes, std::size_t) { hash.update(bytes); });
    if (hash.finishHex() != sha256)
        return false;
    auto* const to = static_cast<std::byte*>(state.mutable_data_ptr());
    eachStretch(*mapped, [&](std::span<const std::byte> bytes, std::size_t first) {
        std::memcpy(to + first, bytes.data(), bytes.size());
    });
    return true;
}

} // namespace

Result<void> saveRunState(const fs::path& folder, const std::string& identity, std::int64_t step,
                          const at::Tensor& state, const Json& facts) {
    std::error_code code;
    fs::create_directories(folder, code);
    const fs::path manifestFile = folder / "state.json";
    Json states = Json::array();
    const std::string name = "step" + std::to_string(step) + ".bin";
    states.push_back({{"step", step}, {"file", name}, {"sha256", sha256Hex(bytesOf(state))}});
    if (facts.is_object())
        states.back()["facts"] = facts;
    if (fs::exists(manifestFile, code))
        if (const auto old = readManifest(manifestFile); old && old->value("identity", "") == identity)
            for (const Json& entry : (*old)["states"])
                if (states.size() < 2 && entry.value("file", "") != name)
                    states.push_back(entry);
    CREST_CHECK(io::writeFileAtomic(folder / name, bytesOf(state)));
    const Json manifest = {{"format", kFormat}, {"identity", identity}, {"states", states}};
    CREST_CHECK(io::writeFileAtomic(manifestFile, canonicalJson(manifest)));
    for (const auto& file : fs::directory_iterator(folder, code)) {
        bool kept = file.path() == manifestFile;
        for (const Json& entry : states)
            kept = kept || file.path().filename() == entry.value("file", "");
        if (!kept)
            fs::remove(file.path(), code);
    }
    return {};
}

Result<std::optional<std::int64_t>> loadRunState(const fs::path& folder, const std::string& identity,
                                                 at::Tensor& state, Json* facts) {
    const fs::path manifestFile = folder / "state.json";
    std::error_code code;
    if (!fs::exists(manifestFile, code))
        return std::nullopt;
    CREST_TRY(manifest, readManifest(manifestFile));
    if (manifest.value("identity", "") != identity)
        return fail(
            ErrorKind::Mismatch,
            "This unfinished run was started with other settings, data or another instruction set; remove the folder "
            "to start it anew, or use another output folder.",
            folder.string());
    for (const Json& entry : manifest["states"])
        if (entry.contains("step") && entry["step"].is_number_integer() &&
            loadFile(folder / entry.value("file", ""), entry.value("sha256", ""), state)) {
            if (facts)
                *facts = entry.contains("facts") && entry["facts"].is_object() ? entry["facts"] : Json::object();
            return entry["step"].get<std::int64_t>();
        }
    return fail(ErrorKind::Malformed, "Both saved states are damaged; remove the folder to start the run anew.",
                folder.string());
}

void removeRunState(const fs::path& folder) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
}

} // namespace crest::train
