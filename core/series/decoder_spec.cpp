// SPDX-License-Identifier: Apache-2.0
#include "core/series/decoder_spec.h"

#include <algorithm>
#include <cmath>

#include "core/series/config_reader.h"

namespace crest::series {
namespace {

std::optional<Activation> activationOf(const std::string& name) {
    if (name == "silu" || name == "swish")
        return Activation::Silu;
    if (name == "gelu" || name == "gelu_python")
        return Activation::GeluErf;
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_python_tanh" || name == "gelu_fast")
        return Activation::GeluTanh;
    if (name == "relu")
        return Activation::Relu;
    return std::nullopt;
}

const char* activationName(Activation activation) {
    switch (activation) {
    case Activation::Silu:
        return "silu";
    case Activation::GeluErf:
        return "gelu";
    case Activation::GeluTanh:
        return "gelu_pytorch_tanh";
    case Activation::Relu:
        return "relu";
    }
    return "silu";
}

/// Options of other builds of a family that would change numbers.
void refuseForeignOptions(ConfigReader& reader, const Json& config, const Family& family) {
    for (const auto& [key, why] : std::initializer_list<std::pair<const char*, const char*>>{
             {"quantization_config", "quantised weights"},
             {"auto_map", "program code from the model's folder"},
             {"num_local_experts", "a mixture of experts"},
             {"attn_logit_softcapping", "capped attention scores"},
             {"final_logit_softcapping", "capped logits"}})
        if (find(config, key))
            reader.unsupported(key, why);
    if (family.windows == WindowRule::None && find(config, "sliding_window"))
        reader.unsupported("sliding_window", "sliding-window attention, which this family does not know");
    if (!family.clipsQkv && find(config, "clip_qkv"))
        reader.unsupported("clip_qkv", "clipped queries, keys and values, which this family does not know");
    for (const char* key : {"is_encoder_decoder", "add_cross_attention"})
        if (reader.flag(key, false))
            reader.unsupported(key, "an encoder");
    for (const ConfigDemand& demand : family.demands)
        if (const Json* value = find(config, demand.key)) {
            const Json wanted = Json::parse(demand.value);
            const bool fits = wanted.is_array() ? std::find(wanted.begin(), wanted.end(), *value) != wanted.end()
                                                : *value == wanted;
            if (!fits)
                reader.unsupported(demand.key, demand.why);
        }
}

void readHeads(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    const std::int64_t headsByWidth = spec.width / spec.heads;
    if (spec.width % spec.heads != 0 && !find(config, "head_dim"))
        return reader.refuse(ErrorKind::OutOfRange, fmt::format("{} {} is no multiple of {} {}", family.width.key,
                                                                spec.width, family.heads.key, spec.heads));
    spec.kvHeads = spec.heads;
    spec.headSize = headsByWidth;
    if (family.groupedHeads) {
        const bool absent = !config.contains(family.kvHeadsKey);
        spec.kvHeads =
            absent && family.kvHeadsAbsent > 0 ? family.kvHeadsAbsent : reader.size(family.kvHeadsKey, spec.heads);
        spec.headSize = reader.size("head_dim", family.headSizeAbsent > 0 ? family.headSizeAbsent : headsByWidth);
    } else {
        if (const Json* size = find(config, "head_dim"); size && *size != headsByWidth)
            reader.unsupported("head_dim", "heads of another size than the width over the heads");
        if (const Json* kv = find(config, "num_key_value_heads"); kv && *kv != spec.heads)
            reader.unsupported("num_key_value_heads", "grouped heads, which this family does not know");
    }
    if (spec.heads % spec.kvHeads != 0)
        reader.refuse(ErrorKind::OutOfRange, fmt::format("{} {} is no multiple of {} {}", family.heads.key, spec.heads,
                                                         family.kvHeadsKey, spec.kvHeads));
    if (spec.heads * spec.headSize > kMaxSize)
        reader.refuse(ErrorKind::OutOfRange,
                      fmt::format("{} heads of {} dimensions are more than {}", spec.heads, spec.headSize, kMaxSize));
}

std::int64_t readMlpWidth(ConfigReader& reader, const Family& family, std::int64_t width) {
    switch (family.mlpWidthRule) {
    case MlpWidthRule::Plain:
        return reader.size(family.mlpWidth.key, family.mlpWidth.absent);
    case MlpWidthRule::FourTimes:
        return reader.size(family.mlpWidth.key, 4 * width);
    case MlpWidthRule::BothHalves:
        break;
    }
    const std::int64_t both = reader.size(family.mlpWidth.key, reader.size("mlp_ratio", 4) * width);
    if (both % 2 != 0)
        reader.refuse(ErrorKind::OutOfRange, fmt::format("\"{}\" must be even", family.mlpWidth.key));
    if (both > kMaxSize)
        reader.refuse(ErrorKind::OutOfRange, fmt::format("the MLP would be {} wide; it must not be wider than {}", both, kMaxSize));
    return std::max<std::int64_t>(both / 2, 1);
}

/// The window of each layer; empty where no layer has one.
void readWindows(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    const Json* types = find(config, "layer_types");
    const auto layers = static_cast<std::size_t>(spec.layers);
    const auto isFull = [](const Json& type) { return type == "full_attention"; };
    const auto isWindowed = [](const Json& type) { return type == "sliding_attention"; };
    if (types && (!types->is_array() || types->size() != layers ||
                  !std::all_of(types->begin(), types->end(),
                               [&](const Json& type) { return isFull(type) || isWindowed(type); })))
        return reader.unsupported("layer_types", fmt::format("layers of other kinds, or not {} of them", spec.layers));
    if (family.windows == WindowRule::None) {
        if (types && !std::all_of(types->begin(), types->end(), isFull))
            reader.unsupported("layer_types", "sliding windows, which this family does not know");
        return;
    }
    const bool absent = !config.contains("sliding_window");
    std::int64_t window = absent ? 4096 : find(config, "sliding_window") ? reader.size("sliding_window", 4096) : 0;
    std::int64_t firstLayer = 0;
    if (family.windows == WindowRule::Switched) {
        window = reader.flag("use_sliding_window", false) ? window : 0;
        firstLayer = find(config, "max_window_layers") == nullptr || config["max_window_layers"] != 0
                         ? reader.size("max_window_layers", 28)
                         : 0;
    }
    if (window == 0)
        return;
    spec.windows.assign(layers, 0);
    for (std::size_t layer = 0; layer < layers; ++layer) {
        bool windowed = static_cast<std::int64_t>(layer) >= firstLayer;
        if (family.windows == WindowRule::ThreeOfFour)
            windowed = (layer + 1) % 4 != 0;
        if (types && family.windows != WindowRule::EveryLayer)
            windowed = isWindowed((*types)[layer]);
        spec.windows[layer] = windowed ? window : 0;
    }
    if (std::all_of(spec.windows.begin(), spec.windows.end(), [](std::int64_t w) { return w == 0; }))
        spec.windows.clear();
}

void readNorms(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    spec.norm = family.norm;
    spec.normPlacement = family.normPlacement;
    spec.normEps = family.normEpsKey ? reader.number(config, family.normEpsKey, family.normEps) : family.normEps;
    if (!(spec.normEps > 0) || !(spec.normEps <= 1))
        reader.refuse(ErrorKind::OutOfRange, fmt::format("\"{}\" must be above 0 and at most 1", family.normEpsKey));
    spec.normGain = family.normGain;
    spec.normBias = reader.flag(family.normBias);
    spec.qkNorm = family.qkNorm;
    if (family.normBefore.key) {
        if (!reader.flag(family.normBefore))
            spec.normPlacement = NormPlacement::AfterSum;
        spec.finalNorm =
            spec.normPlacement == NormPlacement::BeforeBranch && !reader.flag("_remove_final_layer_norm", false);
        spec.normGain = spec.normBias = reader.flag("layer_norm_elementwise_affine", true);
    }
}

} // namespace

Result<DecoderSpec> decoderSpecFromConfig(const Json& config, const std::string& where) {
    if (!config.is_object())
        return fail(ErrorKind::Malformed, "This is no config.json: it must be one JSON object.", where);
    if (!find(config, "model_type"))
        return fail(ErrorKind::Malformed, "\"model_type\" is missing, so the family of the model is unknown.", where);
    CREST_TRY(modelType, requireString(config, "model_type", where));
    const Family* family = findFamily(modelType, config);
    if (!family)
        return fail(ErrorKind::Unsupported, unsupportedFamilyReason(modelType), where);

    ConfigReader reader(config, where);
    refuseForeignOptions(reader, config, *family);
    const auto size = [&](const ConfigSize& key, std::int64_t high = kMaxSize) {
        return reader.size(key.key, key.absent, high);
    };
    DecoderSpec spec;
    spec.family = family->modelType;
    spec.vocabSize = reader.size(family->vocabSize.key, reader.size("vocab_size", family->vocabSize.absent));
    spec.width = size(family->width);
    spec.layers = size(family->layers, kMaxLayers);
    spec.heads = size(family->heads);
    spec.mlpWidth = readMlpWidth(reader, *family, spec.width);
    spec.contextLength = size(family->contextLength);
    readNorms(reader, config, *family, spec);
    spec.mlp = family->mlp;
    const std::string activation =
        family->activationKey ? reader.text(family->activationKey, family->activation) : family->activation;
    if (const auto known = activationOf(activation))
        spec.activation = *known;
    else
        reader.unsupported(family->activationKey, "the activation \"" + activation.substr(0, 40) + "\"");
    spec.qkvBias = reader.flag(family->qkvBias);
    spec.attentionOutputBias = reader.flag(family->attentionOutputBias);
    spec.mlpBias = reader.flag(family->mlpBias);
    spec.parallelResidual = reader.flag(family->parallelResidual);
    spec.qkv = family->qkv;
    spec.fusedUpGate = family->fusedUpGate;
    spec.transposedBlocks = family->transposedBlocks;
    if (family->clipsQkv && find(config, "clip_qkv")) {
        spec.clipQkv = reader.number(config, "clip_qkv", 0);
        if (!(spec.clipQkv > 0))
            reader.refuse(ErrorKind::OutOfRange, "\"clip_qkv\" must be above 0");
    }
    spec.attentionScaleByLayer = reader.flag(family->attentionScaleByLayer);
    spec.tiedHead = reader.flag(family->tiedHead);
    if (family->embeddingWidthKey) {
        const std::int64_t embedding = reader.size(family->embeddingWidthKey, spec.width);
        spec.embeddingWidth = embedding == spec.width ? 0 : embedding;
    }
    spec.positions = family->positions;
    spec.positionOffset = family->positionOffset;
    if (!reader.error())
        readHeads(reader, config, *family, spec);
    if (!reader.error())
        readWindows(reader, config, *family, spec);
    if (!reader.error())
        readRope(reader, config, *family, spec);
    if (!reader.error() && parameterCount(spec) > kMaxParameters)
        reader.refuse(ErrorKind::OutOfRange,
                      fmt::format("these sizes give {:.3g} parameters", static_cast<double>(parameterCount(spec))));
    if (reader.error())
        return fail(*reader.error());
    return spec;
}

Json configFromDecoderSpec(const DecoderSpec& spec) {
    const Family* family = findFamily(spec.family);
    if (!family)
        return Json::object();
    Json config = {{"architectures", {family->architecture}},
                   {"model_type", spec.family},
                   {family->vocabSize.key, spec.vocabSize},
                   {family->width.key, spec.width},
                   {family->layers.key, spec.layers},
                   {family->heads.key, spec.heads},
                   {family->mlpWidth.key, spec.mlpWidth},
                   {family->contextLength.key, spec.contextLength},
                   // The tokenizer says which ids are special; the class defaults of transformers would be wrong.
                   {"bos_token_id", nullptr},
                   {"eos_token_id", nullptr},
                   {"pad_token_id", nullptr}};
    if (family->tiedHead.key)
        config[family->tiedHead.key] = spec.tiedHead;
    if (family->activationKey)
        config[family->activationKey] = activationName(spec.activation);
    if (family->normEpsKey)
        config[family->normEpsKey] = spec.normEps;
    if (family->groupedHeads) {
        config[family->kvHeadsKey] = spec.kvHeads;
        config["head_dim"] = spec.headSize;
    }
    for (const auto& [key, value] : {std::pair(family->qkvBias, spec.qkvBias), std::pair(family->mlpBias, spec.mlpBias),
                                     std::pair(family->parallelResidual, spec.parallelResidual)})
        if (key.key)
            config[key.key] = value;
    if (spec.positions == Positions::Learned)
        return config;
    // transformers 5 reads rope_parameters, older versions the top-level keys.
    Json rope = {{"rope_type", "default"}, {"rope_theta", spec.ropeBase}};
    if (family->ropeBaseKey)
        config[family->ropeBaseKey] = spec.ropeBase;
    if (family->partialRotaryKey) {
        const auto size = static_cast<double>(spec.headSize);
        double partial = static_cast<double>(spec.ropeDims) / size;
        if (static_cast<std::int64_t>(size * partial) < spec.ropeDims)
            partial = std::nextafter(partial, 2.0);
        rope["partial_rotary_factor"] = partial;
        config[family->partialRotaryKey] = partial;
    }
    config["rope_parameters"] = std::move(rope);
    return config;
}

} // namespace crest::series
