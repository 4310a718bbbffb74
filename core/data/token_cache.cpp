// SPDX-License-Identifier: Apache-2.0
// A file of the cache: one line of JSON (format, key, numbers of texts and ids, bytes of an id, SHA-256 of the rest),
// filled up with spaces to 512 bytes; the lengths of the texts in ids, 4 bytes each; the ids, all little-endian.
#include "core/data/token_cache.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/data/texts.h"
#include "core/io/files.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeaderBytes = 512;
constexpr std::uint64_t kUserBytes = 2'000'000'000;
constexpr std::uint64_t kWorthKeeping = 100'000;
static_assert(std::endian::native == std::endian::little, "files of the cache are little-endian");

/// What `TokenLists` shows where it was made here.
struct OwnLists {
    std::vector<std::uint16_t> narrow;
    std::vector<std::uint32_t> wide, lengths;
};

template<class T> std::span<const std::byte> bytesOf(std::span<const T> values) {
    return std::as_bytes(values);
}

Json headerOf(const std::string& key, std::size_t texts, std::size_t ids, std::size_t width, const std::string& hash) {
    return {
        {"format", "crest tokens 2"}, {"key", key}, {"texts", texts}, {"ids", ids}, {"width", width}, {"sha256", hash}};
}

std::string keyOf(std::string_view hash, const text::Tokenizer& tokenizer, TokenMode mode) {
    return sha256Hex(fmt::format("crest tokens 2 {} {} {} {}", hash, tokenizer.contentHash(), static_cast<int>(mode),
                                 mode == TokenMode::Scoring ? tokenizer.prefixId().value_or(-1) : -1));
}

std::vector<std::int32_t> encoded(const text::Tokenizer& tokenizer, std::string_view text, TokenMode mode) {
    if (mode == TokenMode::Scoring)
        return tokenizer.encodeForScoring(text);
    return tokenizer.encode(text, mode == TokenMode::Template ? text::Specials::Template : text::Specials::None);
}

/// Removes the files that were used longest ago until the rest fits; `newest` stays.
void makeRoom(const TokenCache& cache, const fs::path& newest) {
    struct File {
        fs::file_time_type used;
        std::uint64_t bytes = 0;
        fs::path path;
    };
    std::vector<File> files;
    std::uint64_t total = 0;
    std::error_code problem;
    for (fs::directory_iterator at(cache.folder, problem), end; !problem && at != end; at.increment(problem)) {
        const std::string name = at->path().filename().string();
        if (!name.starts_with("tokens-") || !name.ends_with(".bin"))
            continue;
        std::error_code gone; // another process may have removed it
        const std::uint64_t bytes = fs::file_size(at->path(), gone);
        const auto used = fs::last_write_time(at->path(), gone);
        if (gone)
            continue;
        total += bytes;
        if (at->path() != newest)
            files.push_back({used, bytes, at->path()});
    }
    std::ranges::sort(files, {}, &File::used);
    for (const File& file : files) {
        if (total <= cache.maxBytes)
            return;
        fs::remove(file.path, problem);
        total -= file.bytes;
    }
}

std::uint64_t bytesOfTexts(text::TextsView texts) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < texts.size(); ++i)
        bytes += texts[i].size();
    return bytes;
}

} // namespace

TokenCache TokenCache::ofUser() {
    const auto named = [](const char* variable) {
        const char* value = std::getenv(variable);
        return value != nullptr && fs::path(value).is_absolute() ? fs::path(value) : fs::path();
    };
    fs::path base = named("CREST_CACHE");
    if (base.empty())
        base = named("XDG_CACHE_HOME");
    if (base.empty() && !named("HOME").empty())
        base = named("HOME") / ".cache";
    if (base.empty())
        return {};
    return {base / "crest" / "tokens", kUserBytes, kWorthKeeping};
}

Result<TokenLists> TokenLists::of(text::TextsView texts, const text::Tokenizer& tokenizer, TokenMode mode,
                                  const TokenCache& cache, const JobContext& job) {
    return of(texts, cache.folder.empty() ? std::string() : textsHash(texts), tokenizer, mode, cache, job);
}

Result<TokenLists> TokenLists::of(text::TextsView texts, std::string_view hash,
                                  const text::Tokenizer& tokenizer, TokenMode mode, const TokenCache& cache,
                                  const JobContext& job) {
    if (cache.folder.empty() || bytesOfTexts(texts) < cache.minTextBytes)
        return make(texts, tokenizer, mode, job);
    const std::string key = keyOf(hash, tokenizer, mode);
    const fs::path file = cache.folder / ("tokens-" + key.substr(0, 24) + ".bin");
    TokenLists lists;
    if (read(file, key, lists) && lists.size() == texts.size()) {
        std::error_code ignored;
        fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
        return lists;
    }
    CREST_TRY(made, make(texts, tokenizer, mode, job));
    made.write(file, key);
    makeRoom(cache, file);
    return made;
}

Result<TokenLists> TokenLists::make(text::TextsView texts, const text::Tokenizer& tokenizer,
                                    TokenMode mode, const JobContext& job) {
    auto own = std::make_shared<OwnLists>();
    const bool narrow = tokenizer.idLimit() <= kNarrowIds;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        CREST_CHECK(beforeDocument(i, texts.size(), job));
        const std::vector<std::int32_t> ids = encoded(tokenizer, texts[i], mode);
        if (narrow)
            own->narrow.insert(own->narrow.end(), ids.begin(), ids.end());
        else
            own->wide.insert(own->wide.end(), ids.begin(), ids.end());
        own->lengths.push_back(static_cast<std::uint32_t>(ids.size()));
    }
    TokenLists lists;
    lists.m_narrow = own->narrow;
    lists.m_wide = own->wide;
    lists.m_lengths = own->lengths;
    lists.m_owner = std::move(own);
    return lists;
}

bool TokenLists::read(const fs::path& file, const std::string& key, TokenLists& into) {
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return false;
    auto opened = io::MappedFile::open(file);
    if (!opened || opened->bytes().size() < kHeaderBytes)
        return false;
    const auto map = std::make_shared<const io::MappedFile>(std::move(*opened));
    const std::span<const std::byte> payload = map->bytes().subspan(kHeaderBytes);
    const std::string_view head(reinterpret_cast<const char*>(map->bytes().data()), kHeaderBytes);
    const auto header = parseJson(head, file.string());
    if (!header || !header->is_object())
        return false;
    const Json count = header->value("texts", Json());
    const std::size_t texts = count.is_number_unsigned() ? count.get<std::size_t>() : payload.size();
    const std::size_t width = header->value("width", Json()) == Json(2) ? 2 : 4;
    if (texts > payload.size() / 4 || (payload.size() - 4 * texts) % width != 0)
        return false;
    const std::size_t ids = (payload.size() - 4 * texts) / width;
    Sha256 hash;
    hash.update(payload);
    if (*header != headerOf(key, texts, ids, width, hash.finishHex()))
        return false;
    // The map begins at a page, the header has 512 bytes: both parts are aligned.
    into.m_lengths = {reinterpret_cast<const std::uint32_t*>(payload.data()), texts};
    const std::byte* begin = payload.data() + 4 * texts;
    if (width == 2)
        into.m_narrow = {reinterpret_cast<const std::uint16_t*>(begin), ids};
    else
        into.m_wide = {reinterpret_cast<const std::uint32_t*>(begin), ids};
    into.m_owner = map;
    into.m_fromCache = true;
    std::size_t sum = 0;
    for (const std::uint32_t length : into.m_lengths)
        sum += length;
    return sum == ids;
}

void TokenLists::write(const fs::path& file, const std::string& key) const {
    std::error_code ignored;
    fs::create_directories(file.parent_path(), ignored);
    const std::span<const std::byte> ids = m_narrow.empty() ? bytesOf(m_wide) : bytesOf(m_narrow);
    Sha256 hash;
    hash.update(bytesOf(m_lengths)).update(ids);
    std::string header = canonicalJson(headerOf(key, size(), idCount(), m_narrow.empty() ? 4 : 2, hash.finishHex()));
    header.resize(kHeaderBytes - 1, ' ');
    header += '\n';
    // Without the file the ids are made again next time: no reason to stop.
    auto target = io::AtomicFile::create(file);
    if (target && target->write(header) && target->write(bytesOf(m_lengths)) && target->write(ids)) [[maybe_unused]]
        const auto written = target->commit();
}

std::vector<std::vector<std::int32_t>> TokenLists::all() const {
    std::vector<std::vector<std::int32_t>> lists(size());
    for (std::size_t text = 0; text < size(); ++text)
        lists[text].reserve(m_lengths[text]);
    forEach([&](std::size_t text, std::int32_t id) { lists[text].push_back(id); });
    return lists;
}

} // namespace crest::data
