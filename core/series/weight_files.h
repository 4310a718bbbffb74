// SPDX-License-Identifier: Apache-2.0
// Which files hold a checkpoint's weights, and which stored tensor is which tensor of the decoder; headers only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/safetensors.h"
#include "core/series/decoder_spec.h"

namespace crest::series {

enum class WeightFormat { Safetensors, TorchZip, OlmoTorch, NanoGpt };
const char* weightFormatName(WeightFormat format); ///< "safetensors", "pytorch_model.bin", "model.pt", "ckpt.pt"

struct WeightFile {
    std::filesystem::path path;
    io::SafetensorsHeader header; ///< of a torch file its state dict in the same form; views may overlap or be strided
};

struct WeightFiles {
    WeightFormat format = WeightFormat::Safetensors;
    std::string name; ///< of the file, or of the index where it is in shards
    std::vector<WeightFile> files;
    std::uint64_t bytes = 0; ///< of all tensors
};

/// Where a tensor of the decoder lies.
struct TensorPlace {
    std::size_t file = 0; ///< index into WeightFiles::files
    io::TensorEntry entry;
};

struct TensorPlaces {
    std::map<std::string, TensorPlace> byName; ///< every tensor of expectedTensors(spec), by canonical name
    /// A tied head that the files hold beside the embedding; the two must be equal (formats.md 2.1).
    std::map<std::string, TensorPlace> tiedHead;
    std::vector<std::string> unused; ///< stored names that have no place in the decoder, without known buffers
};

/// Finds and checks model.safetensors, or model.safetensors.index.json with its shards; without them
/// pytorch_model.bin, or its index and shards (formats.md 2.1); beside a config.yaml also model.pt of OLMo's trainer,
/// whose packed names are unpacked. Names of shards that lead out of `folder` are refused;
/// a link may only lead into the blobs of a Hugging Face hub cache. Where `checkpoint` is a file, it is nanoGPT's and
/// its "model" is read. Reads headers only.
Result<WeightFiles> readWeightFiles(const std::filesystem::path& checkpoint);

/// The other forms of weights in a folder that holds more than one (model.safetensors and pytorch_model.bin, say): nothing uses them.
/// What cannot be read is left out, and an index that names the `used` files themselves.
std::vector<WeightFiles> readOtherWeights(const std::filesystem::path& checkpoint, const WeightFiles& used);

/// True where a head that is stored beside a tied embedding (places.tiedHead) is another one, by what is looked at: blocks
/// all over both. False also where it cannot be told without reading all (stored with strides).
bool storedHeadDiffers(const WeightFiles& files, const TensorPlaces& places, const DecoderSpec& spec);

/// Maps stored names to canonical ones (prefixes of wrappers stripped, buffers ignored, a tied head that is stored
/// alone fills the embedding) and compares shapes and dtypes. Missing, doubled or misshapen tensors are a Mismatch, and so
/// are those of a layer that config.json has not; others that have no place are unused, as transformers leaves them out.
Result<TensorPlaces> placeTensors(const WeightFiles& files, const DecoderSpec& spec, const std::string& where);

} // namespace crest::series
