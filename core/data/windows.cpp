// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/base/hash.h"
#include "core/data/texts.h"

namespace crest::data {
namespace {

constexpr std::int32_t kMaxContext = 1 << 24;

/// Windows over ids[begin, end): the first starts at begin, each next one `stride` later, and each scores what the one
/// before did not.
void cutSpan(std::int64_t begin, std::int64_t end, const WindowOptions& options, WindowPlan& plan) {
    const std::int64_t most = static_cast<std::int64_t>(options.context) + 1;
    std::int64_t scoredUpTo = begin + 1; // the first id has nothing before it
    for (std::int64_t at = begin; scoredUpTo < end; at += options.stride) {
        const std::int64_t stop = std::min(end, at + most);
        const std::int64_t targets = stop - scoredUpTo;
        const bool enough = options.maxTargets > 0 && plan.targets >= options.maxTargets;
        if (enough || (options.fullOnly && stop - at < most)) {
            plan.droppedTargets += targets;
        } else {
            plan.windows.push_back(
                {at, static_cast<std::int32_t>(stop - at), static_cast<std::int32_t>(scoredUpTo - at)});
            plan.targets += targets;
        }
        scoredUpTo = stop;
    }
}

Result<void> checkOptions(const WindowOptions& options) {
    if (options.context < 1 || options.context > kMaxContext)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("the window length is {}, it must be from 1 to {}", options.context, kMaxContext));
    if (options.stride < 1 || options.stride > options.context)
        return fail(ErrorKind::OutOfRange, fmt::format("the stride is {}, it must be from 1 to the window length {}",
                                                       options.stride, options.context));
    if (options.maxTargets < 0)
        return fail(ErrorKind::OutOfRange, "the number of tokens to score must not be negative");
    return {};
}

} // namespace

Result<TokenizedText> tokenizeTexts(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                    const JobContext& job, const TokenCache& cache) {
    if (!tokenizer.idToToken(endToken))
        return fail(ErrorKind::OutOfRange, fmt::format("the end token {} is no id of the tokenizer", endToken),
                    texts.name);
    TokenizedText out;
    out.textBytes = texts.bytes;
    out.endToken = endToken;
    CREST_TRY(lists, TokenLists::of(texts.documents, texts.contentHash, tokenizer, TokenMode::Plain, cache, job));
    out.documents.reserve(lists.size());
    out.ids.reserve(lists.idCount() + lists.size());
    std::int64_t begin = 0;
    for (std::size_t d = 0; d < lists.size(); ++d) {
        out.documents.push_back({begin, static_cast<std::int64_t>(lists.length(d)) + 1});
        begin += out.documents.back().length;
    }
    std::size_t document = 0; // whose end token is still to come
    lists.forEach([&](std::size_t of, std::int32_t id) {
        for (; document < of; ++document)
            out.ids.push_back(endToken);
        out.ids.push_back(id);
    });
    out.ids.resize(static_cast<std::size_t>(begin), endToken);
    out.contentHash =
        sha256Hex(fmt::format("crest tokenized 1 {} {} {}", texts.contentHash, tokenizer.contentHash(), endToken));
    return out;
}

Result<WindowPlan> cutWindows(const TokenizedText& tokens, const WindowOptions& options) {
    CREST_CHECK(checkOptions(options));
    WindowPlan plan;
    const auto total = static_cast<std::int64_t>(tokens.ids.size());
    if (options.perDocument)
        for (const DocumentSpan& document : tokens.documents)
            cutSpan(document.begin, document.begin + document.length, options, plan);
    else
        cutSpan(0, total, options, plan);
    if (plan.windows.empty())
        return fail(ErrorKind::Malformed,
                    options.fullOnly
                        ? fmt::format("the text has {}{}, too few for one full window of {}; take a longer text "
                                      "or a shorter window",
                                      counted(total, "token"), options.perDocument ? ", cut into documents" : "",
                                      options.context + 1)
                        : fmt::format("the text has {}, too few to score one; take a longer text", counted(total, "token")));
    return plan;
}

} // namespace crest::data
