// SPDX-License-Identifier: Apache-2.0
// tokenizer_bench TOKENIZER TEXTS: seconds that one thread needs for all texts of a file (a 32-bit length and the bytes
// of each), and how many ids came out. tokenizer_bench.py compares that with the tokenizers library.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s TOKENIZER TEXTS\n", argv[0]);
        return 2;
    }
    using Clock = std::chrono::steady_clock;
    const auto seconds = [](Clock::time_point since) {
        return std::chrono::duration<double>(Clock::now() - since).count();
    };
    std::vector<std::string> texts;
    std::ifstream file(argv[2], std::ios::binary);
    for (std::uint32_t size = 0; file.read(reinterpret_cast<char*>(&size), sizeof(size));) {
        texts.emplace_back(size, '\0');
        file.read(texts.back().data(), size);
    }
    const auto loadStart = Clock::now();
    const auto tokenizer = crest::text::Tokenizer::load(argv[1]);
    if (!tokenizer) {
        std::fprintf(stderr, "%s\n", tokenizer.error().text().c_str());
        return 1;
    }
    const double load = seconds(loadStart);
    const auto start = Clock::now();
    std::size_t ids = 0;
    for (const std::string& text : texts)
        ids += tokenizer->encode(text).size();
    std::printf("%.6f %zu %.6f\n", seconds(start), ids, load);
    return 0;
}
