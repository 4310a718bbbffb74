// SPDX-License-Identifier: Apache-2.0
// One line of a journal or event file: CRC-32C of the JSON (8 hex digits), a space, canonical JSON, a newline.
#pragma once

#include <cstdint>
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
    std::int64_t count = 0;  ///< elements of 4 bytes
    std::uint32_t crc = 0;
    bool operator==(const ArrayRef&) const = default;
};

/// A parsed line of a journal.
struct JournalLine {
    std::int64_t sequence = 0;
    enum class Type { Header, Result } type = Type::Result;
    std::string runner; ///< Header: whose lock tells whether it still writes
    ResultRow row;      ///< Result, without its arrays
    ArrayRef nats, tokens;
};
Result<JournalLine> parseJournalLine(std::string_view line, const std::string& where);

std::string formatHeaderLine(const std::string& runner);
std::string formatResultLine(std::int64_t sequence, const ResultRow& row, const ArrayRef& nats, const ArrayRef& tokens);

/// The bytes of an array as <writer>.bin holds them, and back. Both only on little-endian machines, which is all Crest
/// runs on.
template<class T> std::string_view arrayBytes(const std::vector<T>& values) {
    static_assert(sizeof(T) == 4);
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

} // namespace crest::study
