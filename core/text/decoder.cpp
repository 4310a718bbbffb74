// SPDX-License-Identifier: Apache-2.0
#include "core/text/decoder.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/ranges.h>

#include "core/text/byte_alphabet.h"
#include "core/text/normalizer.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

using Tokens = std::vector<std::string>;
using DecoderKind = DecoderStep::Kind;

std::string joined(const Tokens& tokens) {
    std::string out;
    for (const std::string& token : tokens)
        out += token;
    return out;
}

Tokens byteLevel(const Tokens& tokens) {
    std::string bytes;
    for (const std::string& token : tokens)
        bytes += fromByteAlphabet(token).value_or(token);
    return {repairUtf8(bytes)};
}

/// The byte of "<0x0A>"; the reference lets a plus sign stand for the first digit.
std::optional<char> byteOf(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>')
        return std::nullopt;
    const char* begin = token.data() + (token[3] == '+' ? 4 : 3);
    unsigned value = 0;
    const auto [end, problem] = std::from_chars(begin, token.data() + 5, value, 16);
    if (problem != std::errc() || end != token.data() + 5)
        return std::nullopt;
    return static_cast<char>(static_cast<unsigned char>(value));
}

Tokens byteFallback(Tokens tokens) {
    Tokens out;
    std::string run;
    const auto flush = [&] {
        if (!run.empty() && isValidUtf8(run))
            out.push_back(run);
        else
            out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
        run.clear();
    };
    for (std::string& token : tokens) {
        if (const std::optional<char> byte = byteOf(token)) {
            run.push_back(*byte);
            continue;
        }
        flush();
        out.push_back(std::move(token));
    }
    flush();
    return out;
}

std::string stripped(std::string_view token, const DecoderStep& step) {
    for (std::size_t i = 0; i < step.start && token.starts_with(step.pattern); ++i)
        token.remove_prefix(step.pattern.size());
    for (std::size_t i = 0; i < step.stop && token.ends_with(step.pattern); ++i)
        token.remove_suffix(step.pattern.size());
    return std::string(token);
}

std::string decodedToken(const DecoderStep& step, std::string_view token, bool first, bool last) {
    switch (step.kind) {
    case DecoderKind::Metaspace:
        return replaceAll(token, step.pattern, first && step.dropsFirst ? "" : " ");
    case DecoderKind::WordSuffix:
        return replaceAll(token, step.pattern, last ? "" : " ");
    case DecoderKind::Replace:
        return replaceAll(token, step.pattern, step.content);
    default:
        return stripped(token, step);
    }
}

Tokens applied(const DecoderStep& step, Tokens tokens) {
    switch (step.kind) {
    case DecoderKind::ByteLevel:
        return byteLevel(tokens);
    case DecoderKind::ByteFallback:
        return byteFallback(std::move(tokens));
    case DecoderKind::Fuse:
        return {joined(tokens)};
    default:
        for (std::size_t i = 0; i < tokens.size(); ++i)
            tokens[i] = decodedToken(step, tokens[i], i == 0, i + 1 == tokens.size());
        return tokens;
    }
}

} // namespace

std::string decodeTokens(const std::vector<DecoderStep>& steps, std::vector<std::string> tokens) {
    if (steps.empty())
        return fmt::format("{}", fmt::join(tokens, " "));
    for (const DecoderStep& step : steps)
        tokens = applied(step, std::move(tokens));
    return joined(tokens);
}

} // namespace crest::text
