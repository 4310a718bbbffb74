// SPDX-License-Identifier: Apache-2.0
// The part of results.h5 that says how far trained weights went from their start, tensor by tensor (layout: README.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/io/hdf5.h"
#include "core/study/types.h"

namespace crest::study {

/// Collects them; tasks of one cell share theirs.
class DistancesWriter {
public:
    /// Where a row's tensors begin, and how many there are.
    std::pair<std::int64_t, std::int64_t> add(const WeightChange& change);
    Result<void> write(io::Hdf5Writer& file) const;

private:
    std::vector<std::string> m_names;
    std::map<std::string, std::int32_t> m_indices; ///< of names
    std::vector<std::int32_t> m_tensors;
    std::vector<float> m_distances, m_starts;
    std::map<std::vector<float>, std::int64_t> m_known; ///< first element by the distances of a cell
};

class DistancesReader {
public:
    /// Nothing is read of a file that has none: every fill() is false then.
    static Result<DistancesReader> read(const io::Hdf5Reader& file);
    /// False where the file does not have them.
    bool fill(std::int64_t first, std::int64_t count, WeightChange& change) const;

private:
    std::vector<std::string> m_names;
    std::vector<std::int32_t> m_tensors;
    std::vector<float> m_distances, m_starts;
};

} // namespace crest::study
