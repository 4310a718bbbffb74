// SPDX-License-Identifier: Apache-2.0
// tokenizer.json (version "1.0") of the tokenizers library, the part of it that byte-level BPE needs. What else it may
// hold is refused by name, because ids that are nearly right are worse than none.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/text/byte_alphabet.h"
#include "core/text/normalizer.h"
#include "core/text/tokenizer_parts.h"

namespace crest::text::detail {
namespace {

constexpr std::size_t kMaxTokens = 4'000'000;
constexpr std::size_t kMaxValues =
    8'000'000; // JSON values of a file; 600,000 merges and 260,000 tokens need 2.1 million
constexpr std::int64_t kMaxId = 16'777'215;
constexpr std::size_t kMaxAddedBytes = 4096;

/// An upper bound of the values in a JSON text, so that a hostile one is refused before memory is spent on it.
std::size_t countValues(std::string_view text) {
    std::size_t count = 1;
    bool inString = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (inString) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                inString = false;
        } else if (c == '"') {
            inString = true;
        } else if (c == ',' || c == '[' || c == '{') {
            ++count;
        }
    }
    return count;
}

class Parser {
public:
    Parser(const Json& root, const std::string& where)
        : m_root(root)
        , m_where(where) {}

    Result<std::shared_ptr<const TokenizerParts>> parse(std::string_view configText);

private:
    tl::unexpected<Error> malformed(std::string message) const {
        return fail(ErrorKind::Malformed, std::move(message), m_where);
    }
    tl::unexpected<Error> unsupported(std::string_view what) const {
        return fail(
            ErrorKind::Unsupported,
            fmt::format(
                "{} is not supported; Crest reads byte-level BPE (GPT-2, GPT-NeoX, OLMo, Llama 3, Qwen2, SmolLM)",
                what),
            m_where);
    }
    /// A field of an object, null where it is absent.
    static const Json& field(const Json& object, const char* key) {
        static const Json null;
        const auto found = object.find(key);
        return found == object.end() ? null : *found;
    }
    Result<bool> flag(const Json& object, const char* key, std::optional<bool> absent) const;
    Result<std::string> typeOf(const Json& component, const char* what) const;
    /// The members of a Sequence, or the component alone.
    Result<std::vector<const Json*>> members(const Json& component, const char* what, const char* listKey) const;

    Result<void> readModel();
    Result<void> readModelSettings(const Json& model);
    Result<void> readVocabulary(const Json& vocab);
    Result<void> readMerges(const Json& merges);
    Result<std::pair<std::string, std::string>> mergeParts(const Json& merge, std::size_t rank) const;
    Result<void> readNormalizer();
    Result<void> readPreTokenizer();
    Result<void> readByteLevel(const Json& component);
    Result<void> readSplit(const Json& component);
    Result<void> readDecoder() const;
    Result<void> readAddedTokens();
    Result<AddedToken> readAddedToken(const Json& item, std::size_t index) const;
    Result<void> readPostProcessor();
    Result<void> readTemplate(const Json& component);
    Result<void> readConfig(std::string_view configText);
    std::string hashOfContent() const;

    const Json& m_root;
    const std::string& m_where;
    std::shared_ptr<TokenizerParts> m_parts = std::make_shared<TokenizerParts>();
    BpeFacts m_facts;
    std::vector<AddedToken> m_added;
    bool m_ignoreMerges = false;
};

Result<bool> Parser::flag(const Json& object, const char* key, std::optional<bool> absent) const {
    const Json& value = field(object, key);
    if (value.is_boolean())
        return value.get<bool>();
    if (value.is_null() && absent)
        return *absent;
    return malformed(fmt::format("\"{}\" must be true or false", key));
}

Result<std::string> Parser::typeOf(const Json& component, const char* what) const {
    if (!component.is_object() || !field(component, "type").is_string())
        return malformed(fmt::format("the {} has no \"type\"", what));
    return component["type"].get<std::string>();
}

Result<std::vector<const Json*>> Parser::members(const Json& component, const char* what, const char* listKey) const {
    std::vector<const Json*> list;
    if (component.is_null())
        return list;
    CREST_TRY(type, typeOf(component, what));
    if (type != "Sequence") {
        list.push_back(&component);
        return list;
    }
    const Json& items = field(component, listKey);
    if (!items.is_array())
        return malformed(fmt::format("the {} Sequence has no list \"{}\"", what, listKey));
    for (const Json& item : items)
        list.push_back(&item);
    return list;
}

Result<void> Parser::readModelSettings(const Json& model) {
    if (const Json& type = field(model, "type"); !type.is_null() && type != "BPE")
        return unsupported(fmt::format("the model {}", type.is_string() ? type.get<std::string>().substr(0, 60)
                                                                        : type.dump().substr(0, 60)));
    CREST_TRY(byteFallback, flag(model, "byte_fallback", false));
    if (byteFallback)
        return unsupported("byte_fallback (SentencePiece BPE)");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
        if (const Json& affix = field(model, key); !affix.is_null() && affix != "")
            return unsupported(fmt::format("a {}", key));
    if (const Json& dropout = field(model, "dropout"); !dropout.is_null() && dropout != 0.0)
        return unsupported("dropout");
    CREST_TRY(ignoreMerges, flag(model, "ignore_merges", false));
    CREST_TRY(fuse, flag(model, "fuse_unk", false));
    m_ignoreMerges = ignoreMerges;
    m_facts.fuseUnknown = fuse;
    return {};
}

Result<void> Parser::readModel() {
    const Json& model = field(m_root, "model");
    if (!model.is_object())
        return malformed("there is no \"model\"; this is no tokenizer.json");
    CREST_CHECK(readModelSettings(model));
    CREST_CHECK(readVocabulary(field(model, "vocab")));
    CREST_CHECK(readMerges(field(model, "merges")));
    if (const Json& unknown = field(model, "unk_token"); unknown.is_string()) {
        const auto found = m_parts->idOfToken.find(unknown.get<std::string>());
        if (found == m_parts->idOfToken.end())
            return malformed("the unk_token of the model is not in its vocabulary");
        m_facts.unknown = found->second;
    } else if (!unknown.is_null()) {
        return malformed("the unk_token of the model must be a text");
    }
    return {};
}

Result<void> Parser::readVocabulary(const Json& vocab) {
    if (!vocab.is_object())
        return malformed("the model has no \"vocab\" of tokens and ids");
    if (vocab.size() > kMaxTokens)
        return malformed(fmt::format("{} tokens, the limit is {}", vocab.size(), kMaxTokens));
    m_facts.idOfByte.fill(-1);
    m_parts->idOfToken.reserve(vocab.size());
    m_parts->tokenOfId.reserve(vocab.size());
    for (const auto& [token, value] : vocab.items()) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxId))
            return malformed(fmt::format("the id of token \"{}\" is {}, it must be from 0 to {}", token.substr(0, 60),
                                         value.dump().substr(0, 40), kMaxId));
        const auto id = value.get<std::int32_t>();
        const std::optional<std::string> bytes = fromByteAlphabet(token);
        if (!m_parts->tokenOfId.try_emplace(id, TokenEntry{token, bytes.value_or(token), false}).second)
            return malformed(fmt::format("two tokens have the id {}", id));
        m_parts->idOfToken.emplace(token, id);
        m_parts->largestId = std::max(m_parts->largestId, id);
        if (bytes && bytes->size() == 1)
            m_facts.idOfByte[static_cast<unsigned char>((*bytes)[0])] = id;
        if (bytes && m_ignoreMerges)
            m_facts.wholeWords.emplace(*bytes, id);
    }
    return {};
}

Result<std::pair<std::string, std::string>> Parser::mergeParts(const Json& merge, std::size_t rank) const {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
        return std::pair{merge[0].get<std::string>(), merge[1].get<std::string>()};
    if (merge.is_string()) {
        const auto& line = merge.get_ref<const std::string&>();
        const std::size_t space = line.find(' ');
        if (space != std::string::npos && line.find(' ', space + 1) == std::string::npos)
            return std::pair{line.substr(0, space), line.substr(space + 1)};
    }
    return malformed(fmt::format("merge {} must be two tokens", rank));
}

Result<void> Parser::readMerges(const Json& merges) {
    if (!merges.is_array())
        return malformed("the model has no list \"merges\"");
    if (merges.size() > kMaxTokens)
        return malformed(fmt::format("{} merges, the limit is {}", merges.size(), kMaxTokens));
    m_facts.merges.reserve(merges.size());
    for (const Json& merge : merges) {
        if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version"))
            continue;
        const std::size_t rank = m_facts.merges.size();
        CREST_TRY(parts, mergeParts(merge, rank));
        const auto left = m_parts->idOfToken.find(parts.first);
        const auto right = m_parts->idOfToken.find(parts.second);
        const auto result = m_parts->idOfToken.find(parts.first + parts.second);
        const auto end = m_parts->idOfToken.end();
        if (left == end || right == end || result == end)
            return malformed(
                fmt::format("merge {} (\"{}\" and \"{}\") has a part or a result that is not in the vocabulary", rank,
                            parts.first.substr(0, 60), parts.second.substr(0, 60)));
        m_facts.merges.push_back({left->second, right->second, result->second});
    }
    return {};
}

Result<void> Parser::readNormalizer() {
    CREST_TRY(list, members(field(m_root, "normalizer"), "normalizer", "normalizers"));
    for (const Json* item : list) {
        CREST_TRY(type, typeOf(*item, "normalizer"));
        if (type != "NFC")
            return unsupported(fmt::format("the normalizer {}", type.substr(0, 60)));
        m_parts->nfc = true;
    }
    return {};
}

Result<void> Parser::readByteLevel(const Json& component) {
    CREST_TRY(prefixSpace, flag(component, "add_prefix_space", std::nullopt));
    CREST_TRY(regex, flag(component, "use_regex", true));
    if (prefixSpace)
        m_parts->preSteps.push_back(PreStep::PrefixSpace);
    if (regex)
        m_parts->preSteps.push_back(PreStep::Gpt2);
    return {};
}

Result<void> Parser::readSplit(const Json& component) {
    const Json& pattern = field(component, "pattern");
    const Json& regex = pattern.is_object() ? field(pattern, "Regex") : pattern;
    if (!regex.is_string())
        return unsupported("a Split without a regular expression");
    CREST_TRY(invert, flag(component, "invert", std::nullopt));
    const Json& behavior = field(component, "behavior");
    if (!(behavior == "Isolated" && !invert) && !(behavior == "Removed" && invert))
        return unsupported(
            fmt::format("a Split with behavior {}{}", behavior.dump().substr(0, 60), invert ? " inverted" : ""));
    const auto& text = regex.get_ref<const std::string&>();
    if (text == kGpt2Pattern)
        m_parts->preSteps.push_back(PreStep::Gpt2);
    else if (text == kCl100kPattern)
        m_parts->preSteps.push_back(PreStep::Cl100k);
    else if (text == kQwen2Pattern)
        m_parts->preSteps.push_back(PreStep::Qwen2);
    else
        return unsupported(fmt::format("a Split by the regular expression {}", text.substr(0, 120)));
    return {};
}

Result<void> Parser::readPreTokenizer() {
    CREST_TRY(list, members(field(m_root, "pre_tokenizer"), "pre-tokenizer", "pretokenizers"));
    bool byteLevel = false;
    for (const Json* item : list) {
        CREST_TRY(type, typeOf(*item, "pre-tokenizer"));
        if (byteLevel)
            return unsupported(fmt::format("the pre-tokenizer {} after ByteLevel", type.substr(0, 60)));
        if (type == "ByteLevel") {
            byteLevel = true;
            CREST_CHECK(readByteLevel(*item));
        } else if (type == "Split") {
            CREST_CHECK(readSplit(*item));
        } else if (type == "Digits") {
            CREST_TRY(individual, flag(*item, "individual_digits", std::nullopt));
            m_parts->preSteps.push_back(individual ? PreStep::EachDigit : PreStep::DigitRuns);
        } else {
            return unsupported(fmt::format("the pre-tokenizer {}", type.substr(0, 60)));
        }
    }
    if (!byteLevel)
        return unsupported("a BPE over characters (without the pre-tokenizer ByteLevel)");
    return {};
}

/// No decoder means ByteLevel here: a tokenizer of bytes has no other that gives its text back.
Result<void> Parser::readDecoder() const {
    CREST_TRY(list, members(field(m_root, "decoder"), "decoder", "decoders"));
    for (const Json* item : list) {
        CREST_TRY(type, typeOf(*item, "decoder"));
        if (type != "ByteLevel" || list.size() > 1)
            return unsupported(fmt::format("the decoder {}", type.substr(0, 60)));
    }
    return {};
}

Result<AddedToken> Parser::readAddedToken(const Json& item, std::size_t index) const {
    const auto wrong = [&](const char* what) { return malformed(fmt::format("added token {} {}", index, what)); };
    if (!item.is_object() || !field(item, "content").is_string())
        return wrong("has no text \"content\"");
    AddedToken token;
    token.content = item["content"].get<std::string>();
    if (token.content.size() > kMaxAddedBytes)
        return wrong("is longer than 4096 bytes");
    const std::pair<const char*, bool*> flags[] = {{"special", &token.special},
                                                   {"normalized", &token.normalized},
                                                   {"lstrip", &token.lstrip},
                                                   {"rstrip", &token.rstrip},
                                                   {"single_word", &token.singleWord}};
    for (const auto& [key, target] : flags) {
        CREST_TRY(value, flag(item, key, std::nullopt));
        *target = value;
    }
    return token;
}

/// Ids as the reference gives them: that of the vocabulary, else the next free one; the number in the file is not
/// looked at.
Result<void> Parser::readAddedTokens() {
    const Json& list = field(m_root, "added_tokens");
    if (!list.is_array() && !list.is_null())
        return malformed("\"added_tokens\" must be a list");
    const auto vocabSize = static_cast<std::int32_t>(m_parts->idOfToken.size());
    std::int32_t largestAdded = -1;
    std::unordered_map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
        CREST_TRY(token, readAddedToken(list[i], i));
        if (token.content.empty())
            continue;
        if (!seen.emplace(token.content, i).second)
            return malformed(fmt::format("the added token \"{}\" occurs twice", token.content.substr(0, 60)));
        const auto known = m_parts->idOfToken.find(token.content);
        token.id = known != m_parts->idOfToken.end() ? known->second
                   : largestAdded >= vocabSize       ? largestAdded + 1
                                                     : vocabSize;
        largestAdded = std::max(largestAdded, token.id);
        m_parts->largestId = std::max(m_parts->largestId, token.id);
        m_parts->idOfToken.emplace(token.content, token.id);
        // The normalized form is what is looked for and what the id decodes to.
        if (token.normalized && m_parts->nfc)
            token.content = toNfc(token.content);
        m_parts->tokenOfId[token.id] = {token.content, fromByteAlphabet(token.content).value_or(token.content),
                                        token.special};
        m_added.push_back(std::move(token));
    }
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    for (const AddedToken& token : m_added)
        (token.normalized ? normalized : raw).push_back(token);
    m_parts->rawAdded = AddedTokenMatcher(std::move(raw));
    m_parts->normalizedAdded = AddedTokenMatcher(std::move(normalized));
    return {};
}

Result<void> Parser::readTemplate(const Json& component) {
    const Json& single = field(component, "single");
    if (!single.is_array())
        return malformed("the TemplateProcessing has no list \"single\"");
    const Json& specials = field(component, "special_tokens");
    bool afterText = false;
    for (const Json& item : single) {
        if (item.is_object() && item.contains("Sequence") && !afterText) {
            afterText = true;
            continue;
        }
        const Json& special = item.is_object() ? field(item, "SpecialToken") : item;
        if (!special.is_object() || !field(special, "id").is_string() || !specials.is_object())
            return unsupported("this template of the TemplateProcessing");
        const Json& entry = field(specials, special["id"].get_ref<const std::string&>().c_str());
        const Json& ids = entry.is_object() ? field(entry, "ids") : entry;
        if (!ids.is_array())
            return malformed("a special token of the TemplateProcessing has no ids");
        for (const Json& id : ids) {
            if (!id.is_number_unsigned() || id.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxId))
                return malformed("an id of the TemplateProcessing is out of range");
            (afterText ? m_parts->templateSuffix : m_parts->templatePrefix).push_back(id.get<std::int32_t>());
        }
    }
    if (!afterText)
        return unsupported("a TemplateProcessing without the text");
    return {};
}

Result<void> Parser::readPostProcessor() {
    CREST_TRY(list, members(field(m_root, "post_processor"), "post-processor", "processors"));
    bool templateSeen = false;
    for (const Json* item : list) {
        CREST_TRY(type, typeOf(*item, "post-processor"));
        if (type == "ByteLevel") // moves offsets only
            continue;
        if (type != "TemplateProcessing" || templateSeen)
            return unsupported(
                fmt::format("the post-processor {}{}", type.substr(0, 60), templateSeen ? " after a template" : ""));
        templateSeen = true;
        CREST_CHECK(readTemplate(*item));
    }
    return {};
}

Result<void> Parser::readConfig(std::string_view configText) {
    Json config = Json::object();
    if (!configText.empty()) {
        CREST_TRY(parsed, parseJson(configText, m_where + " (its tokenizer_config.json)"));
        if (!parsed.is_object())
            return malformed("tokenizer_config.json is no object");
        config = std::move(parsed);
    }
    const auto idOf = [&](const std::string& token) -> std::optional<std::int32_t> {
        const auto found = m_parts->idOfToken.find(token);
        return found == m_parts->idOfToken.end() ? std::nullopt : std::optional(found->second);
    };
    const auto choose = [&](const char* key, const char* usual) -> std::optional<std::int32_t> {
        if (config.contains(key)) {
            const Json& token = config[key].is_object() ? field(config[key], "content") : config[key];
            return token.is_string() ? idOf(token.get<std::string>()) : std::nullopt;
        }
        for (const std::string name : {"<|endoftext|>", usual})
            for (const AddedToken& token : m_added)
                if (token.content == name)
                    return token.id;
        return std::nullopt;
    };
    m_parts->bos = choose("bos_token", "<s>");
    if (!m_parts->bos && !m_parts->templatePrefix.empty())
        m_parts->bos = m_parts->templatePrefix.front();
    m_parts->eos = choose("eos_token", "</s>");
    return {};
}

std::string Parser::hashOfContent() const {
    Json head;
    head["format"] = "crest tokenizer 1";
    head["nfc"] = m_parts->nfc;
    for (const PreStep step : m_parts->preSteps)
        head["pre"].push_back(static_cast<int>(step));
    head["ignore_merges"] = m_ignoreMerges;
    head["unknown"] = m_facts.unknown.value_or(-1);
    head["fuse"] = m_facts.fuseUnknown;
    head["prefix"] = m_parts->templatePrefix;
    head["suffix"] = m_parts->templateSuffix;
    for (const AddedToken& t : m_added)
        head["added"].push_back({t.id, t.content, t.special, t.normalized, t.lstrip, t.rstrip, t.singleWord});
    Sha256 hash;
    hash.update(canonicalJson(head));
    std::vector<std::pair<std::int32_t, const std::string*>> tokens;
    tokens.reserve(m_parts->tokenOfId.size());
    for (const auto& [id, entry] : m_parts->tokenOfId)
        tokens.emplace_back(id, &entry.written);
    std::ranges::sort(tokens);
    for (const auto& [id, written] : tokens) {
        hash.update(fmt::format("\n{} {} ", id, written->size()));
        hash.update(*written);
    }
    for (const BpeMerge& merge : m_facts.merges)
        hash.update(fmt::format("\n{} {} {}", merge.left, merge.right, merge.result));
    return hash.finishHex();
}

Result<std::shared_ptr<const TokenizerParts>> Parser::parse(std::string_view configText) {
    CREST_CHECK(readNormalizer());
    CREST_CHECK(readPreTokenizer());
    CREST_CHECK(readDecoder());
    CREST_CHECK(readPostProcessor());
    CREST_CHECK(readModel());
    CREST_CHECK(readAddedTokens());
    CREST_CHECK(readConfig(configText));
    m_parts->contentHash = hashOfContent();
    m_parts->model = std::make_unique<ByteBpe>(std::move(m_facts));
    return std::shared_ptr<const TokenizerParts>(std::move(m_parts));
}

} // namespace

Result<std::shared_ptr<const TokenizerParts>> parseTokenizer(std::string_view text, const std::string& where,
                                                             std::string_view configText) {
    if (countValues(text) > kMaxValues)
        return fail(ErrorKind::Malformed,
                    fmt::format("more than {} JSON values; this is no tokenizer.json", kMaxValues), where);
    CREST_TRY(root, parseJson(text, where));
    if (!root.is_object())
        return fail(ErrorKind::Malformed, "the file is no JSON object; this is no tokenizer.json", where);
    return Parser(root, where).parse(configText);
}

} // namespace crest::text::detail
