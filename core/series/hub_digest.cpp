// SPDX-License-Identifier: Apache-2.0
#include "core/series/hub_digest.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/hub_cache.h"
#include "core/text/unicode.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigestChunk = 8u << 20;
constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kShownHashDigits = 12;

/// Beside weights, what is read of a folder that the hub's client filled.
constexpr const char* kSmallFiles[] = {"config.json",
                                       "generation_config.json",
                                       "model.safetensors.index.json",
                                       "pytorch_model.bin.index.json",
                                       "tokenizer.json",
                                       "tokenizer.model",
                                       "vocab.json",
                                       "merges.txt",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json"};

/// A JSON file that parses, or a text; a binary file that differs is taken for damaged.
bool canStillBeRead(const fs::path& file) {
    const std::string type = file.extension().string();
    if (type != ".json" && type != ".txt")
        return false;
    const auto text = io::readTextFile(file);
    return text && (type == ".json" ? parseJson(*text, file.string()).has_value() : text::isValidUtf8(*text));
}

/// An OpenSSL digest of a size that is chosen while running.
class Digest {
public:
    explicit Digest(const EVP_MD* kind)
        : m_context(EVP_MD_CTX_new(), &EVP_MD_CTX_free)
        , m_ready(m_context && EVP_DigestInit_ex(m_context.get(), kind, nullptr) == 1) {}
    void update(const void* bytes, std::size_t size) {
        m_ready = m_ready && EVP_DigestUpdate(m_context.get(), bytes, size) == 1;
    }
    /// Hex digits; "" where this OpenSSL does not offer the digest.
    std::string finish() {
        unsigned char bytes[EVP_MAX_MD_SIZE];
        unsigned int size = 0;
        if (!m_ready || EVP_DigestFinal_ex(m_context.get(), bytes, &size) != 1)
            return {};
        std::string digits;
        for (unsigned int i = 0; i < size; ++i)
            digits += hex(bytes[i], 2);
        return digits;
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> m_context;
    bool m_ready;
};

/// The digests that a hash of so many digits may be. Some mirrors name a file by the SHA-1 of its bytes alone.
std::vector<Digest> digestsFor(std::size_t digits, std::size_t fileSize) {
    std::vector<Digest> out;
    if (digits == kSha256Digits) {
        out.emplace_back(EVP_sha256());
        return out;
    }
    const std::string blob = fmt::format("blob {}", fileSize);
    out.emplace_back(EVP_sha1()).update(blob.c_str(), blob.size() + 1); // git hashes the NUL behind it, too
    out.emplace_back(EVP_sha1());
    return out;
}

/// The first of the digests; the noted one where any is it, or where this OpenSSL offers none.
Result<std::string> digestOf(const HubFile& file, const JobContext& job) {
    CREST_TRY(map, io::MappedFile::open(file.path));
    const auto bytes = map.bytes();
    map.willNeed(0, bytes.size());
    std::vector<Digest> digests = digestsFor(file.digest.size(), bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += kDigestChunk) {
        if (job.stopRequested())
            return stopped();
        const std::size_t size = std::min(kDigestChunk, bytes.size() - at);
        for (Digest& digest : digests)
            digest.update(bytes.data() + at, size);
        map.release(at, size);
        job.report(static_cast<std::int64_t>(at + size), static_cast<std::int64_t>(bytes.size()),
                   "bytes compared with the hub's hash");
    }
    std::string first;
    for (Digest& digest : digests) {
        std::string found = digest.finish();
        if (found.empty() || found == file.digest)
            return file.digest;
        if (first.empty())
            first = std::move(found);
    }
    return first;
}

} // namespace

std::vector<HubFile> hubFiles(const fs::path& folder, const std::vector<fs::path>& weights) {
    std::set<fs::path> files(weights.begin(), weights.end());
    std::error_code ignored;
    for (const char* name : kSmallFiles)
        if (fs::is_regular_file(folder / name, ignored))
            files.insert(folder / name);
    std::vector<HubFile> out;
    for (const fs::path& file : files)
        if (std::string digest = hubContentId(file); digest.size() == 40 || digest.size() == kSha256Digits)
            out.push_back({file, std::move(digest)});
    return out;
}

Result<HubDifference> hubDifference(const HubFile& file, const JobContext& job) {
    CREST_TRY(found, digestOf(file, job));
    if (found == file.digest)
        return HubDifference();
    std::error_code error;
    const bool usable = canStillBeRead(file.path), isLink = fs::is_symlink(file.path, error);
    return HubDifference{fmt::format("{} {}: the {} of its bytes is {}.., the hub's is {}..; {}delete {} and run the same download again.",
                                     file.path.filename().string(), usable ? "differs from the hub's" : "is damaged",
                                     file.digest.size() == kSha256Digits ? "SHA-256" : "SHA-1 (git's)", found.substr(0, kShownHashDigits),
                                     file.digest.substr(0, kShownHashDigits), usable ? "if nobody edited it, " : "",
                                     isLink ? "the blob that it links to" : "it"),
                         usable};
}

} // namespace crest::series
