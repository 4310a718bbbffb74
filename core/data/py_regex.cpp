// SPDX-License-Identifier: Apache-2.0
#include "core/data/py_regex.h"

#include <algorithm>

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace crest::data {
namespace {

constexpr std::size_t kLongestPattern = 4096;
constexpr std::uint32_t kMatchSteps = 1'000'000;
constexpr std::uint32_t kDepth = 100'000;
constexpr std::uint32_t kHeapKilobytes = 32'768;

std::string messageOf(int code) {
    PCRE2_UCHAR text[160];
    pcre2_get_error_message(code, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

void appendReplacement(std::string_view replacement, std::string_view text, const PCRE2_SIZE* ends, std::size_t groups,
                       std::string& out) {
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        if (replacement[i] != '\\' || i + 1 == replacement.size()) {
            out += replacement[i];
            continue;
        }
        const char next = replacement[++i];
        const auto group = static_cast<std::size_t>(next - '0');
        if (next >= '1' && next <= '9' && group < groups) {
            if (ends[2 * group] != PCRE2_UNSET)
                out += text.substr(ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
        } else if (next == 'n' || next == 't') {
            out += next == 'n' ? '\n' : '\t';
        } else {
            if (next != '\\')
                out += '\\';
            out += next;
        }
    }
}

} // namespace

struct PyRegex::Code {
    pcre2_code* code = nullptr;
    pcre2_match_context* context = nullptr;
    Code() = default;
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;
    ~Code() {
        pcre2_match_context_free(context);
        pcre2_code_free(code);
    }
};

Result<PyRegex> PyRegex::compile(const std::string& pattern) {
    if (pattern.size() > kLongestPattern)
        return fail(ErrorKind::Unsupported, fmt::format("a regular expression of {} bytes; the longest is {}",
                                                        pattern.size(), kLongestPattern));
    auto code = std::make_shared<Code>();
    int problem = 0;
    PCRE2_SIZE at = 0;
    code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                               PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &problem, &at, nullptr);
    if (!code->code)
        return fail(ErrorKind::Malformed,
                    fmt::format("\"{}\" is no regular expression: {} (at byte {})", pattern, messageOf(problem), at));
    code->context = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(code->context, kMatchSteps);
    pcre2_set_depth_limit(code->context, kDepth);
    pcre2_set_heap_limit(code->context, kHeapKilobytes);
    PyRegex regex;
    regex.m_code = std::move(code);
    regex.m_pattern = pattern;
    return regex;
}

/// Calls visit(ends, groups) for each match, as `re` goes on: an empty match may touch the one before it.
template<class Visit> Result<void> PyRegex::eachMatch(std::string_view text, Visit visit) const {
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(
        pcre2_match_data_create_from_pattern(m_code->code, nullptr), pcre2_match_data_free);
    std::uint32_t groups = 0;
    pcre2_pattern_info(m_code->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    std::size_t start = 0;
    bool mustAdvance = false;
    std::uint32_t checked = 0; // the text is valid UTF-8, which the first call finds out
    while (start <= text.size()) {
        const int found =
            pcre2_match(m_code->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                        checked | (mustAdvance ? PCRE2_NOTEMPTY_ATSTART : 0), match.get(), m_code->context);
        checked = PCRE2_NO_UTF_CHECK;
        if (found == PCRE2_ERROR_NOMATCH)
            return {};
        if (found < 0)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("matching \"{}\" does not come to an end: {}", m_pattern, messageOf(found)));
        const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.get());
        visit(ends, static_cast<std::size_t>(groups) + 1);
        mustAdvance = ends[1] == ends[0];
        // \K could set a start behind the end; never go back.
        start = std::max<std::size_t>(ends[1], start);
    }
    return {};
}

Result<std::vector<std::vector<std::string>>> PyRegex::findAll(std::string_view text) const {
    std::vector<std::vector<std::string>> all;
    CREST_CHECK(eachMatch(text, [&](const PCRE2_SIZE* ends, std::size_t groups) {
        std::vector<std::string>& one = all.emplace_back();
        for (std::size_t g = groups > 1 ? 1 : 0; g < groups; ++g) {
            const bool there = ends[2 * g] != PCRE2_UNSET && ends[2 * g] <= ends[2 * g + 1];
            one.emplace_back(there ? text.substr(ends[2 * g], ends[2 * g + 1] - ends[2 * g]) : std::string_view());
        }
    }));
    return all;
}

Result<std::string> PyRegex::substitute(std::string_view text, std::string_view replacement) const {
    std::string out;
    std::size_t kept = 0;
    CREST_CHECK(eachMatch(text, [&](const PCRE2_SIZE* ends, std::size_t groups) {
        if (ends[0] < kept || ends[0] > ends[1])
            return;
        out += text.substr(kept, ends[0] - kept);
        appendReplacement(replacement, text, ends, groups, out);
        kept = ends[1];
    }));
    out += text.substr(kept);
    return out;
}

} // namespace crest::data
