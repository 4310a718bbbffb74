// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over every file of the folders given, for compilers without libFuzzer and for ctest: a crash, a
// sanitizer report or a missing or empty corpus fails.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

bool runFile(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    if (in.bad() || !in.is_open()) {
        std::fprintf(stderr, "%s cannot be read\n", file.c_str());
        return false;
    }
    // An exact heap copy, so that a read past the end is seen by the address sanitizer.
    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s CORPUS_FOLDER...\n", argv[0]);
        return 2;
    }
    std::size_t total = 0;
    for (int i = 1; i < argc; ++i) {
        std::error_code error;
        std::vector<fs::path> files;
        for (const auto& entry : fs::directory_iterator(argv[i], error))
            if (entry.is_regular_file())
                files.push_back(entry.path());
        if (error || files.empty()) {
            std::fprintf(stderr, "%s: %s\n", argv[i], error ? error.message().c_str() : "the corpus is empty");
            return 1;
        }
        std::sort(files.begin(), files.end());
        for (const fs::path& file : files) {
            std::fprintf(stderr, "%s\n", file.filename().c_str());
            if (!runFile(file))
                return 1;
        }
        total += files.size();
    }
    std::printf("%zu inputs replayed\n", total);
    return 0;
}
