// SPDX-License-Identifier: Apache-2.0
#include "core/text/pre_tokenizer.h"

#include <algorithm>
#include <span>

#include "core/text/byte_alphabet.h"
#include "core/text/normalizer.h"
#include "core/text/split_scanners.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

using StepKind = PreStep::Kind;

/// What a pattern made of a text: matched and other stretches that cover it.
struct Stretch {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool matched = false;
};

/// Where the matched or other stretch ends that begins at `at`.
Stretch stretchAt(const PreStep& step, const SplitScanner& scanner, std::string_view text, std::size_t at) {
    switch (step.kind) {
    case StepKind::Gpt2:
        return {at, scanner.gpt2(at), true};
    case StepKind::Cl100k:
        return {at, scanner.cl100k(at, 3), true};
    case StepKind::Qwen2:
        return {at, scanner.cl100k(at, 1), true};
    case StepKind::Numbers:
        return {at, scanner.classRun(at, kNumber, step.count), scanner.hasClass(at, kNumber)};
    case StepKind::Space:
        return {at, scanner.classRun(at, kSpace, 1), scanner.hasClass(at, kSpace)};
    case StepKind::Punctuation:
        return {at, scanner.classRun(at, kPunctuation, 1), scanner.hasClass(at, kPunctuation)};
    case StepKind::Words:
        return {at, scanner.words(at), !scanner.hasClass(at, kSpace)};
    case StepKind::Literal: {
        const std::size_t found = text.find(step.text, at);
        if (found == at)
            return {at, at + step.text.size(), true};
        return {at, std::min(found, text.size()), false};
    }
    default:
        return {at, scanner.classRun(at, kDigitSplit, step.kind == StepKind::EachDigit ? 1 : -1),
                scanner.hasClass(at, kDigitSplit)};
    }
}

/// Joins stretches as the reference does: neighbours of one kind (Contiguous), or the first match of a run with what
/// stands in front of it or behind it.
std::vector<Stretch> merged(std::vector<Stretch> all, SplitBehavior behavior) {
    const bool backwards = behavior == SplitBehavior::MergedWithNext;
    if (backwards)
        std::ranges::reverse(all);
    std::vector<Stretch> out;
    bool previous = false;
    for (const Stretch& s : all) {
        const bool joins = behavior == SplitBehavior::Contiguous ? s.matched == previous : s.matched && !previous;
        if (!joins || out.empty())
            out.push_back(s);
        else if (backwards)
            out.back().begin = s.begin;
        else
            out.back().end = s.end;
        previous = s.matched;
    }
    if (backwards)
        std::ranges::reverse(out);
    return out;
}

void apply(std::span<const PreStep> steps, std::string_view text, bool atStart, const PieceSink& sink);

void applyMetaspace(std::span<const PreStep> steps, std::string_view text, bool atStart, const PieceSink& sink) {
    const PreStep& step = steps[0];
    const bool wanted =
        step.prepend == PreStep::Prepend::Always || (step.prepend == PreStep::Prepend::First && atStart);
    std::string marked;
    marked.reserve(text.size() + text.size() / 2);
    if (wanted && text[0] != ' ' && !text.starts_with(step.text))
        marked = step.text;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t space = std::min(text.find(' ', at), text.size());
        marked += text.substr(at, space - at);
        if (space < text.size())
            marked += step.text;
        at = space + 1;
    }
    const std::string_view whole = marked;
    if (step.count == 0) {
        apply(steps.subspan(1), whole, atStart, sink);
        return;
    }
    for (std::size_t at = 0; at < whole.size();) {
        const std::size_t end = std::min(whole.find(step.text, at + 1), whole.size());
        apply(steps.subspan(1), whole.substr(at, end - at), atStart && at == 0, sink);
        at = end;
    }
}

void applySplit(std::span<const PreStep> steps, std::string_view text, bool atStart, const PieceSink& sink) {
    const PreStep& step = steps[0];
    const SplitScanner scanner(text);
    const auto hand = [&](const Stretch& s) {
        apply(steps.subspan(1), text.substr(s.begin, s.end - s.begin), atStart && s.begin == 0, sink);
    };
    const bool direct = step.behavior == SplitBehavior::Isolated || step.behavior == SplitBehavior::Removed;
    std::vector<Stretch> all;
    for (std::size_t at = 0; at < text.size();) {
        Stretch s = stretchAt(step, scanner, text, at);
        s.matched = s.matched != step.invert;
        at = s.end;
        if (!direct)
            all.push_back(s);
        else if (step.behavior == SplitBehavior::Isolated || !s.matched)
            hand(s);
    }
    if (!direct)
        std::ranges::for_each(merged(std::move(all), step.behavior), hand);
}

void apply(std::span<const PreStep> steps, std::string_view text, bool atStart, const PieceSink& sink) {
    if (steps.empty()) {
        sink(text);
        return;
    }
    switch (steps[0].kind) {
    case StepKind::PrefixSpace: {
        std::string withSpace(text[0] == ' ' ? 0 : 1, ' ');
        withSpace += text;
        apply(steps.subspan(1), withSpace, atStart, sink);
        return;
    }
    case StepKind::ByteAlphabet:
        apply(steps.subspan(1), toByteAlphabet(text), atStart, sink);
        return;
    case StepKind::Metaspace:
        applyMetaspace(steps, text, atStart, sink);
        return;
    default:
        applySplit(steps, text, atStart, sink);
    }
}

} // namespace

void preTokenize(const std::vector<PreStep>& steps, std::string_view text, bool atStart, const PieceSink& sink) {
    apply(steps, text, atStart, sink);
}

} // namespace crest::text
