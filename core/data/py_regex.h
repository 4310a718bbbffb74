// SPDX-License-Identifier: Apache-2.0
// Regular expressions of suites, with what Python's `re` makes of them: findall and sub. The engine is PCRE2 with
// limits on steps and memory, because patterns and texts are foreign; the one difference that matters, \Z, stands in
// resources/suites/README.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::data {

/// Immutable; any thread may match.
class PyRegex {
public:
    /// Malformed where it is no regular expression, Unsupported where it is longer than 4096 bytes.
    static Result<PyRegex> compile(const std::string& pattern);

    /// re.findall: of each match its groups, or the whole match where the pattern has no group. OutOfRange where
    /// matching takes too long.
    Result<std::vector<std::vector<std::string>>> findAll(std::string_view text) const;
    /// re.sub(pattern, replacement, text) with \1 to \9, \n, \t and \\ in the replacement.
    Result<std::string> substitute(std::string_view text, std::string_view replacement) const;

    const std::string& pattern() const { return m_pattern; }

private:
    struct Code;
    std::shared_ptr<const Code> m_code;
    std::string m_pattern;
    template<class Visit> Result<void> eachMatch(std::string_view text, Visit visit) const;
};

} // namespace crest::data
