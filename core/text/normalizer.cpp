// SPDX-License-Identifier: Apache-2.0
#include "core/text/normalizer.h"

#include <algorithm>

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>

namespace crest::text {
namespace {

/// Null where ICU has lost its data, which its packages do not allow.
const icu::Normalizer2* nfcOfUnicode9() {
    static const icu::Normalizer2* const normalizer = []() -> const icu::Normalizer2* {
        UErrorCode status = U_ZERO_ERROR;
        const icu::Normalizer2* full = icu::Normalizer2::getNFCInstance(status);
        static icu::UnicodeSet assigned(u"[:age=9.0:]", status);
        if (U_FAILURE(status) != 0)
            return nullptr;
        assigned.freeze();
        static const icu::FilteredNormalizer2 filtered(*full, assigned);
        return &filtered;
    }();
    return normalizer;
}

} // namespace

std::string toNfc(std::string_view text) {
    const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    const icu::Normalizer2* normalizer = ascii ? nullptr : nfcOfUnicode9();
    if (normalizer == nullptr)
        return std::string(text);
    std::string out;
    icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
    UErrorCode status = U_ZERO_ERROR;
    normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr,
                              status);
    return U_FAILURE(status) != 0 ? std::string(text) : out;
}

} // namespace crest::text
