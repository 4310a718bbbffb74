// SPDX-License-Identifier: Apache-2.0
#include "core/train/pretrain_config.h"

#include <algorithm>

#include "core/io/files.h"
#include "core/train/key_reader.h"

namespace crest::train {
namespace {

namespace fs = std::filesystem;

Result<void> readShape(const Json& json, const std::string& where, const std::string& family,
                       series::DecoderSpec& spec) {
    constexpr std::int64_t most = std::int64_t{1} << 20;
    KeyReader keys(json, where + ", shape");
    const bool neox = family == "gpt_neox";
    if (!neox && family != "llama")
        return fail(ErrorKind::Unsupported, "\"family\" must be \"llama\" or \"gpt_neox\".", where);
    spec.family = family;
    keys.integer("width", spec.width, 1, most, true);
    keys.integer("layers", spec.layers, 1, 1024, true);
    keys.integer("heads", spec.heads, 1, most, true);
    keys.integer("mlp_width", spec.mlpWidth, 1, most, true);
    keys.integer("context", spec.contextLength, 2, most, true);
    spec.kvHeads = spec.heads;
    keys.integer("kv_heads", spec.kvHeads, 1, most);
    spec.headSize = spec.heads > 0 ? spec.width / spec.heads : 0;
    keys.integer("head_size", spec.headSize, 1, most);
    keys.flag("tied_head", spec.tiedHead);
    spec.normEps = 1e-5;
    keys.number("norm_eps", spec.normEps, 1e-12, 0.1);
    keys.number("rope_theta", spec.ropeBase, 1, 1e9);
    double rotaryShare = neox ? 0.25 : 1.0;
    keys.number("rotary_share", rotaryShare, 0, 1);
    spec.parallelResidual = neox;
    keys.flag("parallel_residual", spec.parallelResidual);
    CREST_CHECK(keys.finish());
    spec.norm = neox ? series::NormKind::LayerNorm : series::NormKind::RmsNorm;
    spec.mlp = neox ? series::MlpKind::Plain : series::MlpKind::Gated;
    spec.activation = neox ? series::Activation::GeluErf : series::Activation::Silu;
    spec.qkv = neox ? series::QkvLayout::PerHead : series::QkvLayout::Separate;
    spec.qkvBias = spec.attentionOutputBias = spec.mlpBias = spec.normBias = neox;
    spec.ropeDims = static_cast<std::int64_t>(static_cast<double>(spec.headSize) * rotaryShare);
    const auto refuse = [&](const char* message) { return fail(ErrorKind::OutOfRange, message, where + ", shape"); };
    if (spec.heads % spec.kvHeads != 0)
        return refuse("\"heads\" must be a multiple of \"kv_heads\".");
    if (neox && (spec.kvHeads != spec.heads || spec.heads * spec.headSize != spec.width))
        return refuse("gpt_neox needs kv_heads = heads and heads * head_size = width.");
    if (!neox && (spec.parallelResidual || rotaryShare != 1.0))
        return refuse("\"parallel_residual\" and \"rotary_share\" are settings of gpt_neox only.");
    if (spec.ropeDims % 2 != 0)
        return refuse("the rotated dimensions of a head (head_size * rotary_share) must be even.");
    return {};
}

Result<fs::path> locate(const std::string& name, const fs::path& configFile, const fs::path& textsFolder) {
    const fs::path given(name);
    std::error_code ignored;
    if (!textsFolder.empty() && fs::exists(textsFolder / given, ignored))
        return textsFolder / given;
    const fs::path beside = configFile.parent_path() / given;
    if (fs::exists(beside, ignored))
        return beside;
    return fail(ErrorKind::NotFound,
                "The file is not there; the config asks for it" +
                    std::string(textsFolder.empty() ? " (name its folder with --texts)." : "."),
                (textsFolder.empty() ? beside : textsFolder / given).string());
}

Result<void> readTokenizerPart(const Json& json, const std::string& where, const fs::path& configFile,
                               PretrainConfig& config) {
    KeyReader keys(json, where + ", tokenizer");
    std::string kind, file;
    std::int64_t vocab = 0;
    keys.text("train", kind);
    keys.text("file", file);
    keys.text("end_token", config.endToken);
    keys.integer("vocab", vocab, 257, 1'000'000);
    CREST_CHECK(keys.finish());
    if (kind.empty() == file.empty() || (!kind.empty() && (kind != "byte-level-bpe" || vocab == 0)))
        return fail(ErrorKind::OutOfRange,
                    "needs either \"train\": \"byte-level-bpe\" with \"vocab\", or \"file\" with a tokenizer.json.",
                    where + ", tokenizer");
    config.trainTokenizer = file.empty();
    config.tokenizerVocab = static_cast<std::int32_t>(vocab);
    if (!file.empty()) {
        CREST_TRY(path, locate(file, configFile, {}));
        config.tokenizerFile = path;
    }
    return {};
}

Result<void> readTextsPart(KeyReader& keys, const std::string& where, const fs::path& configFile,
                           const fs::path& textsFolder, PretrainConfig& config) {
    const auto isText = [](const Json& e) { return e.is_string(); };
    if (const Json* texts = keys.require("texts")) {
        if (!texts->is_array() || texts->empty() || !std::all_of(texts->begin(), texts->end(), isText))
            return fail(ErrorKind::OutOfRange, "\"texts\" must be a list of file names.", where);
        for (const Json& text : *texts) {
            CREST_TRY(path, locate(text.get<std::string>(), configFile, textsFolder));
            config.texts.push_back(path);
        }
    }
    if (const Json* heldout = keys.find("heldout")) {
        if (!heldout->is_object() || !std::all_of(heldout->begin(), heldout->end(), isText))
            return fail(ErrorKind::OutOfRange, "\"heldout\" must map names to file names.", where);
        for (const auto& [name, text] : heldout->items()) {
            CREST_TRY(path, locate(text.get<std::string>(), configFile, textsFolder));
            config.heldout[name] = path;
        }
    }
    return {};
}

Result<void> readInit(const Json& json, const std::string& where, InitRule& init) {
    KeyReader keys(json, where + ", init");
    keys.number("embedding_std", init.embeddingStd, 1e-6, 10);
    keys.numberOrRule("linear_std", init.linearStd, "1/sqrt(fan_in)");
    keys.numberOrRule("output_scale", init.outputScale, "1/sqrt(2*layers)");
    return keys.finish();
}

void readOptimizer(KeyReader& keys, OptimizerConfig& o) {
    keys.number("learning_rate", o.learningRate, 1e-9, 10);
    keys.number("warmup_share", o.warmupShare, 0, 1);
    keys.number("final_share", o.finalShare, 0, 1);
    keys.choice("schedule", o.schedule, {"cosine", "linear", "constant"});
    keys.number("epsilon", o.epsilon, 1e-20, 1);
    keys.number("weight_decay", o.weightDecay, 0, 10);
    keys.number("clip_norm", o.clipNorm, 0, 1e6);
    keys.betas(o.beta1, o.beta2);
}

Result<void> checkWhole(const PretrainConfig& c, const std::string& where) {
    const bool plainName = std::all_of(c.series.begin(), c.series.end(), [](unsigned char ch) {
        return std::isalnum(ch) || ch == '-' || ch == '_' || ch == '.';
    });
    if (!plainName || c.series.front() == '.')
        return fail(ErrorKind::OutOfRange, "\"series\" may hold letters, digits, '-', '_' and '.'.", where);
    if (c.sequenceLength > c.spec.contextLength)
        return fail(ErrorKind::OutOfRange, "\"sequence_length\" is longer than shape.context.", where);
    for (const std::int64_t budget : c.budgetsTokens)
        if (c.steps(budget) < 1)
            return fail(ErrorKind::OutOfRange,
                        "the budget of " + std::to_string(budget) + " tokens is less than one step of " +
                            std::to_string(c.tokensPerStep()) + " tokens (batch_sequences * sequence_length).",
                        where);
    if (c.batchSequences % c.gradientLanes != 0)
        return fail(ErrorKind::OutOfRange, "\"batch_sequences\" must be a multiple of \"gradient_lanes\".", where);
    const std::int64_t lane = c.batchSequences / c.gradientLanes;
    if (c.microSequences > 0 && lane % c.microSequences != 0)
        return fail(ErrorKind::OutOfRange,
                    "batch_sequences / gradient_lanes must be a multiple of \"micro_sequences\".", where);
    return {};
}

} // namespace

Result<PretrainConfig> parsePretrainConfig(const Json& json, const fs::path& configFile, const fs::path& textsFolder) {
    const std::string where = configFile.string();
    PretrainConfig c;
    c.source = json;
    KeyReader keys(json, where);
    std::string family;
    keys.text("series", c.series, true);
    keys.text("family", family, true);
    const Json* shape = keys.require("shape");
    const Json* tokenizer = keys.require("tokenizer");
    if (shape)
        CREST_CHECK(readShape(*shape, where, family, c.spec));
    if (tokenizer)
        CREST_CHECK(readTokenizerPart(*tokenizer, where, configFile, c));
    CREST_CHECK(readTextsPart(keys, where, configFile, textsFolder, c));
    if (const Json* init = keys.find("init"))
        CREST_CHECK(readInit(*init, where, c.init));
    keys.integer("batch_sequences", c.batchSequences, 1, 1 << 20);
    c.sequenceLength = c.spec.contextLength;
    keys.integer("sequence_length", c.sequenceLength, 2, 1 << 20);
    keys.integers("budgets_tokens", c.budgetsTokens, 1, std::int64_t{1} << 50);
    keys.integers("seeds", c.seeds, 0, std::int64_t{1} << 53);
    readOptimizer(keys, c.optimizer);
    keys.choice("compute", c.compute, {"float32", "bfloat16"});
    keys.choice("save_dtype", c.saveType, {"float32", "float16", "bfloat16"});
    keys.integer("micro_sequences", c.microSequences, 0, 1 << 20);
    if (c.batchSequences % 2 != 0)
        c.gradientLanes = 1;
    keys.integer("gradient_lanes", c.gradientLanes, 1, 256);
    keys.number("state_seconds", c.stateSeconds, 0, 1e6);
    keys.integer("heldout_tokens", c.heldoutTokens, 0, std::int64_t{1} << 50);
    CREST_CHECK(keys.finish());
    CREST_CHECK(checkWhole(c, where));
    return c;
}

Result<PretrainConfig> readPretrainConfig(const fs::path& file, const fs::path& textsFolder) {
    std::error_code ignored;
    if (!textsFolder.empty() && !fs::is_directory(textsFolder, ignored)) // other texts would be taken without a word
        return fail(ErrorKind::NotFound, "There is no such folder of texts.", textsFolder.string());
    CREST_TRY(text, io::readTextFile(file, 10'000'000));
    CREST_TRY(json, parseJson(text, file.string()));
    return parsePretrainConfig(json, file, textsFolder);
}

} // namespace crest::train
