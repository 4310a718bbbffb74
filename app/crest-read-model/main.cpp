// SPDX-License-Identifier: Apache-2.0
// crest-read-model <tokenizer.model: SentencePiece itself loads the file, so that what it refuses is refused here and
// what it says of every piece is compared; then the model is written as core/text/sentencepiece_file.h describes it.
// Started by core/text only, with the limits of core/io/limited_process.h.
#include <array>
#include <cstdio>
#include <string>

#include <sentencepiece_processor.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/limited_process.h"
#include "core/text/sentencepiece_file.h"

using namespace crest;
using namespace crest::text;

namespace {

constexpr std::size_t kMaxBytes = 64'000'000;

Result<std::string> readInput() {
    std::string bytes;
    std::array<char, 65'536> buffer;
    for (ssize_t got = 0; (got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) != 0;) {
        if (got < 0)
            return fail(ErrorKind::Io, "the file cannot be read");
        bytes.append(buffer.data(), static_cast<std::size_t>(got));
        if (bytes.size() > kMaxBytes)
            return fail(ErrorKind::OutOfRange, fmt::format("the file has more than {} bytes, the limit", kMaxBytes));
    }
    return bytes;
}

/// Both readers must say the same of every piece.
Result<void> compare(const SentencePieceModel& model, const sentencepiece::SentencePieceProcessor& library) {
    bool same = static_cast<std::size_t>(library.GetPieceSize()) == model.pieces.size();
    for (int id = 0; same && id < library.GetPieceSize(); ++id) {
        const SentencePiecePiece& piece = model.pieces[static_cast<std::size_t>(id)];
        same = library.IdToPiece(id) == piece.text && library.GetScore(id) == piece.score &&
               library.IsControl(id) == (piece.type == PieceType::Control) &&
               library.IsUnknown(id) == (piece.type == PieceType::Unknown) &&
               library.IsUnused(id) == (piece.type == PieceType::Unused) &&
               library.IsByte(id) == (piece.type == PieceType::Byte);
    }
    if (!same)
        return fail(ErrorKind::Malformed, "SentencePiece and Crest read different pieces in it; the file is damaged");
    return {};
}

Result<void> work() {
    CREST_TRY(bytes, readInput());
    CREST_TRY(model, parseSentencePiece(bytes));
    sentencepiece::SentencePieceProcessor library;
    const auto loaded = library.LoadFromSerializedProto(bytes);
    if (!loaded.ok())
        return fail(ErrorKind::Malformed, fmt::format("SentencePiece refuses it: {}", loaded.message()));
    CREST_CHECK(compare(model, library));
    const std::string text = describe(model);
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        return fail(ErrorKind::Io, "nobody takes what was read");
    return {};
}

} // namespace

int main() {
    return io::helperMain(work);
}
