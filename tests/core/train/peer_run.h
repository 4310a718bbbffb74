// SPDX-License-Identifier: Apache-2.0
// What a peer in Python has to know of a run to repeat it, and the weights to compare.
#pragma once

#include <QtTest>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/base/json.h"
#include "core/data/tuning_example.h"
#include "core/train/fine_tune.h"
#include "core/model/weight_reader.h"
#include "core/train/low_rank.h"
#include "core/train/parameters.h"
#include "core/train/tuned_weights.h"

namespace crest::test {

inline Json readJson(const std::filesystem::path& file) {
    return Json::parse(std::ifstream(file));
}

inline train::ParameterLayout matricesOf(const train::ParameterLayout& layout) {
    return train::partOf(layout, [](const series::TensorInfo& info) { return info.layer >= 0 && info.shape.size() == 2; });
}

inline at::Tensor allWeights(const model::WeightReader& reader) {
    const train::ParameterLayout layout = train::parameterLayout(reader.spec());
    at::Tensor flat = at::zeros({layout.total});
    train::fillFrom(reader, layout, flat);
    return flat;
}

inline Json examplesAt(const std::vector<data::TuningExample>& examples, const std::vector<std::int64_t>& which) {
    Json all = Json::array();
    for (const std::int64_t i : which)
        all.push_back({{"ids", examples[static_cast<std::size_t>(i)].ids},
                       {"learned", examples[static_cast<std::size_t>(i)].learned}});
    return all;
}

/// A of every adapter as seed 1 begins, by the name of its matrix.
inline Json beginOfAdapters(const model::WeightReader& reader, const train::FineTuneSettings& settings) {
    const train::ParameterLayout layout = train::parameterLayout(reader.spec());
    const train::LowRank lowRank(reader, layout, matricesOf(layout), settings);
    at::Tensor start = at::zeros({lowRank.layout().total});
    lowRank.begin(start, 1);
    Json all = Json::object();
    for (const train::ParameterSlot& slot : lowRank.layout().slots) {
        const float* values = start.const_data_ptr<float>() + slot.offset;
        if (slot.info.name.back() == 'A')
            all[slot.info.name.substr(0, slot.info.name.rfind(".lora_"))] = std::vector<float>(values, values + slot.elements);
    }
    return all;
}

/// Losses within 1e-4 of the peer's, norms of gradients within 1e-3, step by step.
inline void compareSteps(const Json& theirs, std::span<const train::StepReport> ours) {
    QCOMPARE(theirs["losses"].size(), ours.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        const auto near = [&](const char* what, double value, double tolerance) {
            const double other = theirs[what][i];
            QVERIFY2(std::abs(value / other - 1) < tolerance,
                     qPrintable(QString("%1 of step %2: %3, not %4").arg(what).arg(i + 1).arg(value).arg(other)));
        };
        near("losses", ours[i].loss, 1e-4);
        near("norms", ours[i].gradientNorm, 1e-3);
    }
}

} // namespace crest::test
