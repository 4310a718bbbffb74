// SPDX-License-Identifier: Apache-2.0
// Tiny random decoders written by transformers, with its logits and losses (tests/oracle/model_reference.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <QProcess>
#include <QString>
#include <QStringList>

#include "core/base/json.h"
#include "core/eval/loss.h"
#include "core/io/files.h"
#include "core/series/series.h"

namespace crest::test {

/// Runs a reference script of tests/oracle; its standard output, or an error with what it said.
inline Result<std::string> runReference(const QStringList& arguments, const char* script = "model_reference.py") {
    const QString python = qEnvironmentVariable("CREST_PYTHON");
    if (python.isEmpty())
        return fail(ErrorKind::NotFound,
                    "CREST_PYTHON names no Python with torch and transformers; run packaging/setup");
    QProcess process;
    process.start(python,
                  QStringList{QStringLiteral(CREST_SOURCE_DIR "/tests/oracle/") + QLatin1String(script)} + arguments);
    if (!process.waitForFinished(300'000) || process.exitCode() != 0)
        return fail(ErrorKind::Io, "the reference failed: " + process.readAllStandardError().toStdString());
    return process.readAllStandardOutput().toStdString();
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
