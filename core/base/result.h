// SPDX-License-Identifier: Apache-2.0
// Errors as values: what every public function of core that meets the outside returns.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace crest {

enum class ErrorKind {
    NotFound,    ///< a file, tensor or key that must be there is not
    Malformed,   ///< the content breaks its format
    Unsupported, ///< well-formed, but Crest cannot use it (unknown family, newer version)
    Mismatch,    ///< two inputs contradict each other (config and tensors, journal and run)
    OutOfRange,  ///< a setting outside its range
    NoSpace,     ///< the disk is full; what is finished is kept
    Io,          ///< the system refused a read, write, sync or lock
    NonFinite,   ///< NaN or infinity where a number is needed
    Stopped,     ///< the user asked to stop
    Internal     ///< a defect of Crest
};

/// One failure, for people: `message` is a plain sentence that says what is wrong and what to do,
/// `where` names the file, row or tensor ("" where there is none).
struct Error {
    ErrorKind kind = ErrorKind::Internal;
    std::string message;
    std::string where;

    /// "where: message", or the message alone, in one line of visible characters (visible.h).
    std::string text() const;
    bool operator==(const Error&) const = default;
};

template<class T> using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string where = {}) {
    return tl::unexpected<Error>(Error{kind, std::move(message), std::move(where)});
}
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

/// Stable lower-case name of a kind, for JSON ("not_found", "malformed", ...).
const char* errorKindName(ErrorKind kind);

} // namespace crest

// Hands an error on: CREST_TRY(value, expression) declares `value`; CREST_CHECK(expression) for Result<void>.
#define CREST_CONCAT_(a, b) a##b
#define CREST_CONCAT(a, b) CREST_CONCAT_(a, b)
#define CREST_TRY(name, ...)                                                                                           \
    auto CREST_CONCAT(name, Result_) = (__VA_ARGS__);                                                                  \
    if (!CREST_CONCAT(name, Result_))                                                                                  \
        return tl::unexpected<::crest::Error>(std::move(CREST_CONCAT(name, Result_).error()));                         \
    auto name = std::move(*CREST_CONCAT(name, Result_))
#define CREST_CHECK(...)                                                                                               \
    do {                                                                                                               \
        auto checkResult_ = (__VA_ARGS__);                                                                             \
        if (!checkResult_)                                                                                             \
            return tl::unexpected<::crest::Error>(std::move(checkResult_.error()));                                    \
    } while (false)
