// SPDX-License-Identifier: Apache-2.0
// Small tokenizer.json files for the tests of core/text.
#pragma once

#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/text/byte_alphabet.h"
#include "core/text/tokenizer.h"

namespace crest::text::test {

using Ids = std::vector<std::int32_t>;

/// All bytes (ids 0..255 in the order of bytes) and the tokens of `merges` (256 onwards).
inline Json byteLevelFile(const std::vector<std::pair<std::string, std::string>>& merges) {
    Json vocab;
    for (int b = 0; b < 256; ++b)
        vocab[toByteAlphabet(std::string(1, static_cast<char>(b)))] = b;
    Json list = Json::array();
    for (const auto& [left, right] : merges) {
        vocab.emplace(left + right, vocab.size());
        list.push_back({left, right});
    }
    Json file;
    file["version"] = "1.0";
    file["added_tokens"] = Json::array();
    file["normalizer"] = nullptr;
    file["pre_tokenizer"] = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    file["post_processor"] = nullptr;
    file["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
    file["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}};
    return file;
}

inline Json addedToken(const std::string& content, bool special) {
    return {{"id", 0},         {"content", content}, {"special", special},  {"normalized", false},
            {"lstrip", false}, {"rstrip", false},    {"single_word", false}};
}

/// SentencePiece BPE as Llama 2 has it: <unk> 0, <s> 1, </s> 2, the bytes from 3 on, then `tokens`.
inline Json llamaFile(const std::vector<std::string>& tokens,
                      const std::vector<std::pair<std::string, std::string>>& merges) {
    Json vocab{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
    for (int b = 0; b < 256; ++b) {
        char name[8];
        std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(b));
        vocab[name] = b + 3;
    }
    for (const std::string& token : tokens)
        vocab.emplace(token, vocab.size());
    Json list = Json::array();
    for (const auto& [left, right] : merges)
        list.push_back({left, right});
    Json file;
    file["version"] = "1.0";
    file["added_tokens"] = {addedToken("<unk>", true), addedToken("<s>", true), addedToken("</s>", true)};
    file["normalizer"] = {{"type", "Sequence"},
                          {"normalizers",
                           {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                            {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
    file["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}}},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
    file["decoder"] = {{"type", "Sequence"},
                       {"decoders",
                        {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                         {{"type", "ByteFallback"}},
                         {{"type", "Fuse"}},
                         {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
    file["model"] = {{"type", "BPE"},        {"vocab", vocab},   {"merges", list},
                     {"unk_token", "<unk>"}, {"fuse_unk", true}, {"byte_fallback", true}};
    return file;
}

/// Unigram over `pieces` (token, score); <unk> is piece 0 and comes with them.
inline Json unigramFile(const std::vector<std::pair<std::string, double>>& pieces) {
    Json vocab = Json::array();
    for (const auto& [token, score] : pieces)
        vocab.push_back({token, score});
    Json file;
    file["version"] = "1.0";
    file["model"] = {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", vocab}};
    return file;
}

/// Processor time of this thread, so that a busy machine does not make a test fail.
inline double cpuMilliseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

} // namespace crest::text::test
