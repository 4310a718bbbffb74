// SPDX-License-Identifier: Apache-2.0
#include "core/model/weight_reader.h"

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "core/base/sum_of_squares.h"

namespace crest::model {

using series::TensorInfo;
using series::TensorSlot;

namespace {

constexpr std::size_t kStretch = 8192; ///< elements converted at a time where the caller wants no copy

#if defined(__x86_64__)
#define CREST_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CREST_CLONES
#endif

CREST_CLONES void fromBFloat16(const std::byte* from, float* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t stored;
        std::memcpy(&stored, from + 2 * i, 2);
        const std::uint32_t bits = static_cast<std::uint32_t>(stored) << 16;
        std::memcpy(out + i, &bits, 4);
    }
}

/// Exponent and mantissa moved into place and scaled by 2^112: exact for normal and subnormal numbers; infinity and NaN
/// get the largest exponent back.
CREST_CLONES void fromFloat16(const std::byte* from, float* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t stored;
        std::memcpy(&stored, from + 2 * i, 2);
        const std::uint32_t magnitude = static_cast<std::uint32_t>(stored & 0x7FFFu) << 13;
        float scaled;
        std::memcpy(&scaled, &magnitude, 4);
        scaled *= 0x1p112f;
        std::uint32_t bits;
        std::memcpy(&bits, &scaled, 4);
        bits |= (magnitude >= 0x0F800000u ? 0x7F800000u : 0u) | static_cast<std::uint32_t>(stored & 0x8000u) << 16;
        std::memcpy(out + i, &bits, 4);
    }
}

} // namespace

WeightReader::WeightReader(series::CheckpointWeights weights, series::DecoderSpec spec, std::string where)
    : m_weights(std::move(weights))
    , m_spec(std::move(spec))
    , m_where(std::move(where))
    , m_tensors(series::expectedTensors(m_spec)) {}

Result<WeightReader> WeightReader::open(const std::filesystem::path& folder, const series::DecoderSpec& spec) {
    CREST_TRY(weights, series::CheckpointWeights::open(folder, spec));
    WeightReader reader(std::move(weights), spec, folder.string());
    for (const TensorInfo& info : reader.m_tensors) {
        const auto found = reader.m_weights.tensors().find(info.name);
        if (found == reader.m_weights.tensors().end())
            return fail(ErrorKind::NotFound, fmt::format("the tensor {} is missing", info.name), reader.m_where);
        const io::DType dtype = found->second.dtype;
        if (dtype != io::DType::F32 && dtype != io::DType::F16 && dtype != io::DType::BF16)
            return fail(ErrorKind::Unsupported,
                        fmt::format("the tensor {} is stored as {}; Crest computes with F32, F16 and BF16", info.name,
                                    io::dtypeName(dtype)),
                        reader.m_where);
        std::int64_t elements = 1;
        for (const std::int64_t size : info.shape)
            elements *= size;
        reader.m_stored.push_back(&found->second);
        reader.m_elements.push_back(elements);
    }
    return reader;
}

int WeightReader::find(TensorSlot slot, int layer, bool bias) const {
    for (std::size_t i = 0; i < m_tensors.size(); ++i)
        if (m_tensors[i].slot == slot && m_tensors[i].layer == layer && m_tensors[i].isBias == bias)
            return static_cast<int>(i);
    return -1;
}

void WeightReader::read(int tensor, std::int64_t first, std::span<float> out) const {
    const series::StoredTensor& stored = *m_stored[static_cast<std::size_t>(tensor)];
    const std::byte* from = stored.bytes.data() + static_cast<std::size_t>(first) * io::dtypeSize(stored.dtype);
    if (stored.dtype == io::DType::F32)
        std::memcpy(out.data(), from, out.size_bytes());
    else if (stored.dtype == io::DType::F16)
        fromFloat16(from, out.data(), out.size());
    else
        fromBFloat16(from, out.data(), out.size());
}

void WeightReader::release(int tensor, std::int64_t first, std::int64_t count) const {
    const series::StoredTensor& stored = *m_stored[static_cast<std::size_t>(tensor)];
    const std::size_t size = io::dtypeSize(stored.dtype);
    m_weights.release(stored.bytes.subspan(static_cast<std::size_t>(first) * size, static_cast<std::size_t>(count) * size));
}

Result<std::map<std::string, double>> WeightReader::checkedRms(const JobContext& job) const {
    std::map<std::string, double> rms;
    std::vector<float> values(kStretch);
    for (std::size_t tensor = 0; tensor < m_tensors.size(); ++tensor) {
        const std::int64_t count = m_elements[tensor];
        double sum = 0;
        for (std::int64_t first = 0; first < count; first += static_cast<std::int64_t>(kStretch)) {
            if (job.stopRequested())
                return stopped();
            const std::span<float> part(values.data(),
                                        std::min<std::size_t>(kStretch, static_cast<std::size_t>(count - first)));
            read(static_cast<int>(tensor), first, part);
            const double squares = sumOfSquares(part);
            if (!std::isfinite(squares))
                for (std::size_t i = 0; i < part.size(); ++i)
                    if (!std::isfinite(part[i]))
                        return fail(
                            ErrorKind::NonFinite,
                            fmt::format("the tensor {} holds {} at element {}; this checkpoint cannot be measured",
                                        m_tensors[tensor].name, std::isnan(part[i]) ? "NaN" : "infinity",
                                        first + static_cast<std::int64_t>(i)),
                            m_where);
            sum += squares;
        }
        release(static_cast<int>(tensor), 0, count);
        rms[m_tensors[tensor].name] = std::sqrt(sum / static_cast<double>(count));
    }
    return rms;
}

} // namespace crest::model
