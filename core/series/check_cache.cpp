// SPDX-License-Identifier: Apache-2.0
#include "core/series/check_cache.h"

#include <algorithm>
#include <cstdlib>

#include "core/io/files.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRemembered = 50'000; ///< then the file begins anew

bool isFingerprint(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A text of an entry, "" where there is none.
std::string cachedText(const Json& entry, const char* key) {
    const auto value = entry.find(key);
    return value != entry.end() && value->is_string() ? value->get<std::string>() : std::string();
}

/// By identity; none where the file is not there, or is not such a file.
Json readFindings(const fs::path& file) {
    const auto text = io::readTextFile(file);
    auto json = text ? parseJson(*text, file.string()) : Result<Json>(Json());
    if (json && json->is_object() && json->value("format", Json()) == 1 && json->contains("fingerprints") &&
        (*json)["fingerprints"].is_object())
        return std::move((*json)["fingerprints"]);
    return Json::object();
}

} // namespace

CheckCache::CheckCache(fs::path file)
    : m_file(std::move(file))
    , m_known(readFindings(m_file)) {}

CheckCache::~CheckCache() {
    if (!m_unsaved.empty())
        save(std::chrono::seconds(1));
}

std::optional<CheckedWeights> CheckCache::find(const std::string& identity) const {
    const auto entry = m_known.find(identity);
    if (entry == m_known.end() || !entry->is_object() || !entry->value("unsound", Json()).is_string())
        return std::nullopt;
    CheckedWeights known{cachedText(*entry, "sha256"), cachedText(*entry, "unsound"), cachedText(*entry, "damaged")};
    return isFingerprint(known.fingerprint) || !known.damaged.empty() ? std::optional(std::move(known)) : std::nullopt;
}

void CheckCache::remember(const std::string& identity, const CheckedWeights& weights) {
    if (m_file.empty())
        return;
    Json entry{{"sha256", weights.fingerprint}, {"unsound", weights.unsound}};
    if (!weights.damaged.empty())
        entry["damaged"] = weights.damaged;
    m_known[identity] = m_unsaved[identity] = std::move(entry);
    // A large file takes long to write: that stays a twentieth of the time.
    if (Clock::now() - m_savedAt >= std::max<Clock::duration>(std::chrono::seconds(1), 19 * m_saveTook))
        save({});
}

void CheckCache::save(std::chrono::milliseconds patience) {
    const auto start = Clock::now();
    std::error_code error;
    fs::create_directories(m_file.parent_path(), error);
    fs::path lockFile = m_file;
    lockFile += ".lock";
    const auto lock = io::FileLock::waitFor(lockFile, patience);
    if (!lock)
        return;
    m_known = readFindings(m_file); // others may have added theirs
    if (m_known.size() + m_unsaved.size() > kMaxRemembered)
        m_known = Json::object();
    m_known.update(m_unsaved);
    static_cast<void>(io::writeFileAtomic(m_file, canonicalJson({{"format", 1}, {"fingerprints", m_known}})));
    m_unsaved = Json::object();
    m_savedAt = Clock::now();
    m_saveTook = m_savedAt - start;
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
