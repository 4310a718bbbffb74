// SPDX-License-Identifier: Apache-2.0
// Where a forward pass takes its weights from: the checkpoint itself, or versions of it that are made on the way.
#pragma once

#include <cstdint>
#include <span>

#include "core/model/weight_reader.h"

namespace crest::model {

/// One or more versions of a checkpoint's weights, made stretch by stretch from the pristine map into scratch. A
/// version is complete when every element of every tensor was made once, in any order; making it again gives the same
/// bits.
class WeightSource {
public:
    virtual ~WeightSource() = default;

    virtual const WeightReader& reader() const = 0;
    virtual int versions() const = 0;

    /// out[k][j] = element first + j of the tensor in version firstVersion + k, for `count` elements. One thread at a
    /// time per object.
    virtual void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
                      std::span<float* const> out) = 0;
};

/// The checkpoint as it is: one version.
class PristineWeights final : public WeightSource {
public:
    explicit PristineWeights(const WeightReader& reader)
        : m_reader(reader) {}
    const WeightReader& reader() const override { return m_reader; }
    int versions() const override { return 1; }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override {
        (void)firstVersion;
        m_reader.read(tensor, first, {out[0], static_cast<std::size_t>(count)});
    }

private:
    const WeightReader& m_reader;
};

} // namespace crest::model
