// SPDX-License-Identifier: Apache-2.0
#include "core/train/fine_tune_settings.h"

#include "core/train/key_reader.h"

namespace crest::train {
namespace {

constexpr const char* kSchedules[] = {"cosine", "linear", "constant"};
constexpr const char* kComputeTypes[] = {"float32", "bfloat16"};
constexpr const char* kLoraMatrices[] = {"all", "attention", "mlp"};

void addWhatIsUsed(const FineTuneSettings& s, Json& json) {
    if (s.loraRank > 0) {
        json["lora_rank"] = s.loraRank;
        json["lora_alpha"] = s.loraAlpha;
        json["lora_matrices"] = kLoraMatrices[static_cast<int>(s.loraMatrices)];
    }
    if (s.headShare > 0)
        json["head_share"] = s.headShare;
    if (s.replayShare > 0) {
        json["replay_share"] = s.replayShare;
        json["replay_tokens"] = s.replayTokens;
    }
}

void readWhatIsUsed(KeyReader& keys, FineTuneSettings& s) {
    keys.integer("lora_rank", s.loraRank, 0, 1 << 16);
    keys.number("lora_alpha", s.loraAlpha, 1e-6, 1e6);
    keys.choice("lora_matrices", s.loraMatrices, {kLoraMatrices[0], kLoraMatrices[1], kLoraMatrices[2]});
    keys.number("head_share", s.headShare, 0, 0.99);
    keys.number("replay_share", s.replayShare, 0, 0.99);
    keys.integer("replay_tokens", s.replayTokens, 2, 1 << 24);
    if (s.loraRank > 0 && s.headShare > 0)
        keys.error("\"head_share\" trains the head by itself at first, but with \"lora_rank\" only adapters of the blocks are "
                   "trained; choose one of them");
}

} // namespace

Json toJson(const FineTuneSettings& s) {
    Json json = {{"epochs", s.epochs},
            {"max_steps", s.maxSteps},
            {"batch_examples", s.batchExamples},
            {"row_tokens", s.rowTokens},
            {"schedule", kSchedules[static_cast<int>(s.schedule)]},
            {"warmup_share", s.warmupShare},
            {"weight_decay", s.weightDecay},
            {"betas", {s.beta1, s.beta2}},
            {"epsilon", s.epsilon},
            {"clip_norm", s.clipNorm},
            {"packing", s.packing},
            {"compute", kComputeTypes[static_cast<int>(s.compute)]},
            {"l2_to_start", s.l2ToStart},
            {"diverged_loss", s.divergedLoss},
            {"gradient_lanes", s.gradientLanes}};
    addWhatIsUsed(s, json);
    return json;
}

Result<FineTuneSettings> fineTuneSettingsFromJson(const Json& json, const std::string& where) {
    FineTuneSettings s;
    KeyReader keys(json, where);
    keys.integer("epochs", s.epochs, 1, 1'000'000);
    keys.integer("max_steps", s.maxSteps, 0, 1'000'000'000);
    keys.integer("batch_examples", s.batchExamples, 1, 1 << 20);
    keys.integer("row_tokens", s.rowTokens, 0, 1 << 24);
    if (s.rowTokens == 1)
        keys.error("\"row_tokens\" must be 0, or at least 2: the first token of an example is never predicted");
    keys.choice("schedule", s.schedule, {kSchedules[0], kSchedules[1], kSchedules[2]});
    keys.number("warmup_share", s.warmupShare, 0, 1);
    keys.number("weight_decay", s.weightDecay, 0, 10);
    keys.betas(s.beta1, s.beta2);
    keys.number("epsilon", s.epsilon, 1e-20, 1);
    keys.number("clip_norm", s.clipNorm, 0, 1e6);
    keys.flag("packing", s.packing);
    keys.choice("compute", s.compute, {kComputeTypes[0], kComputeTypes[1]});
    keys.number("l2_to_start", s.l2ToStart, 0, 1e6);
    keys.number("diverged_loss", s.divergedLoss, 0, 1e6);
    keys.integer("gradient_lanes", s.gradientLanes, 1, 256);
    if (s.gradientLanes > s.batchExamples)
        keys.error("\"gradient_lanes\" must not be above \"batch_examples\"");
    readWhatIsUsed(keys, s);
    CREST_CHECK(keys.finish());
    return s;
}

Result<void> checkFineTuneSettings(const FineTuneSettings& settings, const std::string& where) {
    CREST_TRY(read, fineTuneSettingsFromJson(toJson(settings), where));
    (void)read;
    return {};
}

OptimizerConfig optimizerConfig(const FineTuneSettings& s, double learningRate) {
    OptimizerConfig o;
    o.learningRate = learningRate, o.warmupShare = s.warmupShare, o.finalShare = 0, o.schedule = s.schedule;
    o.beta1 = s.beta1, o.beta2 = s.beta2, o.epsilon = s.epsilon, o.weightDecay = s.weightDecay, o.clipNorm = s.clipNorm;
    return o;
}

} // namespace crest::train
