// SPDX-License-Identifier: Apache-2.0
// Folder names to step, tokens and stage (formats.md 1.2).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>
#include <string>

#include "core/base/ascii.h"
#include "core/series/names.h"
#include "core/series/series.h"

namespace crest::series {
namespace {

double unitOf(const std::string& letter) {
    if (letter.empty())
        return 1;
    switch (letter.front()) {
    case 'k':
        return 1e3;
    case 'm':
        return 1e6;
    case 'b':
        return 1e9;
    default:
        return 1e12;
    }
}

/// A whole number with an optional k or m; nothing where it does not fit.
std::optional<std::int64_t> wholeNumber(const std::string& digits, const std::string& unit) {
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    std::int64_t out = 0;
    if (code != std::errc() || __builtin_mul_overflow(value, static_cast<std::int64_t>(unitOf(unit)), &out))
        return std::nullopt;
    return out;
}

std::optional<int> smallNumber(const std::string& digits) {
    const auto value = wholeNumber(digits, "");
    return value && *value < 1'000'000 ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

void setTokens(ParsedName& out, const std::string& digits, const std::string& unit) {
    double value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || !(value * unitOf(unit) < 9e18))
        return;
    out.tokens = value * unitOf(unit);
    const std::size_t point = digits.find('.');
    const auto decimals = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
    out.tokensResolution = unitOf(unit) * std::pow(10.0, -decimals);
}

const std::regex& stepAndTokens() {
    static const std::regex pattern(R"((?:^|[-_ ])step[-_ ]?(\d+)([km])?[-_ ](\d+(?:\.\d+)?)([bt])$)",
                                    std::regex::optimize);
    return pattern;
}
const std::regex& tokensLabel() {
    static const std::regex pattern(R"((?:^|[-_ \d])tokens?[-_ ]?(\d+(?:\.\d+)?)([kmbt])(?![a-z0-9]))",
                                    std::regex::optimize);
    return pattern;
}
const std::regex& stepLabel() {
    static const std::regex pattern(
        R"((?:^|[-_ ])(?:[a-z]+_)?(?:step|iter|iteration|checkpoint|ckpt)[-_ ]?(\d+)([km])?(?![a-z0-9.]))",
        std::regex::optimize);
    return pattern;
}
/// The same without the word that an underscore joins to it: that word names the series ("wiki_step100").
const std::regex& bareStepLabel() {
    static const std::regex pattern(R"((?:^|[-_ ])(?:step|iter|iteration|checkpoint|ckpt)[-_ ]?(\d+)([km])?(?![a-z0-9.]))",
                                    std::regex::optimize);
    return pattern;
}
const std::regex& stageLabel() {
    static const std::regex pattern(R"((?:^|[-_ ])(?:stage|phase)[-_ ]?(\d+)(?![a-z0-9]))", std::regex::optimize);
    return pattern;
}
const std::regex& branchLabel() {
    static const std::regex pattern(R"((?:^|[-_])ingredient[-_]?(\d+))", std::regex::optimize);
    return pattern;
}

/// Lower case, without the ending of a weights file. File names have at most 255 bytes; longer texts are not names.
std::string plainName(std::string_view name) {
    std::string text = lowerCase(std::string(name.substr(0, 255)));
    for (const std::string_view ending : {".pt", ".pth", ".bin", ".safetensors"})
        if (text.ends_with(ending)) {
            text.erase(text.size() - ending.size());
            break;
        }
    return text;
}

} // namespace

ParsedName parseCheckpointName(std::string_view name) {
    const std::string text = plainName(name.substr(name.rfind('/') + 1));
    ParsedName out;
    std::smatch match;
    if (std::regex_search(text, match, stepAndTokens())) {
        out.step = wholeNumber(match[1], match[2]);
        setTokens(out, match[3], match[4]);
    } else {
        if (std::regex_search(text, match, tokensLabel()))
            setTokens(out, match[1], match[2]);
        if (std::regex_search(text, match, stepLabel()))
            out.step = wholeNumber(match[1], match[2]);
    }
    if (std::regex_search(text, match, stageLabel()))
        out.stage = smallNumber(match[1]);
    if (std::regex_search(text, match, branchLabel()))
        out.branch = smallNumber(match[1]);
    for (const std::string_view word : {"main", "master", "final", "last", "best", "annealed", "latest"})
        out.final = out.final || text == word;
    return out;
}

std::string seriesPartOfName(std::string_view name) {
    static const std::regex chatter(R"((?:^|[-_])(?:intermediate|extension|global|unsharded|checkpoint|ckpt)(?=$|[-_]))",
                                    std::regex::optimize);
    // Of a second copy in the same folder, as file managers and people name it.
    static const std::regex copy(R"([-_ ](?:\((?:another )?copy(?: \d+)?\)|\(\d+\)|copy\d*|bak|backup)$)", std::regex::optimize);
    // Of one that transformers' Trainer is writing.
    static const std::regex unfinished(R"(^tmp-(?=checkpoint-\d+$))", std::regex::optimize);
    name = name.substr(name.rfind('/') + 1);
    const ParsedName parsed = parseCheckpointName(name);
    if (parsed.final || (!parsed.step && !parsed.tokens))
        return {};
    // Letters keep their case in what is left, so the patterns look at a copy of the same length.
    std::string kept(name.substr(0, plainName(name).size())), plain = plainName(name);
    for (const std::regex* pattern :
         {&copy, &unfinished, &stepAndTokens(), &tokensLabel(), &bareStepLabel(), &stageLabel(), &branchLabel(), &chatter})
        for (std::smatch match; std::regex_search(plain, match, *pattern);) {
            const auto at = static_cast<std::size_t>(match.position()),
                       length = static_cast<std::size_t>(match.length());
            plain.erase(at, length);
            kept.erase(at, length);
        }
    const auto isSeparator = [](char c) { return c == '-' || c == '_' || c == ' '; };
    while (!kept.empty() && isSeparator(kept.back()))
        kept.pop_back();
    kept.erase(kept.begin(), std::find_if_not(kept.begin(), kept.end(), isSeparator));
    return kept;
}

bool naturalLess(std::string_view a, std::string_view b) {
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (!isDigit(a[i]) || !isDigit(b[j])) {
            if (a[i] != b[j])
                return a[i] < b[j];
            ++i;
            ++j;
            continue;
        }
        const auto number = [&](std::string_view text, std::size_t& at) {
            while (at < text.size() && text[at] == '0')
                ++at;
            const std::size_t start = at;
            while (at < text.size() && isDigit(text[at]))
                ++at;
            return text.substr(start, at - start);
        };
        const std::string_view left = number(a, i), right = number(b, j);
        if (left != right)
            return left.size() != right.size() ? left.size() < right.size() : left < right;
    }
    return a.size() - i < b.size() - j;
}

} // namespace crest::series
