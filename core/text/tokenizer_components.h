// SPDX-License-Identifier: Apache-2.0
// Reading the small parts of a tokenizer.json: normalizer, pre-tokenizer, decoder and post-processor. What Crest does
// not know is refused by name, because ids that are nearly right are worse than none. Private to core/text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"

namespace crest::text::detail {

/// Fields of JSON objects with errors that name the part and the file.
class PartReader {
public:
    /// `ownForm`: the text is not a tokenizer.json but what Crest makes of a tokenizer.model.
    explicit PartReader(const std::string& where, bool ownForm = false)
        : m_where(where)
        , m_ownForm(ownForm) {}
    bool ownForm() const { return m_ownForm; }
    const std::string& where() const { return m_where; }

    tl::unexpected<Error> malformed(std::string message) const;
    tl::unexpected<Error> unsupported(std::string_view what) const;
    /// `absent`: what a missing or null field means; without it such a field is Malformed.
    Result<bool> flag(const Json& object, const char* key, std::optional<bool> absent) const;
    Result<std::string> text(const Json& object, const char* key) const;
    /// One character.
    Result<std::string> character(const Json& object, const char* key) const;
    Result<std::string> typeOf(const Json& component, const char* what) const;
    /// The component, or the members of a Sequence and of those in it; nothing for null.
    Result<std::vector<const Json*>> members(const Json& component, const char* what, const char* listKey) const;

private:
    const std::string& m_where;
    bool m_ownForm = false;
};

Result<std::vector<NormalizerStep>> readNormalizer(const Json& component, const PartReader& reader);
/// ByteLevel ends with PreStep::Kind::ByteAlphabet.
Result<std::vector<PreStep>> readPreTokenizer(const Json& component, const PartReader& reader);
Result<std::vector<DecoderStep>> readDecoder(const Json& component, const PartReader& reader);

struct TemplateIds {
    std::vector<std::int32_t> prefix;
    std::vector<std::int32_t> suffix;
};
Result<TemplateIds> readPostProcessor(const Json& component, const PartReader& reader);

} // namespace crest::text::detail
