// SPDX-License-Identifier: Apache-2.0
// A SentencePiece model (tokenizer.model, a protocol buffer) as a plain description. Meant for the helper program
// crest-read-model, which has SentencePiece itself look at the file first; see tokenizerOfSentencePiece for the way
// back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::text {

/// Types of a piece, numbered as in sentencepiece_model.proto.
enum class PieceType { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

struct SentencePiecePiece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::Normal;
};

struct SentencePieceModel {
    enum class Type { Unigram = 1, Bpe = 2, Word = 3, Char = 4 };
    Type type = Type::Unigram;
    std::vector<SentencePiecePiece> pieces; ///< by id
    bool byteFallback = false;
    bool spaceAsSuffix = false;
    std::string unknownPiece = "<unk>", bosPiece = "<s>", eosPiece = "</s>";
    std::string characterMap; ///< "" for none
    bool addPrefix = true, removeExtraSpace = true, escapeSpace = true;
};

/// Unsupported for tiktoken files and models of words or characters; Malformed for everything that is no such model or
/// beyond the limits of a tokenizer.
Result<SentencePieceModel> parseSentencePiece(std::string_view bytes);

/// Two lines of JSON: what holds for the whole model, and the list of pieces with their scores.
std::string describe(const SentencePieceModel& model);

} // namespace crest::text
