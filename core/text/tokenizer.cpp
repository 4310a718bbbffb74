// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/tokenizer_config.h"
#include "core/text/tokenizer_file.h"
#include "core/text/tokenizer_parts.h"
#include "core/text/unicode.h"
#include "core/text/vocabulary_files.h"

namespace crest::text {
namespace {

namespace fs = std::filesystem;

Error missingTokenizer(const fs::path& file) {
    return {
        ErrorKind::NotFound,
        "there is no tokenizer.json, vocab.json with merges.txt, or tokenizer.model; copy the tokenizer of this model "
        "beside its weights",
        file.string()};
}

/// clean_up_tokenization of transformers.
std::string withoutSpaceBeforePunctuation(std::string text) {
    for (const std::string_view spaced : {" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"})
        text = replaceAll(text, spaced, spaced == " ' " ? "'" : spaced.substr(1));
    return text;
}

/// Ids of text between added tokens that are looked for before normalization.
void encodeSegment(const detail::TokenizerParts& parts, std::string_view text, bool atStart,
                   std::vector<std::int32_t>& out) {
    std::string normalized;
    if (!leavesAsIs(parts.normalizer, text)) {
        bool keepsStart = true;
        normalized = normalize(parts.normalizer, text, &keepsStart, atStart);
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

Result<Tokenizer> Tokenizer::load(const fs::path& place) {
    std::error_code ignored;
    const bool isFolder = fs::is_directory(place, ignored);
    const fs::path folder = isFolder ? place : place.parent_path();
    const fs::path file = isFolder ? place / "tokenizer.json" : place;
    const auto has = [&](const char* name) { return fs::exists(folder / name, ignored); };
    const bool named = fs::exists(file, ignored);
    CREST_TRY(config, detail::readTokenizerConfig(folder));
    if (named && file.extension() != ".model") {
        CREST_TRY(text, io::readTextFile(file, detail::kMaxFileBytes));
        return fromJson(text, file.string(), canonicalJson(config));
    }
    if (!named && has("vocab.json") && has("merges.txt")) {
        CREST_TRY(text, detail::tokenizerOfVocabularyFiles(folder, config));
        return fromJson(text, folder.string(), canonicalJson(config));
    }
    const fs::path model = named ? file : folder / "tokenizer.model";
    if (!named && !fs::exists(model, ignored))
        return fail(missingTokenizer(file));
    CREST_TRY(described, detail::describeSentencePiece(model));
    return fromDescription(described, model.string(), canonicalJson(config));
}

Result<Tokenizer> Tokenizer::fromDescription(std::string_view described, std::string where,
                                             std::string_view configText) {
    Json config = Json::object();
    if (!configText.empty()) {
        CREST_TRY(parsed, detail::parseBounded(configText, where));
        if (!parsed.is_object())
            return fail(ErrorKind::Malformed, "tokenizer_config.json is no object", where);
        config = std::move(parsed);
    }
    CREST_TRY(text, detail::tokenizerOfDescription(described, where, config));
    CREST_TRY(parts, detail::parseTokenizer(text, where, canonicalJson(config), detail::TokenizerForm::SentencePiece));
    return Tokenizer(std::move(parts));
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
    std::string text = decodeTokens(m_parts->decoder, std::move(tokens));
    return m_parts->cleansUp ? withoutSpaceBeforePunctuation(std::move(text)) : text;
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

bool Tokenizer::isSpecial(std::int32_t id) const {
    const auto added = m_parts->addedOfId.find(id);
    return added != m_parts->addedOfId.end() && added->second.special;
}

std::optional<std::int64_t> Tokenizer::maxLength() const {
    return m_parts->maxLength;
}

std::optional<std::int32_t> Tokenizer::prefixId() const {
    return m_parts->bos ? m_parts->bos : m_parts->eos;
}

std::string Tokenizer::prefixText() const {
    const std::optional<std::int32_t> id = prefixId();
    return id ? decode(std::span(&*id, 1)) : std::string();
}

std::vector<std::int32_t> Tokenizer::encodeForScoring(std::string_view utf8) const {
    const std::string prefix = prefixText();
    const bool there = prefixId().has_value() && utf8.starts_with(prefix);
    return encode(utf8, there ? Specials::None : Specials::Template);
}

const std::string& Tokenizer::contentHash() const {
    return m_parts->contentHash;
}

} // namespace crest::text
