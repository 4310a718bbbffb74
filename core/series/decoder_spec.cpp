// SPDX-License-Identifier: Apache-2.0
#include "core/series/decoder_spec.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/series/families.h"

namespace crest::series {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxParameters = std::int64_t{1} << 50;

/// The value of a key, or null where it is absent or null: both mean "the default" in config.json.
const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// Reads keys and keeps the first error, so that the code reads as a list of facts.
class ConfigReader {
public:
    ConfigReader(const Json& config, const std::string& where)
        : m_config(config)
        , m_where(where) {}

    const std::optional<Error>& error() const { return m_error; }

    std::int64_t size(const char* key, std::int64_t fallback, std::int64_t high = kMaxSize) {
        if (!find(m_config, key))
            return fallback;
        return keep(requireInt(m_config, key, m_where, 1, high), fallback);
    }
    double number(const Json& object, const char* key, double fallback) {
        return find(object, key) ? keep(requireNumber(object, key, m_where), fallback) : fallback;
    }
    bool flag(const ConfigSwitch& rule) { return rule.key ? flag(rule.key, rule.fallback) : rule.fallback; }
    bool flag(const char* key, bool fallback) {
        const Json* value = find(m_config, key);
        if (value && !value->is_boolean())
            refuse(ErrorKind::Malformed, fmt::format("\"{}\" must be true or false", key));
        return value && value->is_boolean() ? value->get<bool>() : fallback;
    }
    std::string text(const char* key, const char* fallback) {
        return find(m_config, key) ? keep(requireString(m_config, key, m_where), std::string(fallback)) : fallback;
    }
    void refuse(ErrorKind kind, std::string message) {
        if (!m_error)
            m_error = Error{kind, std::move(message), m_where};
    }
    void unsupported(const std::string& key, const std::string& why) {
        refuse(ErrorKind::Unsupported, fmt::format("\"{}\" asks for {}, which Crest does not compute.", key, why));
    }

private:
    const Json& m_config;
    std::string m_where;
    std::optional<Error> m_error;

    template<class T> T keep(Result<T> value, T fallback) {
        if (value)
            return *value;
        if (!m_error)
            m_error = value.error();
        return fallback;
    }
};

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
void refuseForeignOptions(ConfigReader& reader, const Json& config) {
    for (const auto& [key, why] : std::initializer_list<std::pair<const char*, const char*>>{
             {"quantization_config", "quantised weights"},
             {"auto_map", "program code from the model's folder"},
             {"sliding_window", "sliding-window attention"},
             {"clip_qkv", "clipped queries, keys and values"},
             {"num_local_experts", "a mixture of experts"},
             {"attn_logit_softcapping", "capped attention scores"},
             {"final_logit_softcapping", "capped logits"}})
        if (find(config, key))
            reader.unsupported(key, why);
    for (const char* key : {"is_encoder_decoder", "add_cross_attention"})
        if (reader.flag(key, false))
            reader.unsupported(key, "an encoder");
    if (const Json* types = find(config, "layer_types")) {
        const bool allFull = types->is_array() && std::all_of(types->begin(), types->end(), [](const Json& type) {
                                 return type == "full_attention";
                             });
        if (!allFull)
            reader.unsupported("layer_types", "layers of other kinds than full_attention");
    }
}

/// Rotary settings, by the precedence of transformers 5.23 (formats.md 2.2): a rope_scaling that is not empty replaces
/// rope_parameters; values inside win over older top-level keys.
void readRope(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    static const Json kEmpty = Json::object();
    const Json* rope = &kEmpty;
    std::string ropeKey = "rope_parameters";
    for (const char* key : {"rope_parameters", "rope_scaling"})
        if (const Json* value = find(config, key)) {
            if (!value->is_object())
                return reader.refuse(ErrorKind::Malformed, fmt::format("\"{}\" must be an object", key));
            if (!value->empty()) {
                rope = value;
                ropeKey = key;
            }
        }
    for (const auto& [key, value] : rope->items())
        if (value.is_object())
            return reader.unsupported(ropeKey + "." + key, "rotary positions that differ by layer");
    for (const char* key : {"rope_type", "type"})
        if (const Json* type = find(*rope, key); type && *type != "default")
            return reader.unsupported(ropeKey + "." + key, "rotary scaling of type " + type->dump().substr(0, 40));
    if (const Json* factor = find(*rope, "factor"); factor && *factor != 1)
        return reader.unsupported(ropeKey + ".factor", "rotary scaling");

    spec.ropeBase = reader.number(*rope, "rope_theta", reader.number(config, family.ropeBaseKey, 10000));
    if (!(spec.ropeBase > 1) || !(spec.ropeBase <= 1e12))
        return reader.refuse(ErrorKind::OutOfRange,
                             fmt::format("the rotary base is {}, it must be from 1 to 1e12", spec.ropeBase));

    double partial = family.partialRotary;
    if (family.partialRotaryKey)
        partial = reader.number(config, family.partialRotaryKey, partial);
    else
        partial = reader.number(config, "partial_rotary_factor", partial);
    partial = reader.number(*rope, "partial_rotary_factor", partial);
    if (!family.partialRotaryKey && partial != 1)
        return reader.unsupported("partial_rotary_factor", "partial rotation, which this family does not know");
    const double dims = static_cast<double>(spec.headSize) * partial;
    spec.ropeDims = dims >= 0 && dims <= static_cast<double>(spec.headSize) ? static_cast<std::int64_t>(dims) : 0;
    if (spec.ropeDims <= 0 || spec.ropeDims % 2 != 0)
        reader.refuse(
            ErrorKind::OutOfRange,
            fmt::format("{} of each head of {} would be rotated; it must be an even number of dimensions above 0",
                        spec.ropeDims, spec.headSize));
}

void readHeads(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    if (spec.width % spec.heads != 0)
        return reader.refuse(
            ErrorKind::OutOfRange,
            fmt::format("hidden_size {} is no multiple of num_attention_heads {}", spec.width, spec.heads));
    spec.kvHeads = family.groupedHeads ? reader.size("num_key_value_heads", spec.heads) : spec.heads;
    spec.headSize = reader.size("head_dim", spec.width / spec.heads);
    if (!family.groupedHeads && spec.headSize != spec.width / spec.heads)
        reader.unsupported("head_dim", "heads of another size than hidden_size / num_attention_heads");
    if (const Json* kv = find(config, "num_key_value_heads"); kv && !family.groupedHeads && *kv != spec.heads)
        reader.unsupported("num_key_value_heads", "grouped heads, which this family does not know");
    if (spec.heads % spec.kvHeads != 0)
        reader.refuse(
            ErrorKind::OutOfRange,
            fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}", spec.heads, spec.kvHeads));
    if (spec.heads * spec.headSize > kMaxSize)
        reader.refuse(ErrorKind::OutOfRange,
                      fmt::format("{} heads of {} dimensions are more than {}", spec.heads, spec.headSize, kMaxSize));
}

} // namespace

Result<DecoderSpec> decoderSpecFromConfig(const Json& config, const std::string& where) {
    if (!config.is_object())
        return fail(ErrorKind::Malformed, "This is no config.json: it must be one JSON object.", where);
    if (!find(config, "model_type"))
        return fail(ErrorKind::Malformed, "\"model_type\" is missing, so the family of the model is unknown.", where);
    CREST_TRY(modelType, requireString(config, "model_type", where));
    const Family* family = findFamily(modelType);
    if (!family)
        return fail(ErrorKind::Unsupported, unsupportedFamilyReason(modelType), where);

    ConfigReader reader(config, where);
    refuseForeignOptions(reader, config);
    DecoderSpec spec;
    spec.family = modelType;
    spec.vocabSize = reader.size("vocab_size", family->vocabSize);
    spec.width = reader.size("hidden_size", family->width);
    spec.layers = reader.size("num_hidden_layers", family->layers, kMaxLayers);
    spec.heads = reader.size("num_attention_heads", family->heads);
    spec.mlpWidth = reader.size("intermediate_size", family->mlpWidth);
    spec.contextLength = reader.size("max_position_embeddings", family->contextLength);
    spec.norm = family->norm;
    spec.normEps = reader.number(config, family->normEpsKey, family->normEps);
    if (!(spec.normEps > 0) || !(spec.normEps <= 1))
        reader.refuse(ErrorKind::OutOfRange, fmt::format("\"{}\" must be above 0 and at most 1", family->normEpsKey));
    spec.normBias = family->normBias;
    spec.mlp = family->mlp;
    const std::string activation = reader.text("hidden_act", family->activation);
    if (const auto known = activationOf(activation))
        spec.activation = *known;
    else
        reader.unsupported("hidden_act", "the activation \"" + activation.substr(0, 40) + "\"");
    spec.qkvBias = spec.attentionOutputBias = reader.flag(family->attentionBias);
    spec.mlpBias = reader.flag(family->mlpBias);
    spec.parallelResidual = reader.flag(family->parallelResidual);
    spec.fusedQkv = family->fusedQkv;
    spec.tiedHead = reader.flag("tie_word_embeddings", false);
    if (!reader.error())
        readHeads(reader, config, *family, spec);
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
                   {"vocab_size", spec.vocabSize},
                   {"hidden_size", spec.width},
                   {"num_hidden_layers", spec.layers},
                   {"num_attention_heads", spec.heads},
                   {"intermediate_size", spec.mlpWidth},
                   {"max_position_embeddings", spec.contextLength},
                   {"hidden_act", activationName(spec.activation)},
                   {"tie_word_embeddings", spec.tiedHead},
                   // The tokenizer says which ids are special; the class defaults of transformers would be wrong.
                   {"bos_token_id", nullptr},
                   {"eos_token_id", nullptr},
                   {"pad_token_id", nullptr}};
    config[family->normEpsKey] = spec.normEps;
    if (family->groupedHeads) {
        config["num_key_value_heads"] = spec.kvHeads;
        config["head_dim"] = spec.headSize;
    }
    config[family->attentionBias.key] = spec.qkvBias;
    if (family->mlpBias.key)
        config[family->mlpBias.key] = spec.mlpBias;
    if (family->parallelResidual.key)
        config[family->parallelResidual.key] = spec.parallelResidual;
    // transformers 5 reads rope_parameters, older versions the top-level keys.
    Json rope = {{"rope_type", "default"}, {"rope_theta", spec.ropeBase}};
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
