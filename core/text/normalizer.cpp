// SPDX-License-Identifier: Apache-2.0
#include "core/text/normalizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include "core/text/byte_alphabet.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

using NormalizerKind = NormalizerStep::Kind;

constexpr std::size_t kLongRunOfMarks = 32;

const icu::UnicodeSet* charactersOfUnicode9() {
    static const icu::UnicodeSet* const assigned = []() -> const icu::UnicodeSet* {
        UErrorCode status = U_ZERO_ERROR;
        static icu::UnicodeSet set(u"[:age=9.0:]", status);
        set.freeze();
        return U_FAILURE(status) != 0 ? nullptr : &set;
    }();
    return assigned;
}

/// Null where ICU has lost its data, which its packages do not allow.
template<NormalizerKind kForm> const icu::Normalizer2* normalizerOfUnicode9() {
    static const icu::Normalizer2* const normalizer = []() -> const icu::Normalizer2* {
        UErrorCode status = U_ZERO_ERROR;
        const icu::Normalizer2* full = kForm == NormalizerKind::Nfc    ? icu::Normalizer2::getNFCInstance(status)
                                       : kForm == NormalizerKind::Nfd  ? icu::Normalizer2::getNFDInstance(status)
                                       : kForm == NormalizerKind::Nfkc ? icu::Normalizer2::getNFKCInstance(status)
                                                             : icu::Normalizer2::getNFKDInstance(status);
        if (U_FAILURE(status) != 0 || charactersOfUnicode9() == nullptr)
            return nullptr;
        static const icu::FilteredNormalizer2 filtered(*full, *charactersOfUnicode9());
        return &filtered;
    }();
    return normalizer;
}

const icu::Normalizer2* normalizerFor(NormalizerKind form) {
    return form == NormalizerKind::Nfc    ? normalizerOfUnicode9<NormalizerKind::Nfc>()
           : form == NormalizerKind::Nfd  ? normalizerOfUnicode9<NormalizerKind::Nfd>()
           : form == NormalizerKind::Nfkc ? normalizerOfUnicode9<NormalizerKind::Nfkc>()
                                : normalizerOfUnicode9<NormalizerKind::Nfkd>();
}

bool isAscii(std::string_view text) {
    std::size_t at = 0;
    for (std::uint64_t eight = 0; at + sizeof(eight) <= text.size(); at += sizeof(eight)) {
        std::memcpy(&eight, text.data() + at, sizeof(eight));
        if ((eight & 0x8080808080808080ULL) != 0)
            return false;
    }
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::uint8_t combiningClass(char32_t c) {
    const auto* known = charactersOfUnicode9();
    return known != nullptr && known->contains(static_cast<UChar32>(c)) ? u_getCombiningClass(static_cast<UChar32>(c))
                                                                        : 0;
}

/// Puts long runs of combining marks in canonical order (Unicode 9, D108), which changes nothing in any normal form but
/// saves ICU the insertion of each into a run of any length.
std::string orderLongRuns(std::string_view text) {
    struct Mark {
        char32_t value;
        std::uint8_t order;
    };
    std::string out;
    std::vector<Mark> run;
    const auto flush = [&] {
        if (run.size() > kLongRunOfMarks)
            std::ranges::stable_sort(run, {}, &Mark::order);
        for (const Mark& mark : run)
            appendUtf8(mark.value, out);
        run.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        if (const std::uint8_t order = c.value < 0x300 ? std::uint8_t(0) : combiningClass(c.value); order != 0) {
            run.push_back({c.value, order});
        } else {
            flush();
            out += text.substr(at, c.length);
        }
        at += c.length;
    }
    flush();
    return out;
}

bool hasLongRun(std::string_view text) {
    std::size_t run = 0;
    for (std::size_t at = 0; at < text.size() && run <= kLongRunOfMarks;) {
        const CodePoint c = codePointAt(text, at);
        run = c.value >= 0x300 && (charClassTable()[c.value] & kMark) != 0 ? run + 1 : 0;
        at += c.length;
    }
    return run > kLongRunOfMarks;
}

std::string withoutMarks(std::string_view text, bool& keepsStart) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        if ((charClassTable()[c.value] & kMark) == 0)
            out += text.substr(at, c.length);
        else if (at == 0)
            keepsStart = false;
        at += c.length;
    }
    return out;
}

std::string stripped(std::string_view text, const NormalizerStep& step, bool& keepsStart) {
    const auto isSpace = [&](std::size_t at) { return (charClassTable()[codePointAt(text, at).value] & kSpace) != 0; };
    std::size_t begin = 0;
    std::size_t end = text.size();
    while (step.left && begin < end && isSpace(begin))
        begin += codePointAt(text, begin).length;
    while (step.right && end > begin && isSpace(previousCodePoint(text, end)))
        end = previousCodePoint(text, end);
    keepsStart = keepsStart && begin == 0;
    return std::string(text.substr(begin, end - begin));
}

/// What replaces a pattern stands where the pattern's last character stood.
bool losesStart(const NormalizerStep& step) {
    return step.content.empty() || codePointAt(step.pattern, 0).length < step.pattern.size();
}

std::string replaceRuns(std::string_view text, const NormalizerStep& step, bool& keepsStart) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (text.substr(end).starts_with(step.pattern))
            end += step.pattern.size();
        if (end - at >= 2 * step.pattern.size()) {
            keepsStart = keepsStart && at > 0;
            out += step.content;
            at = end;
        } else {
            out.push_back(text[at++]);
        }
    }
    return out;
}

std::string applied(const NormalizerStep& step, std::string_view text, bool& keepsStart, bool atStart) {
    switch (step.kind) {
    case NormalizerKind::Lowercase:
        return toLowerCase(text);
    case NormalizerKind::StripAccents:
        return withoutMarks(text, keepsStart);
    case NormalizerKind::Replace:
        keepsStart = keepsStart && !(losesStart(step) && text.starts_with(step.pattern));
        return replaceAll(text, step.pattern, step.content);
    case NormalizerKind::ReplaceRuns:
        return replaceRuns(text, step, keepsStart);
    case NormalizerKind::Prepend:
        return text.empty() ? std::string() : step.content + std::string(text);
    case NormalizerKind::Strip:
        return stripped(text, step, keepsStart);
    case NormalizerKind::ByteLevel:
        return toByteAlphabet(text);
    case NormalizerKind::Precompiled:
        return applyPrecompiled(*step.map, text); // a first character that vanishes still counts as the start
    case NormalizerKind::SentencePiece:
        return applySentencePiece(*step.rules, text, atStart);
    default:
        return toNormalForm(text, step.kind);
    }
}

} // namespace

std::string toNormalForm(std::string_view text, NormalizerStep::Kind form) {
    const icu::Normalizer2* normalizer = isAscii(text) ? nullptr : normalizerFor(form);
    if (normalizer == nullptr)
        return std::string(text);
    std::string ordered;
    if (hasLongRun(text)) {
        ordered = orderLongRuns(text);
        text = ordered;
    }
    std::string out;
    icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
    UErrorCode status = U_ZERO_ERROR;
    normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr,
                              status);
    return U_FAILURE(status) != 0 ? std::string(text) : out;
}

std::string replaceAll(std::string_view text, std::string_view pattern, std::string_view content) {
    std::string out;
    out.reserve(text.size());
    while (true) {
        const std::size_t found = pattern.size() == 1 ? text.find(pattern[0]) : text.find(pattern);
        out += text.substr(0, found);
        if (found == std::string_view::npos)
            return out;
        out += content;
        text.remove_prefix(found + pattern.size());
    }
}

std::string normalize(const std::vector<NormalizerStep>& steps, std::string_view text, bool* keepsStart, bool atStart) {
    bool kept = true;
    std::string out;
    for (const NormalizerStep& step : steps) {
        out = applied(step, text, kept, atStart);
        text = out;
    }
    if (keepsStart != nullptr)
        *keepsStart = kept;
    return steps.empty() ? std::string(text) : out;
}

bool leavesAsIs(const std::vector<NormalizerStep>& steps, std::string_view text) {
    const bool formsOnly = std::ranges::all_of(steps, [](const NormalizerStep& s) { return s.kind <= NormalizerKind::Nfkd; });
    return steps.empty() || (formsOnly && isAscii(text));
}

} // namespace crest::text
