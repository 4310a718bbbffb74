// SPDX-License-Identifier: Apache-2.0
// The cache file: one line of JSON (format, key, width, count, SHA-256 of the ids), then the ids, little-endian.
#include "core/data/packed_tokens.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNarrowIds = 65'536;
constexpr std::size_t kMaxHeaderBytes = 1024;
static_assert(std::endian::native == std::endian::little, "the cache file is little-endian");

Json headerOf(const std::string& key, std::size_t width, std::int64_t count, const std::string& hash) {
    return {{"format", "crest packed tokens 1"}, {"key", key}, {"width", width}, {"count", count}, {"sha256", hash}};
}

template<class T> std::string_view bytesOf(const std::vector<T>& ids) {
    return {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(T)};
}

template<class T> bool take(std::string_view payload, std::vector<T>& ids) {
    ids.resize(payload.size() / sizeof(T));
    if (!ids.empty())
        std::memcpy(ids.data(), payload.data(), ids.size() * sizeof(T));
    return ids.size() * sizeof(T) == payload.size();
}

} // namespace

void PackedTokens::finish() {
    Sha256 hash;
    hash.update("crest ids 1\n");
    // Equal ids have equal hashes, whatever their width.
    if (m_narrow.empty()) {
        hash.update(bytesOf(m_wide));
    } else {
        std::vector<std::uint32_t> part;
        for (std::size_t at = 0; at < m_narrow.size(); at += part.size()) {
            const std::size_t end = std::min(m_narrow.size(), at + kNarrowIds);
            part.assign(m_narrow.begin() + static_cast<std::ptrdiff_t>(at),
                        m_narrow.begin() + static_cast<std::ptrdiff_t>(end));
            hash.update(bytesOf(part));
        }
    }
    m_contentHash = hash.finishHex();
}

Result<PackedTokens> PackedTokens::fromIds(std::span<const std::int32_t> ids, std::int32_t idLimit) {
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || ids[i] >= idLimit)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("id {} at place {} is not from 0 to {}", ids[i], i, idLimit - 1));
    PackedTokens packed;
    if (static_cast<std::size_t>(idLimit) <= kNarrowIds)
        packed.m_narrow.assign(ids.begin(), ids.end());
    else
        packed.m_wide.assign(ids.begin(), ids.end());
    packed.finish();
    return packed;
}

Result<PackedTokens> PackedTokens::build(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                         const JobContext& job) {
    if (!tokenizer.idToToken(endToken))
        return fail(ErrorKind::OutOfRange, fmt::format("the end token {} is no id of the tokenizer", endToken),
                    texts.name);
    PackedTokens packed;
    const bool narrow = tokenizer.idLimit() <= kNarrowIds;
    const auto append = [&](std::int32_t id) {
        if (narrow)
            packed.m_narrow.push_back(static_cast<std::uint16_t>(id));
        else
            packed.m_wide.push_back(static_cast<std::uint32_t>(id));
    };
    for (std::size_t d = 0; d < texts.documents.size(); ++d) {
        CREST_CHECK(beforeDocument(d, texts.documents.size(), job));
        for (const std::int32_t id : tokenizer.encode(texts.documents[d]))
            append(id);
        append(endToken);
    }
    packed.finish();
    return packed;
}

Result<PackedTokens> PackedTokens::buildCached(const Texts& texts, const text::Tokenizer& tokenizer,
                                               std::int32_t endToken, const fs::path& cacheFolder,
                                               const JobContext& job) {
    const std::string key =
        sha256Hex(fmt::format("crest packed 1 {} {} {}", texts.contentHash, tokenizer.contentHash(), endToken));
    const fs::path file = cacheFolder / ("tokens-" + key.substr(0, 24) + ".bin");
    PackedTokens cached;
    if (readCache(file, key, cached))
        return cached;
    CREST_TRY(packed, build(texts, tokenizer, endToken, job));
    packed.writeCache(file, key);
    return packed;
}

bool PackedTokens::readCache(const fs::path& file, const std::string& key, PackedTokens& into) {
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return false;
    const auto mapped = io::MappedFile::open(file);
    if (!mapped)
        return false;
    const auto bytes = mapped->bytes();
    const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t lineEnd = content.substr(0, kMaxHeaderBytes).find('\n');
    if (lineEnd == std::string_view::npos)
        return false;
    const auto header = parseJson(content.substr(0, lineEnd), file.string());
    if (!header || !header->is_object())
        return false;
    const std::string_view payload = content.substr(lineEnd + 1);
    const bool narrow = header->value("width", Json()) == Json(sizeof(std::uint16_t));
    if (!(narrow ? take(payload, into.m_narrow) : take(payload, into.m_wide)))
        return false;
    into.finish();
    into.m_fromCache = true;
    return *header ==
           headerOf(key, narrow ? sizeof(std::uint16_t) : sizeof(std::uint32_t), into.size(), into.m_contentHash);
}

void PackedTokens::writeCache(const fs::path& file, const std::string& key) const {
    std::error_code ignored;
    fs::create_directories(file.parent_path(), ignored);
    const bool narrow = !m_narrow.empty();
    std::string content =
        canonicalJson(headerOf(key, narrow ? sizeof(std::uint16_t) : sizeof(std::uint32_t), size(), m_contentHash)) +
        "\n";
    content += narrow ? bytesOf(m_narrow) : bytesOf(m_wide);
    // Without the file the ids are made again next time: no reason to stop a training.
    [[maybe_unused]] const auto written = io::writeFileAtomic(file, content);
}

void PackedTokens::copyTo(std::int64_t begin, std::span<std::int64_t> out) const {
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = (*this)[begin + static_cast<std::int64_t>(i)];
}

} // namespace crest::data
