// SPDX-License-Identifier: Apache-2.0
// One line of a journal or event file: CRC-32C of the JSON (8 hex digits), a space, canonical JSON, a newline.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

/// Raised when lines change so that an older Crest would misread them.
inline constexpr int kJournalFormat = 1;
inline constexpr std::size_t kMaxLineBytes = 1'000'000;

/// The line with its checksum and newline.
std::string formatLine(const Json& payload);
/// Checks and parses a line given without its newline. `where` names file and line in errors. Safe for hostile input.
Result<Json> parseLine(std::string_view line, const std::string& where);

/// A piece of <writer>.bin: little-endian elements with their checksum.
struct ArrayRef {
    std::int64_t offset = 0; ///< bytes
    std::int64_t count = 0;  ///< elements: of 4 bytes, greedy flags and texts of one
    std::uint32_t crc = 0;
    bool operator==(const ArrayRef&) const = default;
};

/// Where the arrays of a suite task's result are. Texts lie one after the other, their lengths in bytes beside them.
struct OutcomeRefs {
    struct Metric {
        ArrayRef values, weights;
        bool operator==(const Metric&) const = default;
    };
    std::vector<Metric> metrics; ///< as in the row
    ArrayRef nats, tokens, greedy, requests, documents, gold, textLengths, texts;
    bool operator==(const OutcomeRefs&) const = default;
};

/// Where the arrays of a row's WeightChange are; names of tensors lie one after the other, each with a newline.
struct ChangeRefs {
    ArrayRef tensors, distances, starts;
    bool operator==(const ChangeRefs&) const = default;
};

/// A parsed line of a journal.
struct JournalLine {
    std::int64_t sequence = 0;
    enum class Type { Header, Result } type = Type::Result;
    std::string runner; ///< Header: whose lock tells whether it still writes
    ResultRow row;      ///< Result, without its arrays
    ArrayRef nats, tokens;
    std::optional<OutcomeRefs> outcome; ///< instead of `nats` and `tokens`; the row's metrics have their numbers then
    std::optional<ChangeRefs> change;   ///< the row's change has its numbers then
};
Result<JournalLine> parseJournalLine(std::string_view line, const std::string& where);

std::string formatHeaderLine(const std::string& runner);
/// `change`: where row.change is, if it has one.
std::string formatResultLine(std::int64_t sequence, const ResultRow& row, const ArrayRef& nats, const ArrayRef& tokens,
                             const ChangeRefs& change = {});
std::string formatResultLine(std::int64_t sequence, const ResultRow& row, const OutcomeRefs& outcome,
                             const ChangeRefs& change = {});

/// The bytes of an array as <writer>.bin holds them. Only on little-endian machines, which is all Crest runs on.
template<class T> std::string_view arrayBytes(const std::vector<T>& values) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 1);
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

} // namespace crest::study
