// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "core/base/base64.h"
#include "core/base/json.h"
#include "core/text/tokenizer_file.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

/// One field of a protocol buffer message: its number, and what stands in it by wire type.
struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0; ///< varint, or the bits of a fixed number
    std::string_view bytes;  ///< length-delimited
    bool delimited = false;
};

/// Goes through the fields of a message (Protocol Buffers Encoding; groups are not in use).
class Message {
public:
    explicit Message(std::string_view bytes)
        : m_rest(bytes) {}

    /// False at the end, and where the bytes are no message: then `broken`.
    bool next(Field& field) {
        if (m_rest.empty())
            return false;
        const std::optional<std::uint64_t> tag = varint();
        if (!tag || *tag >> 3 == 0 || *tag >> 3 > 536'870'911)
            return fails();
        field = {static_cast<std::uint32_t>(*tag >> 3), 0, {}, false};
        switch (*tag & 7) {
        case 0:
            return number(varint(), field);
        case 1:
            return number(fixed(8), field);
        case 5:
            return number(fixed(4), field);
        case 2: {
            const std::optional<std::uint64_t> length = varint();
            if (!length || *length > m_rest.size())
                return fails();
            field.bytes = m_rest.substr(0, *length);
            field.delimited = true;
            m_rest.remove_prefix(*length);
            return true;
        }
        default:
            return fails();
        }
    }
    bool broken() const { return m_broken; }

private:
    bool fails() {
        m_broken = true;
        return false;
    }
    bool number(std::optional<std::uint64_t> value, Field& field) {
        if (!value)
            return fails();
        field.value = *value;
        return true;
    }
    std::optional<std::uint64_t> varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64 && !m_rest.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(m_rest.front());
            m_rest.remove_prefix(1);
            value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
            if (byte < 0x80)
                return value;
        }
        return std::nullopt;
    }
    std::optional<std::uint64_t> fixed(std::size_t bytes) {
        if (m_rest.size() < bytes)
            return std::nullopt;
        std::uint64_t value = 0;
        for (std::size_t i = bytes; i-- > 0;)
            value = (value << 8) | static_cast<unsigned char>(m_rest[i]);
        m_rest.remove_prefix(bytes);
        return value;
    }
    std::string_view m_rest;
    bool m_broken = false;
};

tl::unexpected<Error> malformed(std::string why) {
    return fail(ErrorKind::Malformed, std::move(why));
}

/// Hands each field of the message to `visit`; false where it is none.
template<class Visit> bool visitFields(std::string_view bytes, Visit&& visit) {
    Message message(bytes);
    for (Field field; message.next(field);)
        visit(field);
    return !message.broken();
}

Result<void> readPiece(std::string_view bytes, SentencePieceModel& model) {
    SentencePiecePiece piece;
    std::uint64_t type = 1;
    const bool whole = visitFields(bytes, [&](const Field& field) {
        if (field.number == 1 && field.delimited)
            piece.text = field.bytes;
        else if (field.number == 2 && !field.delimited)
            piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
        else if (field.number == 3 && !field.delimited)
            type = field.value;
    });
    const std::size_t id = model.pieces.size();
    if (!whole || type < 1 || type > 6 || !std::isfinite(piece.score))
        return malformed(fmt::format("piece {} of the model is damaged", id));
    if (piece.text.empty() || !isValidUtf8(piece.text))
        return malformed(fmt::format("piece {} of the model is empty or no UTF-8", id));
    if (id >= detail::kMaxTokens)
        return malformed(fmt::format("more than {} pieces", detail::kMaxTokens));
    piece.type = static_cast<PieceType>(type);
    model.pieces.push_back(std::move(piece));
    return {};
}

bool readTrainer(std::string_view bytes, SentencePieceModel& model) {
    return visitFields(bytes, [&](const Field& field) {
        if (field.number == 3 && !field.delimited && field.value >= 1 && field.value <= 4)
            model.type = static_cast<SentencePieceModel::Type>(field.value);
        else if (field.number == 24)
            model.spaceAsSuffix = field.value != 0;
        else if (field.number == 35)
            model.byteFallback = field.value != 0;
        else if (field.delimited && field.number == 45)
            model.unknownPiece = field.bytes;
        else if (field.delimited && field.number == 46)
            model.bosPiece = field.bytes;
        else if (field.delimited && field.number == 47)
            model.eosPiece = field.bytes;
    });
}

bool readNormalizerSpec(std::string_view bytes, SentencePieceModel& model) {
    return visitFields(bytes, [&](const Field& field) {
        if (field.number == 2 && field.delimited)
            model.characterMap = field.bytes;
        else if (field.number == 3)
            model.addPrefix = field.value != 0;
        else if (field.number == 4)
            model.removeExtraSpace = field.value != 0;
        else if (field.number == 5)
            model.escapeSpace = field.value != 0;
    });
}

/// "IQ== 0": a line of a tiktoken file, which Llama 3 is published with under the same name.
bool looksLikeTiktoken(std::string_view bytes) {
    const std::string_view line = bytes.substr(0, std::min<std::size_t>(bytes.find('\n'), 200));
    const std::size_t space = line.find(' ');
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    return space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
           fromBase64(line.substr(0, space)) && std::ranges::all_of(line.substr(space + 1), isDigit);
}

Result<void> check(const SentencePieceModel& model) {
    if (model.pieces.empty())
        return malformed("there is no piece in it; this is no SentencePiece model");
    if (model.type != SentencePieceModel::Type::Unigram && model.type != SentencePieceModel::Type::Bpe)
        return fail(ErrorKind::Unsupported,
                    "this is a SentencePiece model of words or characters; Crest reads BPE and Unigram");
    const auto count = [&](PieceType type) {
        return std::ranges::count(model.pieces, type, &SentencePiecePiece::type);
    };
    if (count(PieceType::Unknown) != 1)
        return malformed("the model must have one piece for the unknown");
    if (model.byteFallback && count(PieceType::Byte) != 256)
        return malformed(
            fmt::format("the model falls back to bytes and has {} of 256 of them", count(PieceType::Byte)));
    if (model.type == SentencePieceModel::Type::Bpe && count(PieceType::Unused) != 0)
        return fail(ErrorKind::Unsupported, "this SentencePiece BPE has pieces that are switched off");
    return {};
}

} // namespace

Result<SentencePieceModel> parseSentencePiece(std::string_view bytes) {
    if (bytes.empty())
        return malformed("the file is empty");
    if (looksLikeTiktoken(bytes))
        return fail(ErrorKind::Unsupported,
                    "this tokenizer.model is a tiktoken file, not one of SentencePiece; load it with transformers' "
                    "AutoTokenizer and save_pretrained writes a tokenizer.json");
    SentencePieceModel model;
    Message message(bytes);
    for (Field field; message.next(field);) {
        if (!field.delimited)
            continue;
        if (field.number == 1)
            CREST_CHECK(readPiece(field.bytes, model));
        else if (field.number == 2 && !readTrainer(field.bytes, model))
            return malformed("the part about training of the model is damaged");
        else if (field.number == 3 && !readNormalizerSpec(field.bytes, model))
            return malformed("the normalizer of the model is damaged");
    }
    if (message.broken())
        return malformed("the file is damaged, or no SentencePiece model");
    for (const std::string* text : {&model.unknownPiece, &model.bosPiece, &model.eosPiece})
        if (!isValidUtf8(*text))
            return malformed("a special piece of the model is no UTF-8");
    CREST_CHECK(check(model));
    return model;
}

std::string describe(const SentencePieceModel& model) {
    Json hidden = Json::array(), special = Json::array(), kept = Json::array();
    Json vocabulary = Json::array();
    float highest = -1e30F;
    for (const SentencePiecePiece& piece : model.pieces)
        if (piece.type == PieceType::Normal)
            highest = std::max(highest, piece.score);
    const bool unigram = model.type == SentencePieceModel::Type::Unigram;
    std::size_t unknown = 0;
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
        const SentencePiecePiece& piece = model.pieces[id];
        auto score = static_cast<double>(piece.score);
        // A Unigram model of SentencePiece always takes user-defined symbols: the score of so many bytes, less a bit.
        if (piece.type == PieceType::UserDefined) {
            kept.push_back(piece.text);
            if (unigram)
                score = static_cast<double>(static_cast<float>(piece.text.size()) * highest) - 0.1;
        } else if (piece.type != PieceType::Normal) {
            hidden.push_back(id);
        }
        if (piece.type == PieceType::Control || piece.type == PieceType::Unknown)
            special.push_back(piece.text);
        unknown = piece.type == PieceType::Unknown ? id : unknown;
        vocabulary.push_back({piece.text, score});
    }
    const auto control = [&](const std::string& text) -> Json {
        const auto found = std::ranges::find(model.pieces, text, &SentencePiecePiece::text);
        return found != model.pieces.end() && found->type == PieceType::Control ? Json(text) : Json();
    };
    Json head{{"type", unigram ? "Unigram" : "BPE"},
              {"unk_id", unknown},
              {"byte_fallback", model.byteFallback},
              {"hidden", std::move(hidden)},
              {"special", std::move(special)},
              {"kept", std::move(kept)},
              {"unk_token", model.pieces[unknown].text},
              {"bos_token", control(model.bosPiece)},
              {"eos_token", control(model.eosPiece)},
              {"add_dummy_prefix", model.addPrefix},
              {"remove_extra_whitespaces", model.removeExtraSpace},
              {"escape_whitespaces", model.escapeSpace},
              {"treat_whitespace_as_suffix", model.spaceAsSuffix}};
    if (!model.characterMap.empty())
        head["precompiled_charsmap"] = toBase64(model.characterMap);
    return canonicalJson(head) + "\n" + canonicalJson(vocabulary) + "\n";
}

} // namespace crest::text
