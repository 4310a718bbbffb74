// SPDX-License-Identifier: Apache-2.0
// Tiny random decoders written by transformers, with its logits and losses (tests/oracle/model_reference.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <QString>

#include "core/base/json.h"
#include "core/eval/loss.h"
#include "core/io/files.h"
#include "core/series/series.h"
#include "tests/support/peers.h"

namespace crest::test {

/// Has transformers write a decoder of every shape below `folder`, with what it gives for each.
inline Result<std::string> makeTinyModels(const QString& folder) {
    return askPeerOnce({"tests/oracle/model_reference.py", {"make", folder}, folder});
}

inline std::vector<float> readFloats(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    std::vector<float> values(bytes.size() / sizeof(float));
    std::copy_n(bytes.data(), values.size() * sizeof(float), reinterpret_cast<char*>(values.data()));
    return values;
}

/// One shape: the checkpoint, the sequences, and what transformers gives for them in float32.
struct TinyModel {
    std::filesystem::path path;
    series::DecoderSpec spec;
    std::vector<std::vector<std::int32_t>> rows;
    std::vector<float> logits, nats;

    std::vector<eval::Sequence> sequences() const {
        std::vector<eval::Sequence> all;
        for (const auto& row : rows)
            all.push_back({row, 1});
        return all;
    }
};

/// What is opened of a shape's folder: nanoGPT's checkpoint is a file in it.
inline std::filesystem::path checkpointIn(const std::filesystem::path& folder) {
    return std::filesystem::exists(folder / "ckpt.pt") ? folder / "ckpt.pt" : folder;
}

inline Result<TinyModel> readTinyModel(const std::filesystem::path& folder) {
    const std::filesystem::path path = checkpointIn(folder);
    const series::Checkpoint checkpoint = series::readCheckpoint(path).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Malformed, checkpoint.reason);
    CREST_TRY(text, io::readTextFile(folder / "ids.json"));
    CREST_TRY(ids, parseJson(text, "ids.json"));
    return TinyModel{path, *checkpoint.spec, ids.get<std::vector<std::vector<std::int32_t>>>(),
                     readFloats(folder / "logits.f32"), readFloats(folder / "nats.f32")};
}

/// The names of the shapes below `folder`.
inline std::vector<std::string> tinyModelNames(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace crest::test
