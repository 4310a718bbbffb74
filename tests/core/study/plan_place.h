// SPDX-License-Identifier: Apache-2.0
// A place to plan in: two small checkpoints, two texts and a suite's rows on disk, and a study with a probe on them.
#pragma once

#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "core/series/series.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace fs = std::filesystem;

inline constexpr const char* kConfig =
    R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":32,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("num_key_value_heads":2,"intermediate_size":16,"max_position_embeddings":32,"rms_norm_eps":1e-6,"hidden_act":"silu","tie_word_embeddings":true,)"
    R"("rope_theta":10000.0,"torch_dtype":"float32"})";

inline void spill(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

/// A small llama checkpoint; `flip` changes one weight's lowest bit, `shards` spreads the same tensors over so many
/// files.
inline void writeCheckpoint(const fs::path& folder, std::int64_t tokens, bool flip = false, int shards = 1,
                     double initStd = 0.02) {
    spill(folder / "config.json", kConfig);
    spill(folder / "tokenizer.json", R"({"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[]}})");
    const auto spec = *series::decoderSpecFromConfig(*parseJson(kConfig, "config.json"), "config.json");
    const auto tensors = series::expectedTensors(spec);
    std::vector<std::vector<float>> values;
    Json initStds;
    for (const series::TensorInfo& tensor : tensors) {
        std::int64_t count = 1;
        for (const std::int64_t length : tensor.shape)
            count *= length;
        std::vector<float> list(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < list.size(); ++i)
            list[i] =
                0.01f * static_cast<float>((i * 37 + values.size() * 11 + static_cast<std::size_t>(tokens % 97)) % 101);
        values.push_back(std::move(list));
        initStds[tensor.name] = initStd;
    }
    if (flip)
        reinterpret_cast<std::uint32_t&>(values[1][3]) ^= 1;
    Json weightMap;
    for (int shard = 0; shard < shards; ++shard) {
        std::vector<io::TensorToWrite> part;
        const std::string name = shards == 1 ? "model.safetensors"
                                             : "model-0000" + std::to_string(shard + 1) + "-of-0000" +
                                                   std::to_string(shards) + ".safetensors";
        for (std::size_t t = static_cast<std::size_t>(shard); t < tensors.size();
             t += static_cast<std::size_t>(shards)) {
            part.push_back({tensors[t].name, io::DType::F32, tensors[t].shape, std::as_bytes(std::span(values[t]))});
            weightMap[tensors[t].name] = name;
        }
        const auto written = io::writeSafetensors(folder / name, std::move(part));
        if (!written)
            qFatal("%s", written.error().text().c_str());
    }
    if (shards > 1)
        spill(folder / "model.safetensors.index.json",
              Json{{"metadata", {{"total_size", 1}}}, {"weight_map", weightMap}}.dump());
    spill(folder / "crest.json", Json{{"format", 1},
                                      {"series", "tiny"},
                                      {"tokens", tokens},
                                      {"step", tokens / 1000},
                                      {"pretrain_seed", 1},
                                      {"annealed", true},
                                      {"init_std", initStds}}
                                     .dump());
}

struct Place {
    QTemporaryDir dir;
    fs::path root = fs::path(dir.path().toStdString());
    fs::path checkpoints = root / "tiny";
    Study study;
    Probe probe;

    Place() {
        qputenv("XDG_CACHE_HOME", (dir.path() + "/cache").toUtf8());
        writeCheckpoint(checkpoints / "t1", 1'000'000);
        writeCheckpoint(checkpoints / "t2", 2'000'000);
        spill(root / "held.txt", std::string(4000, 'a'));
        spill(root / "verse.txt", std::string(3000, 'b'));
        study.name = "tiny";
        study.series.push_back({"tiny", checkpoints.string(), {}});
        study.tasks.push_back({.name = "held",
                               .textsPath = (root / "held.txt").string(),
                               .dataHash = "",
                               .windowTokens = 16,
                               .strideTokens = 16,
                               .maxWindows = 8});
        study.tasks.push_back({.name = "verse",
                               .textsPath = (root / "verse.txt").string(),
                               .dataHash = "",
                               .windowTokens = 16,
                               .strideTokens = 16,
                               .maxWindows = 8});
        probe.name = "noise";
        probe.series = "tiny";
        probe.strengths = {0.05, 0.1};
        probe.seeds = 4;
        probe.tasks = {{"held", Role::InDistribution}, {"verse", Role::OutOfDistribution}};
    }
    void writeRows(int count) const {
        fs::create_directories(root / "data");
        std::string rows;
        for (int i = 0; i < count; ++i)
            rows += Json{{"question", "Row number " + std::to_string(i)}, {"gold", i % 2}}.dump() + "\n";
        spill(root / "data" / "rows.jsonl", rows);
    }
    /// A base evaluation of a suite's task and a text.
    void useSuite() {
        writeRows(10);
        const Json definition = {{"name", "choice"},
                                 {"kind", "multiple_choice"},
                                 {"data", {{"test", Json::array({"rows.jsonl"})}}},
                                 {"context", "{{question}}"},
                                 {"choices", Json::array({"yes", "no"})},
                                 {"gold", "{{gold}}"},
                                 {"shots", {{"count", 1}}}};
        Task task;
        task.name = "choice";
        task.kind = TaskKind::Suite;
        task.textsPath = (root / "data").string();
        task.definition = canonicalJson(definition);
        study.tasks = {task, study.tasks[1]};
        probe = baseEvaluation("base", "tiny", {{"choice", Role::InDistribution}, {"verse", Role::OutOfDistribution}});
    }
    Result<Plan> plan(const std::function<bool(const std::string&)>& stored = {}, const JobContext& job = {}) {
        const fs::path folder = root / ("study" + std::to_string(m_count++));
        CREST_TRY(opened, StudyFolder::create(folder, study));
        CREST_TRY(scan, series::scanFolder(checkpoints));
        if (scan.series.size() != 1)
            return fail(ErrorKind::Internal, "the test's series was not found");
        return planProbe(opened, probe, scan.series.front(), stored, job);
    }
    std::set<std::string> keys() {
        const auto made = plan();
        if (!made)
            qFatal("%s", made.error().text().c_str());
        std::set<std::string> all;
        for (const Cell& cell : made->cells)
            all.insert(cell.keys.begin(), cell.keys.end());
        return all;
    }

private:
    int m_count = 0;
};

inline std::size_t common(const std::set<std::string>& a, const std::set<std::string>& b) {
    return static_cast<std::size_t>(std::ranges::count_if(a, [&](const std::string& key) { return b.contains(key); }));
}

} // namespace crest::study
