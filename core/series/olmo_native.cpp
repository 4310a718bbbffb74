// SPDX-License-Identifier: Apache-2.0
#include "core/series/olmo_native.h"

#include <algorithm>
#include <array>

#include "core/base/base64.h"
#include "core/io/files.h"
#include "core/series/checkpoint_records.h"
#include "core/series/yaml_text.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxFactor = std::int64_t{1} << 30;

std::optional<std::int64_t> countOf(const Json& object, const char* key) {
    const auto value = requireInt(object, key, "", 1, kMaxFactor);
    return value ? std::optional(*value) : std::nullopt;
}

/// Takes `expected` off the front.
bool skip(std::string_view& bytes, std::string_view expected) {
    if (!bytes.starts_with(expected))
        return false;
    bytes.remove_prefix(expected.size());
    return true;
}

/// The text of a pickle of ((text,), False), protocol 4 or 5.
std::optional<std::string> nameInPickle(std::string_view bytes) {
    constexpr std::size_t kFrameLength = 8;
    if (!skip(bytes, std::string_view("\x80\x04\x95", 3)) && !skip(bytes, std::string_view("\x80\x05\x95", 3)))
        return std::nullopt;
    bytes.remove_prefix(std::min(kFrameLength, bytes.size()));
    if (!skip(bytes, "\x8c") || bytes.empty()) // SHORT_BINUNICODE
        return std::nullopt;
    const auto length = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (bytes.size() < length)
        return std::nullopt;
    std::string name(bytes.substr(0, length));
    bytes.remove_prefix(length);
    // MEMOIZE TUPLE1 MEMOIZE NEWFALSE TUPLE2 MEMOIZE STOP
    const bool isName = bytes == std::string_view("\x94\x85\x94\x89\x86\x94.");
    return isName ? std::optional(std::move(name)) : std::nullopt;
}

} // namespace

bool isNativeOlmo(const fs::path& folder) {
    return io::isThere(folder / "config.yaml") && !io::isThere(folder / "config.json");
}

Result<NativeOlmo> parseNativeOlmo(std::string_view yaml, const std::string& where) {
    CREST_TRY(root, parseYaml(yaml, where));
    const auto model = root.is_object() ? root.find("model") : root.end();
    if (!root.is_object() || model == root.end() || !model->is_object() || !model->contains("d_model"))
        return fail(ErrorKind::Malformed, "This is no config.yaml of OLMo's trainer: it has no \"model\" with a \"d_model\".",
                    where);
    NativeOlmo out;
    // The defaults that differ from what the published models say.
    out.config = {{"rope", false}, {"include_bias", true}, {"layer_norm_with_affine", true}};
    for (const auto& [key, value] : model->items())
        if (!value.is_null())
            out.config[key] = value;
    if (!out.config.contains("bias_for_layer_norm"))
        out.config["bias_for_layer_norm"] = out.config["include_bias"];
    out.config["model_type"] = "hf_olmo";
    const auto batch = countOf(root, "global_train_batch_size"), length = countOf(*model, "max_sequence_length");
    if (batch && length)
        out.tokensPerStep = *batch * *length;
    if (const auto tokenizer = root.find("tokenizer"); tokenizer != root.end() && tokenizer->is_object())
        if (const auto name = requireString(*tokenizer, "identifier", where))
            out.tokenizer = name->substr(0, 200);
    return out;
}

Result<NativeOlmo> readNativeOlmo(const fs::path& folder) {
    const fs::path file = folder / "config.yaml";
    CREST_TRY(text, readSmallText(file));
    return parseNativeOlmo(text, file.string());
}

std::string plainOlmoName(const std::string& stored) {
    if (!stored.starts_with("gASV") && !stored.starts_with("gAWV")) // how those pickles begin
        return stored;
    std::string text = stored; // of the alphabet for addresses
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    const auto bytes = fromBase64(text);
    const auto name = bytes ? nameInPickle(*bytes) : std::nullopt;
    return name.value_or(stored);
}

} // namespace crest::series
