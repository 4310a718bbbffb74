// SPDX-License-Identifier: Apache-2.0
// crest-run selfcheck: does this machine compute what it must? Known answers of the noise, fused operations against
// plain ones, and the device against the CPU, on a random decoder made here.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/crest-run/commands.h"
#include "core/base/json.h"
#include "core/base/philox.h"
#include "core/eval/loss.h"
#include "core/io/safetensors.h"
#include "core/model/kernels.h"
#include "core/model/ops.h"
#include "core/probe/noise_fill.h"
#include "core/train/fine_tune.h"

namespace crest {
namespace {

struct Check {
    std::string name;
    bool passed = false;
    std::string detail;
};

Check philoxCheck() {
    const bool equal =
        philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
    return {"Philox known answers", equal, "counter and key zero"};
}

/// All instruction sets of this machine give the same bits.
Check noiseCheck() {
    std::vector<float> reference(10'000), other(10'000);
    const probe::NoiseStream stream = probe::noiseStream(1, "selfcheck");
    bool equal = true;
    std::string names;
    for (const char* variant : probe::noiseVariants()) {
        probe::fillNormalsWith(variant, stream, 0, names.empty() ? reference : other);
        equal = equal && (names.empty() || std::memcmp(reference.data(), other.data(), 4 * other.size()) == 0);
        names += (names.empty() ? "" : ", ") + std::string(variant);
    }
    return {"noise has the same bits", equal, names};
}

series::DecoderSpec checkedSpec() {
    series::DecoderSpec spec;
    spec.family = "llama";
    spec.vocabSize = 700, spec.width = 96, spec.layers = 3, spec.heads = 4, spec.kvHeads = 2, spec.headSize = 24;
    spec.mlpWidth = 256, spec.contextLength = 128, spec.ropeDims = 24;
    return spec;
}

/// A folder with random weights, gone with the object.
struct RandomModel {
    std::filesystem::path folder;
    ~RandomModel() {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
};

Result<std::unique_ptr<RandomModel>> makeRandomModel(const series::DecoderSpec& spec) {
    std::string pattern = (std::filesystem::temp_directory_path() / "crest-selfcheck-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
        return fail(ErrorKind::Io, "no temporary folder can be made", pattern);
    auto made = std::make_unique<RandomModel>();
    made->folder = pattern;
    std::vector<std::vector<float>> values;
    std::vector<io::TensorToWrite> tensors;
    const auto infos = series::expectedTensors(spec);
    values.reserve(infos.size());
    for (const series::TensorInfo& info : infos) {
        std::int64_t elements = 1;
        for (const std::int64_t size : info.shape)
            elements *= size;
        std::vector<float>& tensor = values.emplace_back(static_cast<std::size_t>(elements));
        probe::fillNormals(probe::noiseStream(2, info.name), 0, tensor);
        for (float& value : tensor)
            value = info.role == series::TensorRole::NormGain ? 1 + 0.2f * value : 0.2f * value;
        tensors.push_back({info.name, io::DType::F32, info.shape, std::as_bytes(std::span(tensor))});
    }
    CREST_CHECK(io::writeSafetensors(made->folder / "model.safetensors", tensors));
    return made;
}

Result<at::Tensor> logitsOn(const model::WeightReader& reader, at::Device device, model::Compute compute) {
    model::Decoder decoder(reader.spec(), {device, compute});
    model::PristineWeights source(reader);
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 100; ++i)
        ids.push_back(i * 37 % 700);
    return eval::sequenceLogits(decoder, source, ids);
}

/// Relative distance of two results; bfloat16 keeps 8 bits, so its products differ by percents in single logits.
Check compare(std::string name, const Result<at::Tensor>& a, const at::Tensor& reference, double tolerance) {
    if (!a)
        return {std::move(name), false, a.error().text()};
    const double difference = (*a - reference).norm().item<double>() / reference.norm().item<double>();
    return {std::move(name), difference <= tolerance,
            fmt::format("relative difference {:.1e}, at most {:.0e}", difference, tolerance)};
}

/// Losses of some steps of fine-tuning, and how far the weights went.
Result<at::Tensor> tunedOn(const model::WeightReader& reader, const std::string& device, train::FineTuneSettings settings) {
    settings.maxSteps = 6, settings.batchExamples = 4;
    std::vector<data::TuningExample> examples(12);
    for (int i = 0; i < 12; ++i)
        for (int t = 0; t < 20 + 7 * i; ++t) {
            examples[static_cast<std::size_t>(i)].ids.push_back((i * 131 + t * 37) % 700);
            examples[static_cast<std::size_t>(i)].learned.push_back(t > 8);
        }
    CREST_TRY(tune, train::FineTune::create(reader, settings, 1e-3, 1, examples, 1, {}, false, device));
    std::vector<double> results;
    while (tune->stepsDone() < tune->stepsTotal()) {
        CREST_TRY(report, tune->step());
        results.push_back(report.loss);
    }
    results.push_back(tune->distanceFromStart().distance);
    return at::tensor(results);
}

/// Fine-tuning as other devices run it against the fused kernels: all weights, adapters, products in bfloat16.
void addTraining(std::vector<Check>& checks, const model::WeightReader& reader, const std::string& device) {
    train::FineTuneSettings whole, adapters, narrow;
    adapters.loraRank = 4;
    narrow.compute = train::ComputeType::BFloat16;
    const struct {
        const char* name;
        train::FineTuneSettings settings;
        double tolerance;
    } cases[] = {{"fine-tuning", whole, 1e-4}, {"adapters", adapters, 1e-4}, {"fine-tuning, bfloat16", narrow, 1e-2}};
    for (const auto& one : cases) {
        const auto fused = tunedOn(reader, "cpu", one.settings);
        model::setReferenceOps(true); // of no effect on another device
        const auto other = tunedOn(reader, device, one.settings);
        model::setReferenceOps(false);
        const std::string name = fmt::format("{} {}", one.name, device == "cpu" ? "by LibTorch's operations" : "on " + device);
        checks.push_back(fused ? compare(name, other, *fused, one.tolerance) : Check{name, false, fused.error().text()});
    }
}

Result<std::vector<Check>> selfcheck(const std::string& deviceName) {
    CREST_TRY(device, model::deviceFromName(deviceName));
    const series::DecoderSpec spec = checkedSpec();
    CREST_TRY(folder, makeRandomModel(spec));
    CREST_TRY(reader, model::WeightReader::open(folder->folder, spec));
    CREST_TRY(fused, logitsOn(reader, at::kCPU, model::Compute::Float32));
    model::setReferenceOps(true);
    const auto plain = logitsOn(reader, at::kCPU, model::Compute::Float32);
    model::setReferenceOps(false);
    std::vector<Check> checks{philoxCheck(), noiseCheck()};
    checks.push_back(compare(fmt::format("fused kernels ({}) against LibTorch's operations", model::cpuKernels().isa),
                             plain, fused, 1e-5));
    checks.push_back(
        compare("bfloat16 against float32", logitsOn(reader, at::kCPU, model::Compute::BFloat16), fused, 5e-2));
    if (!device.is_cpu()) {
        checks.push_back(compare(deviceName + " against the CPU, float32",
                                 logitsOn(reader, device, model::Compute::Float32), fused, 1e-4));
        checks.push_back(compare(deviceName + " against the CPU, bfloat16",
                                 logitsOn(reader, device, model::Compute::BFloat16), fused, 5e-2));
    }
    addTraining(checks, reader, deviceName);
    return checks;
}

int report(const std::string& device, bool json) {
    const auto checks = selfcheck(device);
    if (!checks) {
        fmt::print(stderr, "crest-run selfcheck: {}\n", checks.error().text());
        return 1;
    }
    int failures = 0;
    for (const Check& check : *checks) {
        failures += check.passed ? 0 : 1;
        if (json)
            fmt::print("{}\n",
                       canonicalJson(Json{{"check", check.name}, {"passed", check.passed}, {"detail", check.detail}}));
        else
            fmt::print("{:<6} {}: {}\n", check.passed ? "ok" : "FAILED", check.name, check.detail);
    }
    return failures == 0 ? 0 : 1;
}

} // namespace

void addSelfcheckCommand(CLI::App& app, int& exitCode) {
    struct Options {
        std::string device = "cpu";
        bool json = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("selfcheck", "Check that this machine computes what it must");
    command->add_option("--device", options->device, "Device to compare with the CPU: cuda, cuda:0");
    command->add_flag("--json", options->json, "Print one JSON object a check");
    command->callback([options, &exitCode] { exitCode = report(options->device, options->json); });
}

} // namespace crest
