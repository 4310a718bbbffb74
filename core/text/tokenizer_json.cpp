// SPDX-License-Identifier: Apache-2.0
// tokenizer.json (version "1.0") of the tokenizers library: model, added tokens, and what holds the parts together.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/text/tokenizer_components.h"
#include "core/text/tokenizer_file.h"
#include "core/text/tokenizer_parts.h"
#include "core/text/unicode.h"

namespace crest::text::detail {
namespace {

constexpr std::size_t kMaxAddedBytes = 4096;
constexpr double kNoMaxLength = 1e15; // written as 1e30 where there is no limit
constexpr std::size_t kMaxUnigramTokenBytes = 1024;
constexpr std::size_t kMaxMergeWork = 400'000'000; // sum of the squared lengths of all pieces; 32,000 usual ones: 3e6

/// Whether a text's first character may become several, which then all stand at its start for the reference.
bool mayLengthenStart(const std::vector<NormalizerStep>& normalizer) {
    using Kind = NormalizerStep::Kind;
    return std::ranges::any_of(normalizer, [](const NormalizerStep& step) {
        const bool replaces = step.kind == Kind::Replace || step.kind == Kind::ReplaceRuns;
        return replaces ? step.content.size() > 1 && codePointAt(step.content, 0).length < step.content.size()
                        : step.kind != Kind::StripAccents && step.kind != Kind::Strip;
    });
}

/// A Metaspace with "first" marks every piece that stands at the start of the text as it was given; only one piece does,
/// but where that text's first character becomes several and these were cut apart before.
Result<void> checkStart(const std::vector<NormalizerStep>& normalizer, const std::vector<PreStep>& steps,
                        const PartReader& reader) {
    bool lengthens = mayLengthenStart(normalizer);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const bool asks = steps[i].kind == PreStep::Kind::Metaspace && steps[i].prepend == PreStep::Prepend::First;
        if (asks && i > 0 && lengthens)
            return reader.unsupported("a Metaspace with \"first\" behind other pre-tokenizers and a normalizer or ByteLevel");
        lengthens = lengthens || steps[i].kind == PreStep::Kind::ByteAlphabet ||
                    steps[i].kind == PreStep::Kind::PrefixSpace || steps[i].kind == PreStep::Kind::Metaspace;
    }
    return {};
}

class Parser {
public:
    Parser(const Json& root, const TokenizerSections& sections, const std::string& where, TokenizerForm form)
        : m_root(root)
        , m_sections(sections)
        , m_where(where)
        , m_reader(where, form == TokenizerForm::SentencePiece)
        , m_form(form) {}

    Result<std::shared_ptr<const TokenizerParts>> parse(std::string_view configText);

private:
    Result<void> readModel();
    Result<void> readBpe(const Json& model);
    Result<void> readUnigram(const Json& model);
    Result<void> readHidden(const Json& model);
    Result<void> makeScoredMerges();
    Result<std::string> affix(const Json& model, const char* key) const;
    bool isByteBpe() const;
    void makeModel(bool bytes);
    Result<void> readAddedTokens();
    Result<AddedToken> readAddedToken(const Json& item, std::size_t index) const;
    void addToken(AddedToken token);
    Result<void> checkNormalizedTokens(const std::vector<AddedToken>& tokens) const;
    void readNotes();
    Result<void> readConfig(std::string_view configText);
    Json hashHead() const;
    std::string hashOfContent() const;

    const Json& m_root;
    const TokenizerSections& m_sections;
    const std::string& m_where;
    PartReader m_reader;
    TokenizerForm m_form;
    std::shared_ptr<TokenizerParts> m_parts = std::make_shared<TokenizerParts>();
    bool m_unigram = false;
    BpeSettings m_settings;
    std::vector<BpeMerge> m_merges;
    std::vector<double> m_scores;
    std::vector<std::int32_t> m_hidden; ///< ids that no text becomes, sorted (SentencePiece)
    std::vector<AddedToken> m_added;
    std::int32_t m_nextAddedId = 0;
};

Result<void> Parser::readModel() {
    const Json& model = field(m_root, "model");
    if (!model.is_object())
        return m_reader.malformed("there is no \"model\"; this is no tokenizer.json");
    const Json& type = field(model, "type");
    m_unigram = type == "Unigram" || (type.is_null() && m_sections.vocab.starts_with('['));
    if (!m_unigram && !type.is_null() && type != "BPE")
        return m_reader.unsupported(fmt::format("the model {}", type.is_string() ? type.get<std::string>().substr(0, 60)
                                                                                 : type.dump().substr(0, 60)));
    CREST_TRY(byteFallback, m_reader.flag(model, "byte_fallback", false));
    m_settings.byteFallback = byteFallback;
    if (m_form == TokenizerForm::SentencePiece) {
        CREST_CHECK(readUnigram(model));
        CREST_CHECK(readHidden(model));
        m_settings.fuseUnknown = true;
        return m_unigram ? Result<void>() : makeScoredMerges();
    }
    return m_unigram ? readUnigram(model) : readBpe(model);
}

Result<void> Parser::readHidden(const Json& model) {
    for (const Json& id : field(model, "hidden")) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= m_scores.size())
            return m_reader.malformed("an id that is hidden is not in the vocabulary");
        m_hidden.push_back(id.get<std::int32_t>());
    }
    std::ranges::sort(m_hidden);
    return {};
}

/// SentencePiece merges whatever two neighbours make a piece, that of the highest score first and the leftmost of equal
/// ones: every cut of every piece into two is a merge.
Result<void> Parser::makeScoredMerges() {
    const TokenTable& vocabulary = m_parts->vocabulary;
    std::vector<std::int32_t> order;
    std::size_t work = 0;
    for (std::int32_t id = 0; id <= vocabulary.largestId(); ++id) {
        if (std::ranges::binary_search(m_hidden, id))
            continue;
        const std::size_t length = vocabulary.tokenOf(id)->size();
        work += length * length;
        order.push_back(id);
    }
    if (work > kMaxMergeWork)
        return m_reader.malformed("the pieces of the vocabulary are too long to be merged");
    const auto score = [&](std::int32_t id) { return m_scores[static_cast<std::size_t>(id)]; };
    std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });
    const auto visible = [&](std::string_view part) {
        const auto id = vocabulary.find(part);
        return id && !std::ranges::binary_search(m_hidden, *id) ? id : std::nullopt;
    };
    std::optional<double> last;
    for (const std::int32_t result : order) {
        const std::string_view token = *vocabulary.tokenOf(result);
        for (std::size_t cut = 1; cut < token.size(); ++cut) {
            const auto left = visible(token.substr(0, cut));
            const auto right = left ? visible(token.substr(cut)) : std::nullopt;
            if (!right)
                continue;
            if (m_merges.size() >= kMaxMerges)
                return m_reader.malformed(fmt::format("more than {} merges", kMaxMerges));
            m_merges.push_back({*left, *right, result, last == score(result)});
            last = score(result);
        }
    }
    return {};
}

Result<std::string> Parser::affix(const Json& model, const char* key) const {
    const Json& value = field(model, key);
    if (!value.is_null() && !value.is_string())
        return m_reader.malformed(fmt::format("\"{}\" must be a text", key));
    return value.is_null() ? std::string() : value.get<std::string>();
}

Result<void> Parser::readBpe(const Json& model) {
    if (const Json& dropout = field(model, "dropout"); !dropout.is_null() && dropout != 0.0)
        return m_reader.unsupported("dropout");
    CREST_TRY(prefix, affix(model, "continuing_subword_prefix"));
    CREST_TRY(suffix, affix(model, "end_of_word_suffix"));
    CREST_TRY(ignoreMerges, m_reader.flag(model, "ignore_merges", false));
    CREST_TRY(fuse, m_reader.flag(model, "fuse_unk", false));
    m_settings.continuingPrefix = std::move(prefix);
    m_settings.wordSuffix = std::move(suffix);
    m_settings.ignoreMerges = ignoreMerges;
    m_settings.fuseUnknown = fuse;
    CREST_CHECK(readVocabularyObject(m_sections.vocab, m_where, m_parts->vocabulary));
    CREST_CHECK(
        readMerges(m_sections.merges, m_where, m_parts->vocabulary, m_settings.continuingPrefix.size(), m_merges));
    const Json& unknown = field(model, "unk_token");
    if (unknown.is_null())
        return {};
    if (!unknown.is_string())
        return m_reader.malformed("the unk_token of the model must be a text");
    m_settings.unknown = m_parts->vocabulary.find(unknown.get_ref<const std::string&>());
    if (!m_settings.unknown)
        return m_reader.malformed("the unk_token of the model is not in its vocabulary");
    return {};
}

Result<void> Parser::readUnigram(const Json& model) {
    CREST_CHECK(readScoredVocabulary(m_sections.vocab, m_where, m_parts->vocabulary, m_scores));
    const Json& unknown = field(model, "unk_id");
    if (unknown.is_null())
        return m_reader.unsupported("a Unigram model without unk_id");
    if (!unknown.is_number_unsigned() || unknown.get<std::uint64_t>() >= m_scores.size())
        return m_reader.malformed("the unk_id of the model is not in its vocabulary");
    m_settings.unknown = unknown.get<std::int32_t>();
    std::size_t bytes = 0;
    for (std::size_t id = 0; id < m_scores.size(); ++id) {
        const std::size_t length = m_parts->vocabulary.tokenOf(static_cast<std::int32_t>(id))->size();
        if (length > kMaxUnigramTokenBytes)
            return m_reader.malformed(
                fmt::format("token {} has {} bytes, the limit is {}", id, length, kMaxUnigramTokenBytes));
        bytes += length;
    }
    if (bytes > PrefixTrie::kMaxBytes)
        return m_reader.malformed(fmt::format("{} bytes of tokens, the limit is {}", bytes, PrefixTrie::kMaxBytes));
    return {};
}

/// Whether the last thing before the model is the byte alphabet, so that pieces may stay plain bytes.
bool Parser::isByteBpe() const {
    return !m_unigram && !m_settings.byteFallback && m_settings.continuingPrefix.empty() &&
           m_settings.wordSuffix.empty() && !m_parts->preSteps.empty() &&
           m_parts->preSteps.back().kind == PreStep::Kind::ByteAlphabet;
}

void Parser::makeModel(bool bytes) {
    const TokenTable& vocabulary = m_parts->vocabulary;
    if (m_unigram)
        m_parts->model =
            std::make_unique<Unigram>(vocabulary, std::move(m_scores),
                                      Unigram::Settings{*m_settings.unknown, m_settings.byteFallback,
                                                        m_form == TokenizerForm::SentencePiece, std::move(m_hidden)});
    else if (bytes)
        m_parts->model = std::make_unique<ByteBpe>(vocabulary, m_settings, m_merges);
    else
        m_parts->model = std::make_unique<CharBpe>(vocabulary, m_settings, m_merges);
}

Result<AddedToken> Parser::readAddedToken(const Json& item, std::size_t index) const {
    const Json& content = item.is_object() ? field(item, "content") : item;
    if (!content.is_string())
        return m_reader.malformed(fmt::format("added token {} has no content", index));
    AddedToken token;
    token.content = content.get<std::string>();
    if (token.content.size() > kMaxAddedBytes)
        return m_reader.malformed(fmt::format("added token {} has more than {} bytes", index, kMaxAddedBytes));
    const std::pair<const char*, bool*> flags[] = {{"special", &token.special},
                                                   {"normalized", &token.normalized},
                                                   {"lstrip", &token.lstrip},
                                                   {"rstrip", &token.rstrip},
                                                   {"single_word", &token.singleWord}};
    for (const auto& [key, value] : flags) {
        if (!item.is_object())
            return m_reader.malformed(fmt::format("added token {} is no object", index));
        CREST_TRY(read, m_reader.flag(item, key, std::nullopt));
        *value = read;
    }
    return token;
}

/// The id is the model's where that has the token, else the next free behind its vocabulary, whatever the file says:
/// that is what the reference does.
void Parser::addToken(AddedToken token) {
    const std::optional<std::int32_t> known = m_parts->vocabulary.find(token.content);
    token.id = known ? *known : m_nextAddedId++;
    m_parts->tokenCount += known ? 0 : 1;
    m_parts->largestId = std::max(m_parts->largestId, token.id);
    m_parts->idOfAdded.emplace(token.content, token.id);
    // The normalized form is what is looked for and what the id decodes to; SentencePiece keeps its symbols.
    if (token.normalized && m_form != TokenizerForm::SentencePiece)
        token.content = normalize(m_parts->normalizer, token.content);
    m_parts->addedOfId[token.id] = {token.content, false};
    m_added.push_back(std::move(token));
}

/// Whether the tokenizer has an EOS and no BOS: older versions leave out what is null, and a class of no family has no token but those named.
bool hasOnlyEnd(const Json& config) {
    const Json& kind = field(config, "tokenizer_class");
    const bool general = kind.is_null() || kind == "PreTrainedTokenizerFast" || kind == "TokenizersBackend";
    return general && !config.contains("bos_token") && !field(config, "eos_token").is_null();
}

/// What no text is cut at in a way that is worth having: the reference cuts between all characters for the first, and
/// takes either of the second by chance.
Result<void> Parser::checkNormalizedTokens(const std::vector<AddedToken>& tokens) const {
    std::set<std::string_view> contents;
    for (const AddedToken& token : tokens) {
        if (token.content.empty())
            return m_reader.unsupported(fmt::format("the added token {}, of which the normalizer leaves nothing,", token.id));
        if (!contents.insert(token.content).second)
            return m_reader.unsupported(fmt::format("the added token \"{}\", which the normalizer makes equal to another,",
                                                    token.content.substr(0, 60)));
    }
    return {};
}

Result<void> Parser::readAddedTokens() {
    const Json& list = field(m_root, "added_tokens");
    if (!list.is_array() && !list.is_null())
        return m_reader.malformed("\"added_tokens\" must be a list");
    m_parts->tokenCount = m_parts->vocabulary.size();
    m_parts->largestId = m_parts->vocabulary.largestId();
    m_nextAddedId = static_cast<std::int32_t>(m_parts->vocabulary.size());
    std::vector<std::string> specials;
    for (std::size_t i = 0; i < list.size(); ++i) {
        CREST_TRY(token, readAddedToken(list[i], i));
        if (token.content.empty())
            continue;
        if (m_parts->idOfAdded.contains(token.content))
            return m_reader.malformed(fmt::format("the added token \"{}\" occurs twice", token.content.substr(0, 60)));
        if (token.special)
            specials.push_back(token.content);
        addToken(std::move(token));
    }
    // What is decoded is compared with the special contents as they are written.
    std::ranges::sort(specials);
    for (auto& [id, entry] : m_parts->addedOfId)
        entry.special = std::ranges::binary_search(specials, entry.written);
    for (const auto* ids : {&m_parts->templatePrefix, &m_parts->templateSuffix})
        for (const std::int32_t id : *ids)
            m_parts->largestId = std::max(m_parts->largestId, id);
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    for (const AddedToken& token : m_added)
        (token.normalized ? normalized : raw).push_back(token);
    CREST_CHECK(checkNormalizedTokens(normalized));
    m_parts->rawAdded = AddedTokenMatcher(std::move(raw));
    m_parts->normalizedAdded = AddedTokenMatcher(std::move(normalized));
    return {};
}

void Parser::readNotes() {
    if (const Json& truncation = field(m_root, "truncation"); truncation.is_object()) {
        const Json& length = field(truncation, "max_length");
        m_parts->notes.push_back(fmt::format("the file would cut every text to {} tokens; Crest takes texts whole",
                                             length.is_number() ? length.dump() : "some"));
    }
    if (field(m_root, "padding").is_object())
        m_parts->notes.push_back("the file would fill short texts up with padding tokens; Crest adds none");
}

Result<void> Parser::readConfig(std::string_view configText) {
    Json config = Json::object();
    if (!configText.empty()) {
        const std::string where = m_where + " (its tokenizer_config.json)";
        CREST_TRY(parsed, parseBounded(configText, where));
        if (!parsed.is_object())
            return m_reader.malformed("tokenizer_config.json is no object");
        config = std::move(parsed);
    }
    const auto choose = [&](const char* key, const char* usual) -> std::optional<std::int32_t> {
        if (config.contains(key)) {
            const Json& token = config[key].is_object() ? field(config[key], "content") : config[key];
            return token.is_string() ? m_parts->idOf(token.get<std::string>()) : std::nullopt;
        }
        for (const std::string name : {"<|endoftext|>", usual})
            if (const auto added = m_parts->idOfAdded.find(name); added != m_parts->idOfAdded.end())
                return added->second;
        return std::nullopt;
    };
    const bool namesOnlyEnd = m_form != TokenizerForm::SentencePiece && hasOnlyEnd(config);
    m_parts->bos = namesOnlyEnd ? std::nullopt : choose("bos_token", "<s>");
    if (!m_parts->bos && !namesOnlyEnd && !config.contains("bos_token") && !m_parts->templatePrefix.empty())
        m_parts->bos = m_parts->templatePrefix.front();
    m_parts->eos = choose("eos_token", "</s>");
    if (const Json& length = field(config, "model_max_length");
        length.is_number() && length.get<double>() >= 1 && length.get<double>() < kNoMaxLength)
        m_parts->maxLength = static_cast<std::int64_t>(length.get<double>());
    m_parts->cleansUp = m_unigram && field(config, "clean_up_tokenization_spaces") == true;
    if (m_form == TokenizerForm::SentencePiece && !config.contains("add_bos_token") && m_parts->bos)
        m_parts->notes.push_back(
            "tokenizer_config.json does not say add_bos_token; as in transformers 5, no BOS is put "
            "in front of a text");
    return {};
}

/// Byte-level BPE of the first version has the keys that it had then, so that data packed with it stay known.
Json Parser::hashHead() const {
    Json head;
    head["format"] = "crest tokenizer 1";
    const bool nfcOnly = std::ranges::all_of(
        m_parts->normalizer, [](const NormalizerStep& step) { return step.kind == NormalizerStep::Kind::Nfc; });
    head["nfc"] = nfcOnly && !m_parts->normalizer.empty();
    for (const NormalizerStep& s : m_parts->normalizer)
        if (!nfcOnly)
            head["normalizer"].push_back({static_cast<int>(s.kind), s.pattern, s.content, s.left, s.right});
    for (const PreStep& s : m_parts->preSteps) {
        if (s == PreStep{s.kind} && s.kind <= PreStep::Kind::DigitRuns)
            head["pre"].push_back(static_cast<int>(s.kind));
        else
            head["pre"].push_back({static_cast<int>(s.kind), static_cast<int>(s.behavior), s.invert, s.text, s.count,
                                   static_cast<int>(s.prepend)});
    }
    head["ignore_merges"] = m_settings.ignoreMerges;
    head["unknown"] = m_settings.unknown.value_or(-1);
    head["fuse"] = m_settings.fuseUnknown;
    if (m_unigram || m_settings.byteFallback || !m_settings.continuingPrefix.empty() || !m_settings.wordSuffix.empty())
        head["model"] = {m_unigram, m_settings.byteFallback, m_settings.continuingPrefix, m_settings.wordSuffix};
    if (m_form == TokenizerForm::SentencePiece)
        head["sentencepiece"] = m_hidden;
    head["prefix"] = m_parts->templatePrefix;
    head["suffix"] = m_parts->templateSuffix;
    for (const AddedToken& t : m_added)
        head["added"].push_back({t.id, t.content, t.special, t.normalized, t.lstrip, t.rstrip, t.singleWord});
    return head;
}

std::string Parser::hashOfContent() const {
    Sha256 hash;
    hash.update(canonicalJson(hashHead()));
    for (std::int32_t id = 0; id <= m_parts->largestId; ++id)
        if (const auto token = m_parts->tokenOf(id)) {
            hash.update(fmt::format("\n{} {} ", id, token->size()));
            hash.update(*token);
        }
    for (const BpeMerge& merge : m_merges)
        hash.update(fmt::format("\n{} {} {}", merge.left, merge.right, merge.result));
    for (const double score : m_scores)
        hash.update(fmt::format("\n{}", score));
    return hash.finishHex();
}

Result<std::shared_ptr<const TokenizerParts>> Parser::parse(std::string_view configText) {
    const Json& version = field(m_root, "version");
    if (!version.is_null() && version != "1.0")
        return m_reader.unsupported(fmt::format("the version {} of the format", version.dump().substr(0, 60)));
    CREST_TRY(normalizer, readNormalizer(field(m_root, "normalizer"), m_reader));
    CREST_TRY(preSteps, readPreTokenizer(field(m_root, "pre_tokenizer"), m_reader));
    CREST_TRY(decoder, readDecoder(field(m_root, "decoder"), m_reader));
    CREST_TRY(templateIds, readPostProcessor(field(m_root, "post_processor"), m_reader));
    CREST_CHECK(checkStart(normalizer, preSteps, m_reader));
    m_parts->normalizer = std::move(normalizer);
    m_parts->preSteps = std::move(preSteps);
    m_parts->decoder = std::move(decoder);
    m_parts->templatePrefix = std::move(templateIds.prefix);
    m_parts->templateSuffix = std::move(templateIds.suffix);
    CREST_CHECK(readModel());
    CREST_CHECK(readAddedTokens());
    CREST_CHECK(readConfig(configText));
    readNotes();
    const bool bytes = isByteBpe();
    if (bytes)
        m_parts->preSteps.pop_back();
    // A tokenizer of bytes has no other decoder that gives its text back.
    if (bytes && m_parts->decoder.empty())
        m_parts->decoder.push_back({});
    m_parts->contentHash = hashOfContent();
    makeModel(bytes);
    return std::shared_ptr<const TokenizerParts>(std::move(m_parts));
}

} // namespace

Result<std::shared_ptr<const TokenizerParts>> parseTokenizer(std::string_view text, const std::string& where,
                                                             std::string_view configText, TokenizerForm form) {
    const TokenizerSections sections = findSections(text);
    if (sections.longestString > kMaxStringBytes)
        return fail(ErrorKind::Malformed,
                    fmt::format("a text of {} bytes, the limit is {}", sections.longestString, kMaxStringBytes), where);
    CREST_TRY(root, parseBounded(sections.rest, where));
    if (!root.is_object())
        return fail(ErrorKind::Malformed, "the file is no JSON object; this is no tokenizer.json", where);
    return Parser(root, sections, where, form).parse(configText);
}

} // namespace crest::text::detail
