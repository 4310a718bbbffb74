// SPDX-License-Identifier: Apache-2.0
#include "core/series/check_cache.h"

#include <cstdlib>

#include "core/io/files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRemembered = 50'000;

bool isFingerprint(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A text of an entry, "" where there is none.
std::string cachedText(const Json& entry, const char* key) {
    const auto value = entry.find(key);
    return value != entry.end() && value->is_string() ? value->get<std::string>() : std::string();
}

} // namespace

Json readCheckCache(const fs::path& cacheFile) {
    const auto text = io::readTextFile(cacheFile);
    const auto json = text ? parseJson(*text, cacheFile.string()) : Result<Json>(Json());
    if (json && json->is_object() && json->value("format", Json()) == 1 && json->contains("fingerprints") &&
        (*json)["fingerprints"].is_object())
        return *json;
    return Json{{"format", 1}, {"fingerprints", Json::object()}};
}

std::optional<CheckedWeights> rememberedCheck(const Json& cache, const std::string& identity) {
    const auto entry = cache["fingerprints"].find(identity);
    if (entry == cache["fingerprints"].end() || !entry->is_object() || !entry->value("unsound", Json()).is_string())
        return std::nullopt;
    CheckedWeights known{cachedText(*entry, "sha256"), cachedText(*entry, "unsound"), cachedText(*entry, "damaged")};
    return isFingerprint(known.fingerprint) || !known.damaged.empty() ? std::optional(std::move(known)) : std::nullopt;
}

void rememberCheck(const fs::path& cacheFile, const std::string& identity, const CheckedWeights& weights) {
    if (cacheFile.empty())
        return;
    std::error_code error;
    fs::create_directories(cacheFile.parent_path(), error);
    fs::path lockFile = cacheFile;
    lockFile += ".lock";
    const auto lock = io::FileLock::tryLock(lockFile);
    if (!lock)
        return;
    Json cache = readCheckCache(cacheFile);
    if (cache["fingerprints"].size() >= kMaxRemembered)
        cache["fingerprints"].clear();
    Json& entry = cache["fingerprints"][identity];
    entry = Json{{"sha256", weights.fingerprint}, {"unsound", weights.unsound}};
    if (!weights.damaged.empty())
        entry["damaged"] = weights.damaged;
    static_cast<void>(io::writeFileAtomic(cacheFile, canonicalJson(cache)));
}

fs::path userCheckCache() {
    fs::path base;
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
        base = cache;
    else if (const char* home = std::getenv("HOME"); home && *home == '/')
        base = fs::path(home) / ".cache";
    else
        return {};
    std::error_code error;
    fs::create_directories(base / "crest", error);
    return error ? fs::path() : base / "crest" / "fingerprints.json";
}

} // namespace crest::series
