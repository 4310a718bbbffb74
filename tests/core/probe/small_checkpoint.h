// SPDX-License-Identifier: Apache-2.0
// A checkpoint folder of the sample's shape with random weights, a trained tokenizer and a text: made without Python.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/io/safetensors.h"
#include "core/probe/noise_fill.h"
#include "core/series/decoder_spec.h"
#include "core/study/types.h"
#include "core/text/bpe_trainer.h"

namespace crest::test {

struct SmallCheckpoint {
    std::filesystem::path folder, texts;
    series::DecoderSpec spec;
    std::map<std::string, std::vector<float>> weights; ///< as stored, float32
    std::map<std::string, double> initStd;             ///< by tensor; fixed tensors are absent
};

inline series::DecoderSpec smallSpec() {
    series::DecoderSpec spec;
    spec.family = "llama";
    spec.vocabSize = 320, spec.width = 48, spec.layers = 2, spec.heads = 4, spec.kvHeads = 4, spec.headSize = 12;
    spec.mlpWidth = 96, spec.contextLength = 64, spec.tiedHead = true, spec.ropeDims = 12;
    return spec;
}

inline void writeText(const std::filesystem::path& file, const std::string& content) {
    std::ofstream(file, std::ios::binary) << content;
}

/// Documents of words that a small tokenizer can learn.
inline std::vector<std::string> smallDocuments() {
    const char* words[] = {"water", "stone", "light",  "river", "of the", "mountain",
                           "and",   "seven", "houses", "were",  "built"};
    std::vector<std::string> documents;
    std::uint32_t state = 12345;
    for (int document = 0; document < 60; ++document) {
        std::string text = "It is written that";
        for (int word = 0; word < 25; ++word) {
            state = state * 1664525u + 1013904223u;
            text += std::string(" ") + words[(state >> 16) % std::size(words)];
        }
        documents.push_back(text + ".");
    }
    return documents;
}

inline Result<void> writeSmallWeights(const SmallCheckpoint& checkpoint) {
    std::vector<io::TensorToWrite> tensors;
    for (const series::TensorInfo& info : series::expectedTensors(checkpoint.spec)) {
        const std::vector<float>& values = checkpoint.weights.at(info.name);
        tensors.push_back({info.name, io::DType::F32, info.shape, std::as_bytes(std::span(values))});
    }
    return io::writeSafetensors(checkpoint.folder / "model.safetensors", tensors);
}

/// `folder` must exist. With `initStd` crest.json names the standard deviations.
inline Result<SmallCheckpoint> makeSmallCheckpoint(const std::filesystem::path& folder, bool initStd = true) {
    SmallCheckpoint checkpoint{folder, folder / "text.jsonl", smallSpec(), {}, {}};
    Json stds = Json::object();
    for (const series::TensorInfo& info : series::expectedTensors(checkpoint.spec)) {
        std::int64_t elements = 1;
        for (const std::int64_t size : info.shape)
            elements *= size;
        std::vector<float>& values = checkpoint.weights[info.name];
        values.resize(static_cast<std::size_t>(elements));
        probe::fillNormals({1, std::hash<std::string>{}(info.name)}, 0, values);
        const bool gain = info.role == series::TensorRole::NormGain;
        for (float& value : values)
            value = gain ? 1 + 0.1f * value : 0.2f * value;
        if (!gain)
            stds[info.name] = checkpoint.initStd[info.name] =
                0.02 + 0.01 * static_cast<double>(checkpoint.initStd.size());
    }
    CREST_CHECK(writeSmallWeights(checkpoint));
    writeText(folder / "config.json", series::configFromDecoderSpec(checkpoint.spec).dump());
    if (initStd)
        writeText(folder / "crest.json", Json{{"format", 1}, {"tokens", 1000}, {"step", 1}, {"init_std", stds}}.dump());
    const std::vector<std::string> documents = smallDocuments();
    text::BpeTrainingOptions options;
    options.vocabSize = 300;
    CREST_TRY(trained, text::trainBpe(documents, options));
    CREST_CHECK(text::saveTokenizer(trained, checkpoint.spec.contextLength, folder));
    std::string lines;
    for (const std::string& document : documents)
        lines += Json{{"text", document}}.dump() + "\n";
    writeText(checkpoint.texts, lines);
    return checkpoint;
}

/// A plan over one checkpoint and its text as one or two tasks (different windows): base, then every gamma of every
/// seed.
inline study::Plan smallPlan(const SmallCheckpoint& checkpoint, const std::vector<double>& gammas, std::int64_t seeds) {
    study::Plan plan;
    plan.probe.strengths = gammas;
    plan.probe.seeds = seeds;
    const auto text = [&](const char* name, std::int64_t window, std::int64_t stride, std::int64_t windows) {
        study::Task task;
        task.name = name;
        task.textsPath = checkpoint.texts.string();
        task.windowTokens = window;
        task.strideTokens = stride;
        task.maxWindows = windows;
        return task;
    };
    plan.tasks = {text("words", 64, 64, 6), text("words again", 32, 16, 9)};
    study::PlannedCheckpoint planned;
    planned.path = checkpoint.folder.string();
    plan.checkpoints = {planned};
    plan.cells.push_back({0, 0, 0, {}, {}});
    for (std::int64_t seed = 1; seed <= seeds; ++seed)
        for (const double gamma : gammas)
            plan.cells.push_back({0, gamma, seed, {}, {}});
    return plan;
}

} // namespace crest::test
