// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/text/tokenizer_file.h"
#include "core/text/tokenizer_parts.h"
#include "core/text/unicode.h"
#include "core/text/vocabulary_files.h"

namespace crest::text {
namespace {

namespace fs = std::filesystem;

Error missingTokenizer(const fs::path& file) {
    std::error_code ignored;
    const fs::path folder = file.parent_path();
    if (fs::exists(folder / "tokenizer.model", ignored))
        return {ErrorKind::Unsupported,
                "there is no tokenizer.json, only a SentencePiece tokenizer.model; load it with transformers' "
                "AutoTokenizer and save_pretrained writes a tokenizer.json",
                folder.string()};
    return {ErrorKind::NotFound, "there is no tokenizer.json; copy the tokenizer of this model beside its weights",
            file.string()};
}

/// Ids of text between added tokens that are looked for before normalization.
void encodeSegment(const detail::TokenizerParts& parts, std::string_view text, bool atStart,
                   std::vector<std::int32_t>& out) {
    std::string normalized;
    if (!leavesAsIs(parts.normalizer, text)) {
        bool keepsStart = true;
        normalized = normalize(parts.normalizer, text, &keepsStart);
        text = normalized;
        atStart = atStart && keepsStart;
    }
    const auto plain = [&](std::string_view piece) {
        preTokenize(parts.preSteps, piece, atStart && piece.data() == text.data(),
                    [&](std::string_view word) { parts.model->encodePiece(word, out); });
    };
    if (parts.normalizedAdded.empty()) {
        if (!text.empty())
            plain(text);
        return;
    }
    std::vector<Segment> segments;
    parts.normalizedAdded.split(text, segments);
    for (const Segment& segment : segments) {
        if (segment.id >= 0)
            out.push_back(segment.id);
        else
            plain(segment.text);
    }
}

} // namespace

Result<Tokenizer> Tokenizer::load(const fs::path& tokenizerJson) {
    std::error_code ignored;
    const fs::path file = fs::is_directory(tokenizerJson, ignored) ? tokenizerJson / "tokenizer.json" : tokenizerJson;
    const fs::path folder = file.parent_path();
    const bool older = !fs::exists(file, ignored) && fs::exists(folder / "vocab.json", ignored) &&
                       fs::exists(folder / "merges.txt", ignored);
    if (!older && !fs::exists(file, ignored))
        return fail(missingTokenizer(file));
    std::string config;
    const fs::path configFile = folder / "tokenizer_config.json";
    if (fs::exists(configFile, ignored)) {
        CREST_TRY(read, io::readTextFile(configFile, detail::kMaxRestBytes));
        config = std::move(read);
    }
    if (older) {
        CREST_TRY(text, detail::tokenizerOfVocabularyFiles(folder, config));
        return fromJson(text, folder.string(), config);
    }
    CREST_TRY(text, io::readTextFile(file, detail::kMaxFileBytes));
    return fromJson(text, file.string(), config);
}

Result<Tokenizer> Tokenizer::fromJson(std::string_view text, std::string where, std::string_view configText) {
    if (text.size() > detail::kMaxFileBytes)
        return fail(ErrorKind::Malformed,
                    fmt::format("{} bytes of tokenizer, the limit is {}", text.size(), detail::kMaxFileBytes), where);
    CREST_TRY(parts, detail::parseTokenizer(text, where, configText));
    return Tokenizer(std::move(parts));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view utf8, Specials specials) const {
    const detail::TokenizerParts& parts = *m_parts;
    std::string repaired;
    if (!isValidUtf8(utf8)) {
        repaired = repairUtf8(utf8);
        utf8 = repaired;
    }
    std::vector<std::int32_t> ids;
    if (specials == Specials::Template)
        ids = parts.templatePrefix;
    std::vector<Segment> segments;
    parts.rawAdded.split(utf8, segments);
    for (const Segment& segment : segments) {
        if (segment.id >= 0)
            ids.push_back(segment.id);
        else
            encodeSegment(parts, segment.text, segment.text.data() == utf8.data(), ids);
    }
    if (specials == Specials::Template)
        ids.insert(ids.end(), parts.templateSuffix.begin(), parts.templateSuffix.end());
    return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skipSpecialTokens) const {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const std::int32_t id : ids) {
        const auto added = m_parts->addedOfId.find(id);
        if (skipSpecialTokens && added != m_parts->addedOfId.end() && added->second.special)
            continue;
        if (const auto token = m_parts->tokenOf(id))
            tokens.emplace_back(*token);
    }
    return decodeTokens(m_parts->decoder, std::move(tokens));
}

std::size_t Tokenizer::vocabSize() const {
    return m_parts->tokenCount;
}

std::size_t Tokenizer::idLimit() const {
    return static_cast<std::size_t>(m_parts->largestId) + 1;
}

std::optional<std::int32_t> Tokenizer::tokenToId(std::string_view token) const {
    return m_parts->idOf(token);
}

std::optional<std::string> Tokenizer::idToToken(std::int32_t id) const {
    const auto token = m_parts->tokenOf(id);
    return token ? std::optional(std::string(*token)) : std::nullopt;
}

const std::vector<std::string>& Tokenizer::notes() const {
    return m_parts->notes;
}

std::optional<std::int32_t> Tokenizer::bosId() const {
    return m_parts->bos;
}

std::optional<std::int32_t> Tokenizer::eosId() const {
    return m_parts->eos;
}

bool Tokenizer::templateAddsBos() const {
    return !m_parts->templatePrefix.empty();
}

const std::string& Tokenizer::contentHash() const {
    return m_parts->contentHash;
}

} // namespace crest::text
