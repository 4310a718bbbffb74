// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_components.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/base/base64.h"
#include "core/base/hash.h"
#include "core/text/prefix_trie.h"
#include "core/text/tokenizer_file.h"
#include "core/text/unicode.h"

namespace crest::text::detail {
namespace {

constexpr std::size_t kShown = 60;     // bytes of foreign text in a message
constexpr std::size_t kMaxGrowth = 64; // how many times longer the replacements of a file may make a text

using Normal = NormalizerStep::Kind;
using Pre = PreStep::Kind;

/// {"String": ...} gives the text; {"Regex": ...} only where the expression means itself.
struct Pattern {
    std::string text;
    bool regex = false;
};

bool meansItself(std::string_view regex) {
    return regex.find_first_of("\\^$.|?*+()[]{}") == std::string_view::npos;
}

Result<Pattern> readPattern(const Json& component, const char* what, const PartReader& reader) {
    const Json& pattern = field(component, "pattern");
    if (!pattern.is_object() || pattern.size() != 1)
        return reader.malformed(fmt::format("the {} has no \"pattern\"", what));
    Pattern read;
    read.regex = pattern.contains("Regex");
    CREST_TRY(text, reader.text(pattern, read.regex ? "Regex" : "String"));
    read.text = std::move(text);
    if (read.text.empty())
        return reader.unsupported(fmt::format("a {} with an empty pattern", what));
    if (read.regex && meansItself(read.text))
        read.regex = false;
    return read;
}

/// How many times longer a replacement makes a text at most.
std::size_t growth(std::size_t pattern, std::size_t content) {
    return std::max<std::size_t>(1, (content + pattern - 1) / pattern);
}

Result<void> checkGrowth(std::size_t total, const PartReader& reader) {
    if (total > kMaxGrowth)
        return reader.unsupported(fmt::format("a text that is replaced by one more than {} times as long", kMaxGrowth));
    return {};
}

Result<NormalizerStep> readReplace(const Json& component, const PartReader& reader) {
    CREST_TRY(pattern, readPattern(component, "Replace", reader));
    CREST_TRY(content, reader.text(component, "content"));
    if (!pattern.regex)
        return NormalizerStep{Normal::Replace, pattern.text, content};
    if (pattern.text == " {2,}")
        return NormalizerStep{Normal::ReplaceRuns, " ", content};
    return reader.unsupported(fmt::format("a Replace by the regular expression {}", pattern.text.substr(0, 120)));
}

Result<std::shared_ptr<const CharacterMap>> readMap(const Json& component, std::string& hash,
                                                    const PartReader& reader) {
    CREST_TRY(text, reader.text(component, "precompiled_charsmap"));
    const std::optional<std::string> bytes = fromBase64(text);
    if (!bytes)
        return reader.malformed("the character map of the normalizer is no base64");
    CREST_TRY(map, CharacterMap::read(*bytes, reader.where()));
    hash = sha256Hex(*bytes);
    return std::make_shared<const CharacterMap>(std::move(map));
}

/// What `tokenizerOfSentencePiece` writes; no tokenizer.json has this.
Result<NormalizerStep> readSentencePiece(const Json& component, const PartReader& reader) {
    NormalizerStep step{Normal::SentencePiece, {}, {}};
    SentencePieceRules rules;
    std::string hash;
    if (component.contains("precompiled_charsmap")) {
        CREST_TRY(map, readMap(component, hash, reader));
        rules.map = std::move(map);
    }
    const std::pair<const char*, bool*> flags[] = {{"add_dummy_prefix", &rules.addPrefix},
                                                   {"prefix_at_start_only", &rules.prefixAtStartOnly},
                                                   {"remove_extra_whitespaces", &rules.removeExtraSpace},
                                                   {"escape_whitespaces", &rules.escapeSpace},
                                                   {"treat_whitespace_as_suffix", &rules.spaceAsSuffix}};
    for (const auto& [key, value] : flags) {
        CREST_TRY(read, reader.flag(component, key, std::nullopt));
        *value = read;
        hash += read ? '1' : '0';
    }
    PrefixTrie kept;
    std::size_t bytes = 0;
    for (const Json& symbol : field(component, "kept")) {
        if (!symbol.is_string() || symbol.empty())
            return reader.malformed("a symbol that is kept is no text");
        const auto& text = symbol.get_ref<const std::string&>();
        bytes += text.size();
        if (text.empty() || bytes > PrefixTrie::kMaxBytes)
            return reader.malformed("the symbols that are kept are empty or too many");
        kept.insert(text, 0);
    }
    if (bytes > 0)
        rules.kept = std::make_shared<const PrefixTrie>(std::move(kept));
    step.content = hash;
    step.rules = std::make_shared<const SentencePieceRules>(std::move(rules));
    return step;
}

Result<NormalizerStep> readNormalizerStep(const Json& component, const PartReader& reader) {
    CREST_TRY(type, reader.typeOf(component, "normalizer"));
    static constexpr std::pair<const char*, Normal> kPlain[] = {
        {"NFC", Normal::Nfc},
        {"NFD", Normal::Nfd},
        {"NFKC", Normal::Nfkc},
        {"NFKD", Normal::Nfkd},
        {"Lowercase", Normal::Lowercase},
        {"StripAccents", Normal::StripAccents},
        {"ByteLevel", Normal::ByteLevel},
    };
    for (const auto& [name, kind] : kPlain)
        if (type == name)
            return NormalizerStep{kind, {}, {}};
    if (type == "Replace")
        return readReplace(component, reader);
    if (type == "Prepend") {
        CREST_TRY(content, reader.text(component, "prepend"));
        return NormalizerStep{Normal::Prepend, {}, content};
    }
    if (type == "Strip") {
        CREST_TRY(left, reader.flag(component, "strip_left", std::nullopt));
        CREST_TRY(right, reader.flag(component, "strip_right", std::nullopt));
        return NormalizerStep{Normal::Strip, {}, {}, left, right};
    }
    if (type == "Precompiled") {
        NormalizerStep step{Normal::Precompiled, {}, {}};
        CREST_TRY(map, readMap(component, step.content, reader));
        step.map = std::move(map);
        return step;
    }
    if (type == "SentencePiece" && reader.ownForm())
        return readSentencePiece(component, reader);
    return reader.unsupported(fmt::format("the normalizer {}", type.substr(0, kShown)));
}

Result<SplitBehavior> readBehavior(const Json& component, const PartReader& reader, bool mayBeAbsent) {
    const Json& behavior = field(component, "behavior");
    static constexpr std::pair<const char*, SplitBehavior> kNames[] = {
        {"Removed", SplitBehavior::Removed},
        {"Isolated", SplitBehavior::Isolated},
        {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
        {"MergedWithNext", SplitBehavior::MergedWithNext},
        {"Contiguous", SplitBehavior::Contiguous},
    };
    for (const auto& [name, value] : kNames)
        if (behavior == name)
            return value;
    if (behavior.is_null() && mayBeAbsent)
        return SplitBehavior::Isolated;
    return reader.malformed(fmt::format("\"behavior\" is {}", behavior.dump().substr(0, kShown)));
}

std::optional<PreStep> knownRegex(std::string_view regex) {
    if (regex == kGpt2Pattern)
        return PreStep{Pre::Gpt2};
    if (regex == kCl100kPattern)
        return PreStep{Pre::Cl100k};
    if (regex == kQwen2Pattern)
        return PreStep{Pre::Qwen2};
    for (int count = 1; count <= 9; ++count)
        if (regex == fmt::format("\\p{{N}}{{1,{}}}", count) || (count == 1 && regex == "\\p{N}"))
            return PreStep{Pre::Numbers, SplitBehavior::Isolated, false, {}, count};
    return std::nullopt;
}

Result<PreStep> readSplit(const Json& component, const PartReader& reader) {
    CREST_TRY(pattern, readPattern(component, "Split", reader));
    CREST_TRY(invert, reader.flag(component, "invert", std::nullopt));
    CREST_TRY(behavior, readBehavior(component, reader, false));
    std::optional<PreStep> step =
        pattern.regex ? knownRegex(pattern.text)
                      : std::optional(PreStep{Pre::Literal, SplitBehavior::Isolated, false, pattern.text});
    if (!step)
        return reader.unsupported(fmt::format("a Split by the regular expression {}", pattern.text.substr(0, 120)));
    // Those expressions match everything, so that keeping the matches and isolating them are the same.
    const bool everything = step->kind == Pre::Gpt2 || step->kind == Pre::Cl100k || step->kind == Pre::Qwen2;
    if (everything && (behavior == SplitBehavior::Isolated || (behavior == SplitBehavior::Removed && invert)))
        return *step;
    step->behavior = behavior;
    step->invert = invert;
    return *step;
}

Result<PreStep> readMetaspace(const Json& component, const PartReader& reader) {
    PreStep step{Pre::Metaspace};
    CREST_TRY(replacement, reader.character(component, "replacement"));
    CREST_TRY(split, reader.flag(component, "split", true));
    CREST_TRY(prefix, reader.flag(component, "add_prefix_space", true));
    step.text = replacement;
    step.count = split ? 1 : 0;
    // Written before there was a scheme: add_prefix_space alone says always or never.
    const Json& scheme = field(component, "prepend_scheme");
    if (scheme == "never" || (scheme.is_null() && !prefix))
        step.prepend = PreStep::Prepend::Never;
    else if (scheme == "first" && prefix)
        step.prepend = PreStep::Prepend::First;
    else if ((scheme == "always" && prefix) || scheme.is_null())
        step.prepend = PreStep::Prepend::Always;
    else
        return reader.malformed(fmt::format("the Metaspace has \"prepend_scheme\" {} and \"add_prefix_space\" {}",
                                            scheme.dump().substr(0, kShown), prefix));
    return step;
}

Result<void> addByteLevel(const Json& component, const PartReader& reader, std::vector<PreStep>& steps) {
    CREST_TRY(prefixSpace, reader.flag(component, "add_prefix_space", std::nullopt));
    CREST_TRY(regex, reader.flag(component, "use_regex", true));
    if (prefixSpace)
        steps.push_back({Pre::PrefixSpace});
    if (regex)
        steps.push_back({Pre::Gpt2});
    steps.push_back({Pre::ByteAlphabet});
    return {};
}

Result<void> addPreTokenizer(const Json& component, const PartReader& reader, std::vector<PreStep>& steps) {
    CREST_TRY(type, reader.typeOf(component, "pre-tokenizer"));
    if (type == "ByteLevel")
        return addByteLevel(component, reader, steps);
    if (type == "Split") {
        CREST_TRY(step, readSplit(component, reader));
        steps.push_back(std::move(step));
    } else if (type == "Metaspace") {
        CREST_TRY(step, readMetaspace(component, reader));
        steps.push_back(std::move(step));
    } else if (type == "Digits") {
        CREST_TRY(individual, reader.flag(component, "individual_digits", std::nullopt));
        steps.push_back({individual ? Pre::EachDigit : Pre::DigitRuns});
    } else if (type == "Whitespace") {
        steps.push_back({Pre::Words, SplitBehavior::Removed, true});
    } else if (type == "WhitespaceSplit") {
        steps.push_back({Pre::Space, SplitBehavior::Removed});
    } else if (type == "Punctuation") {
        CREST_TRY(behavior, readBehavior(component, reader, true));
        steps.push_back({Pre::Punctuation, behavior});
    } else if (type == "BertPreTokenizer") {
        steps.push_back({Pre::Space, SplitBehavior::Removed});
        steps.push_back({Pre::Punctuation});
    } else if (type == "CharDelimiterSplit") {
        CREST_TRY(delimiter, reader.character(component, "delimiter"));
        steps.push_back({Pre::Literal, SplitBehavior::Removed, false, delimiter});
    } else {
        return reader.unsupported(fmt::format("the pre-tokenizer {}", type.substr(0, kShown)));
    }
    return {};
}

Result<std::size_t> count(const Json& component, const char* key, const PartReader& reader) {
    const Json& value = field(component, key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxStringBytes)
        return reader.malformed(fmt::format("\"{}\" must be a number from 0 on", key));
    return value.get<std::size_t>();
}

Result<DecoderStep> readDecoderStep(const Json& component, const PartReader& reader) {
    CREST_TRY(type, reader.typeOf(component, "decoder"));
    DecoderStep step;
    if (type == "ByteLevel")
        return step;
    if (type == "ByteFallback" || type == "Fuse") {
        step.kind = type == "Fuse" ? DecoderStep::Kind::Fuse : DecoderStep::Kind::ByteFallback;
    } else if (type == "Metaspace") {
        CREST_TRY(metaspace, readMetaspace(component, reader));
        step.kind = DecoderStep::Kind::Metaspace;
        step.pattern = metaspace.text;
        step.dropsFirst = metaspace.prepend != PreStep::Prepend::Never;
    } else if (type == "Replace") {
        CREST_TRY(pattern, readPattern(component, "Replace", reader));
        CREST_TRY(content, reader.text(component, "content"));
        if (pattern.regex)
            return reader.unsupported("a decoder Replace by a regular expression");
        step = {DecoderStep::Kind::Replace, pattern.text, content};
    } else if (type == "Strip") {
        CREST_TRY(content, reader.character(component, "content"));
        CREST_TRY(start, count(component, "start", reader));
        CREST_TRY(stop, count(component, "stop", reader));
        step = {DecoderStep::Kind::Strip, content, {}, start, stop};
    } else if (type == "BPEDecoder") {
        CREST_TRY(suffix, reader.text(component, "suffix"));
        if (suffix.empty())
            return reader.unsupported("a BPEDecoder with an empty suffix");
        step = {DecoderStep::Kind::WordSuffix, suffix};
    } else {
        return reader.unsupported(fmt::format("the decoder {}", type.substr(0, kShown)));
    }
    return step;
}

Result<void> addSpecial(const Json& item, const Json& specials, const PartReader& reader,
                        std::vector<std::int32_t>& out) {
    const Json& special = item.is_object() ? field(item, "SpecialToken") : item;
    if (!special.is_object() || !field(special, "id").is_string() || !specials.is_object())
        return reader.unsupported("this template of the TemplateProcessing");
    const Json& entry = field(specials, special["id"].get_ref<const std::string&>().c_str());
    const Json& ids = entry.is_object() ? field(entry, "ids") : entry;
    if (!ids.is_array())
        return reader.malformed("a special token of the TemplateProcessing has no ids");
    for (const Json& id : ids) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxId))
            return reader.malformed("an id of the TemplateProcessing is out of range");
        out.push_back(id.get<std::int32_t>());
    }
    return {};
}

Result<TemplateIds> readTemplate(const Json& component, const PartReader& reader) {
    const Json& single = field(component, "single");
    if (!single.is_array())
        return reader.malformed("the TemplateProcessing has no list \"single\"");
    TemplateIds ids;
    bool afterText = false;
    for (const Json& item : single) {
        if (item.is_object() && item.contains("Sequence") && !afterText)
            afterText = true;
        else
            CREST_CHECK(
                addSpecial(item, field(component, "special_tokens"), reader, afterText ? ids.suffix : ids.prefix));
    }
    if (!afterText)
        return reader.unsupported("a TemplateProcessing without the text");
    return ids;
}

} // namespace

tl::unexpected<Error> PartReader::malformed(std::string message) const {
    return fail(ErrorKind::Malformed, std::move(message), m_where);
}

tl::unexpected<Error> PartReader::unsupported(std::string_view what) const {
    return fail(ErrorKind::Unsupported,
                fmt::format("{} is not supported; Crest reads byte-level BPE (GPT-2, GPT-NeoX, OLMo, Llama 3, Qwen2, "
                            "SmolLM), SentencePiece BPE (Llama 2, TinyLlama, Amber) and Unigram",
                            what),
                m_where);
}

Result<bool> PartReader::flag(const Json& object, const char* key, std::optional<bool> absent) const {
    const Json& value = field(object, key);
    if (value.is_boolean())
        return value.get<bool>();
    if (value.is_null() && absent)
        return *absent;
    return malformed(fmt::format("\"{}\" must be true or false", key));
}

Result<std::string> PartReader::text(const Json& object, const char* key) const {
    const Json& value = field(object, key);
    if (!value.is_string())
        return malformed(fmt::format("\"{}\" must be a text", key));
    return value.get<std::string>();
}

Result<std::string> PartReader::character(const Json& object, const char* key) const {
    CREST_TRY(value, text(object, key));
    if (value.empty() || codePointAt(value, 0).length != value.size())
        return malformed(fmt::format("\"{}\" must be one character", key));
    return value;
}

Result<std::string> PartReader::typeOf(const Json& component, const char* what) const {
    if (!component.is_object() || !field(component, "type").is_string())
        return malformed(fmt::format("the {} has no \"type\"", what));
    return component["type"].get<std::string>();
}

Result<std::vector<const Json*>> PartReader::members(const Json& component, const char* what,
                                                     const char* listKey) const {
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
    for (const Json& item : items) {
        if (item.is_null())
            return malformed(fmt::format("the {} has no \"type\"", what));
        CREST_TRY(inner, members(item, what, listKey));
        list.insert(list.end(), inner.begin(), inner.end());
        if (list.size() > 64)
            return unsupported(fmt::format("a {} of more than 64 parts", what));
    }
    return list;
}

Result<std::vector<NormalizerStep>> readNormalizer(const Json& component, const PartReader& reader) {
    CREST_TRY(list, reader.members(component, "normalizer", "normalizers"));
    std::vector<NormalizerStep> steps;
    std::size_t total = 1;
    for (const Json* item : list) {
        CREST_TRY(step, readNormalizerStep(*item, reader));
        total *= step.kind == Normal::ByteLevel ? 2
                 : step.pattern.empty()         ? 1
                                                : growth(step.pattern.size(), step.content.size());
        CREST_CHECK(checkGrowth(total, reader));
        steps.push_back(std::move(step));
    }
    return steps;
}

Result<std::vector<PreStep>> readPreTokenizer(const Json& component, const PartReader& reader) {
    CREST_TRY(list, reader.members(component, "pre-tokenizer", "pretokenizers"));
    std::vector<PreStep> steps;
    for (const Json* item : list)
        CREST_CHECK(addPreTokenizer(*item, reader, steps));
    if (std::ranges::count(steps, Pre::ByteAlphabet, &PreStep::kind) > 1)
        return reader.unsupported("more than one ByteLevel");
    return steps;
}

Result<std::vector<DecoderStep>> readDecoder(const Json& component, const PartReader& reader) {
    CREST_TRY(list, reader.members(component, "decoder", "decoders"));
    std::vector<DecoderStep> steps;
    std::size_t total = 1;
    for (const Json* item : list) {
        CREST_TRY(step, readDecoderStep(*item, reader));
        if (step.kind == DecoderStep::Kind::Replace)
            total *= growth(step.pattern.size(), step.content.size());
        CREST_CHECK(checkGrowth(total, reader));
        steps.push_back(std::move(step));
    }
    return steps;
}

Result<TemplateIds> readPostProcessor(const Json& component, const PartReader& reader) {
    CREST_TRY(list, reader.members(component, "post-processor", "processors"));
    TemplateIds ids;
    bool templateSeen = false;
    for (const Json* item : list) {
        CREST_TRY(type, reader.typeOf(*item, "post-processor"));
        if (type == "ByteLevel") // moves offsets only
            continue;
        if (type != "TemplateProcessing" || templateSeen)
            return reader.unsupported(fmt::format("the post-processor {}{}", type.substr(0, kShown),
                                                  templateSeen ? " after a template" : ""));
        templateSeen = true;
        CREST_TRY(read, readTemplate(*item, reader));
        ids = std::move(read);
    }
    return ids;
}

} // namespace crest::text::detail
