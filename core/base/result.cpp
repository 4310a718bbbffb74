// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.h"

#include "core/base/visible.h"

namespace crest {

std::string Error::text() const {
    return visible(where.empty() ? message : where + ": " + message);
}

const char* errorKindName(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::NotFound:
        return "not_found";
    case ErrorKind::Malformed:
        return "malformed";
    case ErrorKind::Unsupported:
        return "unsupported";
    case ErrorKind::Mismatch:
        return "mismatch";
    case ErrorKind::OutOfRange:
        return "out_of_range";
    case ErrorKind::NoSpace:
        return "no_space";
    case ErrorKind::Io:
        return "io";
    case ErrorKind::NonFinite:
        return "non_finite";
    case ErrorKind::Stopped:
        return "stopped";
    case ErrorKind::Internal:
        return "internal";
    }
    return "internal";
}

} // namespace crest
