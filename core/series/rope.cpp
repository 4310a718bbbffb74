// SPDX-License-Identifier: Apache-2.0
// Rotary positions: what config.json says of them, and the frequencies that follow (RoFormer 3.2.2; formats.md 2.6).
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/series/config_reader.h"

namespace crest::series {
namespace {

/// The settings object of rotary positions, by the precedence of transformers 5.23 (formats.md 2.2): a rope_scaling
/// that is not empty replaces rope_parameters. `key` names it.
const Json& ropeSettings(ConfigReader& reader, const Json& config, std::string& key) {
    static const Json kEmpty = Json::object();
    const Json* rope = &kEmpty;
    key = "rope_parameters";
    for (const char* name : {"rope_parameters", "rope_scaling"})
        if (const Json* value = find(config, name)) {
            if (!value->is_object()) {
                reader.refuse(ErrorKind::Malformed, fmt::format("\"{}\" must be an object", name));
                return kEmpty;
            }
            if (!value->empty()) {
                rope = value;
                key = name;
            }
        }
    return *rope;
}

/// The type of scaling that a settings object asks for; "default" where it says nothing.
std::string scalingType(const Json& rope) {
    for (const char* key : {"rope_type", "type"})
        if (const Json* type = find(rope, key))
            return type->is_string() ? type->get<std::string>() : type->dump();
    return "default";
}

double yarnAttentionFactor(ConfigReader& reader, const Json& rope, double factor) {
    const auto scale = [&](double weight) { return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1; };
    const double mscale = reader.number(rope, "mscale", 0), all = reader.number(rope, "mscale_all_dim", 0);
    const double usual = mscale != 0 && all != 0 ? scale(mscale) / scale(all) : scale(1);
    return reader.number(rope, "attention_factor", usual);
}

/// `original`: the context before stretching, where config.json says it outside `rope`, which it then goes before.
void readScaling(ConfigReader& reader, const Json& rope, const Json* original, const std::string& where,
                 DecoderSpec& spec) {
    RopeScaling& scaling = spec.ropeScaling;
    const std::string type = scalingType(rope);
    if (type == "default") {
        if (const Json* factor = find(rope, "factor"); factor && *factor != 1)
            reader.unsupported(where + ".factor", "rotary scaling without a type");
        return;
    }
    using Kind = RopeScaling::Kind;
    static const std::map<std::string, Kind> kKinds = {
        {"linear", Kind::Linear}, {"dynamic", Kind::Dynamic}, {"llama3", Kind::Llama3}, {"yarn", Kind::Yarn}};
    const auto kind = kKinds.find(type);
    if (kind == kKinds.end())
        return reader.unsupported(where + ".rope_type", "rotary scaling of type " + type.substr(0, 40));
    scaling.kind = kind->second;
    scaling.originalContext = spec.contextLength;
    if (!original)
        original = find(rope, "original_max_position_embeddings");
    if (original) {
        if (!original->is_number_integer() || original->get<double>() < 1 || original->get<double>() > double(kMaxSize))
            return reader.refuse(ErrorKind::OutOfRange, "\"original_max_position_embeddings\" must be from 1 to 2^24");
        scaling.originalContext = original->get<std::int64_t>();
    }
    const bool derived = scaling.kind == Kind::Yarn;
    if (!derived && !find(rope, "factor"))
        return reader.refuse(ErrorKind::Malformed, fmt::format("\"{}.factor\" is missing", where));
    scaling.factor = reader.number(
        rope, "factor", static_cast<double>(spec.contextLength) / static_cast<double>(scaling.originalContext));
    if (!(scaling.factor >= 1) || !(scaling.factor <= 1e6))
        return reader.refuse(ErrorKind::OutOfRange, fmt::format("\"{}.factor\" must be from 1 to 1e6", where));
    scaling.lowFrequency = reader.number(rope, "low_freq_factor", 1);
    scaling.highFrequency = reader.number(rope, "high_freq_factor", 4);
    if (scaling.kind == Kind::Llama3 && !(scaling.highFrequency > scaling.lowFrequency && scaling.lowFrequency > 0))
        return reader.refuse(ErrorKind::OutOfRange, "\"high_freq_factor\" must be above \"low_freq_factor\"");
    if (scaling.kind != Kind::Yarn)
        return;
    scaling.betaFast = reader.number(rope, "beta_fast", 32);
    scaling.betaSlow = reader.number(rope, "beta_slow", 1);
    if (!(scaling.betaSlow > 0) || !(scaling.betaFast >= scaling.betaSlow))
        return reader.refuse(ErrorKind::OutOfRange, "\"beta_fast\" must be at least \"beta_slow\", both above 0");
    if (const Json* truncate = find(rope, "truncate"))
        scaling.truncate = *truncate != false;
    scaling.attentionFactor = yarnAttentionFactor(reader, rope, scaling.factor);
}

double checkedBase(ConfigReader& reader, double base) {
    if (!(base > 1) || !(base <= 1e12))
        reader.refuse(ErrorKind::OutOfRange, fmt::format("the rotary base is {}, it must be above 1 and at most 1e12", base));
    return base;
}

} // namespace

void readRope(ConfigReader& reader, const Json& config, const Family& family, DecoderSpec& spec) {
    if (spec.positions == Positions::Learned)
        return;
    std::string where;
    const Json* rope = &ropeSettings(reader, config, where);
    const double topBase =
        family.ropeBaseKey ? reader.number(config, family.ropeBaseKey, family.ropeBase) : family.ropeBase;
    const Json* full = find(*rope, "full_attention");
    const Json* windowed = find(*rope, "sliding_attention");
    const bool byLayer = family.windows == WindowRule::ThreeOfFour;
    for (const auto& [key, value] : rope->items())
        if (value.is_object() && !(byLayer && (&value == full || &value == windowed)))
            return reader.unsupported(where + "." + key, "rotary positions that differ by layer");
    // Layers with a window keep plain positions; what stands outside the two objects scales the others alone.
    if (byLayer) {
        if (windowed && scalingType(*windowed) != "default")
            return reader.unsupported(where + ".sliding_attention", "scaled positions in layers with a window");
        spec.windowRopeBase = checkedBase(reader, windowed ? reader.number(*windowed, "rope_theta", topBase) : topBase);
        if (full) {
            rope = full;
            where += ".full_attention";
        }
    }
    spec.ropeBase = checkedBase(reader, reader.number(*rope, "rope_theta", topBase));
    const Json* outside = rope == full ? nullptr : find(config, "original_max_position_embeddings");
    readScaling(reader, *rope, outside, where, spec);

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

namespace {

using Kind = RopeScaling::Kind;

/// The dimension that turns `rotations` times over the original context (YaRN, section 3.2).
double dimensionOf(double rotations, double dims, double base, double context) {
    return dims * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
}

double llama3Frequency(double frequency, const RopeScaling& s) {
    const double wavelength = 2 * std::numbers::pi / frequency, context = static_cast<double>(s.originalContext);
    if (wavelength > context / s.lowFrequency)
        return frequency / s.factor;
    if (wavelength < context / s.highFrequency)
        return frequency;
    const double share = (context / wavelength - s.lowFrequency) / (s.highFrequency - s.lowFrequency);
    return (1 - share) * frequency / s.factor + share * frequency;
}

void stretchYarn(std::vector<double>& frequencies, const DecoderSpec& spec) {
    const RopeScaling& s = spec.ropeScaling;
    const auto dims = static_cast<double>(spec.ropeDims), context = static_cast<double>(s.originalContext);
    double low = dimensionOf(s.betaFast, dims, spec.ropeBase, context);
    double high = dimensionOf(s.betaSlow, dims, spec.ropeBase, context);
    if (s.truncate)
        low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, dims - 1);
    if (low == high)
        high += 0.001;
    for (std::size_t k = 0; k < frequencies.size(); ++k) {
        const double ramp = std::clamp((static_cast<double>(k) - low) / (high - low), 0.0, 1.0);
        frequencies[k] = frequencies[k] * (1 - ramp) + frequencies[k] / s.factor * ramp;
    }
}

} // namespace

std::vector<double> ropeFrequencies(const DecoderSpec& spec, std::int64_t layer, std::int64_t tokens) {
    const bool plain = spec.windowRopeBase > 0 && spec.window(layer) > 0;
    const RopeScaling scaling = plain ? RopeScaling() : spec.ropeScaling;
    const auto dims = static_cast<double>(spec.ropeDims);
    double base = plain ? spec.windowRopeBase : spec.ropeBase;
    if (scaling.kind == Kind::Dynamic) {
        const auto context = static_cast<double>(spec.contextLength);
        const double length = std::max(static_cast<double>(tokens), context);
        base *= std::pow(scaling.factor * length / context - (scaling.factor - 1), dims / (dims - 2));
    }
    std::vector<double> frequencies(static_cast<std::size_t>(spec.ropeDims / 2));
    for (std::size_t k = 0; k < frequencies.size(); ++k)
        frequencies[k] = std::pow(base, -2.0 * static_cast<double>(k) / dims);
    if (scaling.kind == Kind::Linear)
        for (double& frequency : frequencies)
            frequency /= scaling.factor;
    if (scaling.kind == Kind::Llama3)
        for (double& frequency : frequencies)
            frequency = llama3Frequency(frequency, scaling);
    if (scaling.kind == Kind::Yarn)
        stretchYarn(frequencies, spec);
    return frequencies;
}

double ropeAttentionFactor(const DecoderSpec& spec, std::int64_t layer) {
    return spec.windowRopeBase > 0 && spec.window(layer) > 0 ? 1 : spec.ropeScaling.attentionFactor;
}

} // namespace crest::series
