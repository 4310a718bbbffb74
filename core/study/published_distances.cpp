// SPDX-License-Identifier: Apache-2.0
#include "core/study/published_distances.h"

#include <algorithm>

namespace crest::study {
namespace {

constexpr const char* kFolder = "/distances";

} // namespace

std::pair<std::int64_t, std::int64_t> DistancesWriter::add(const WeightChange& change) {
    const auto count = static_cast<std::int64_t>(change.tensors.size());
    std::vector<float> key = change.distances;
    key.insert(key.end(), change.starts.begin(), change.starts.end());
    const auto [known, isNew] = m_known.try_emplace(std::move(key), static_cast<std::int64_t>(m_tensors.size()));
    if (!isNew)
        return {known->second, count};
    for (std::size_t i = 0; i < change.tensors.size(); ++i) {
        const auto [at, added] = m_indices.try_emplace(change.tensors[i], static_cast<std::int32_t>(m_names.size()));
        if (added)
            m_names.push_back(change.tensors[i]);
        m_tensors.push_back(at->second);
        m_distances.push_back(change.distances[i]);
        m_starts.push_back(change.starts[i]);
    }
    return {known->second, count};
}

Result<void> DistancesWriter::write(io::Hdf5Writer& file) const {
    if (m_tensors.empty())
        return {};
    const std::string folder = kFolder;
    CREST_CHECK(file.table(folder + "/names", {{"tensor", m_names}}));
    CREST_CHECK(file.array(folder + "/tensor", std::span<const std::int32_t>(m_tensors), {m_tensors.size()}));
    CREST_CHECK(file.array(folder + "/distance", std::span<const float>(m_distances), {m_distances.size()}));
    CREST_CHECK(file.array(folder + "/start", std::span<const float>(m_starts), {m_starts.size()}));
    return file.attribute(folder, "description",
                          "L2 norms of the change of each tensor and of the tensor before it was trained; tensor counts rows of "
                          "names; row i of /results owns distance_tensors of them from distance_first");
}

Result<DistancesReader> DistancesReader::read(const io::Hdf5Reader& file) {
    DistancesReader reader;
    const std::string folder = kFolder;
    if (!file.has(folder + "/names"))
        return reader;
    CREST_TRY(names, file.table(folder + "/names"));
    if (names.size() != 1 || !std::holds_alternative<std::vector<std::string>>(names.front().values))
        return fail(ErrorKind::Malformed, "the list of tensors in /distances is damaged");
    reader.m_names = std::move(std::get<std::vector<std::string>>(names.front().values));
    CREST_TRY(tensors, file.ints(folder + "/tensor"));
    CREST_TRY(distances, file.floats(folder + "/distance"));
    CREST_TRY(starts, file.floats(folder + "/start"));
    const auto bad = [&](std::int32_t index) { return index < 0 || static_cast<std::size_t>(index) >= reader.m_names.size(); };
    if (tensors.size() != distances.size() || tensors.size() != starts.size() || std::ranges::any_of(tensors, bad))
        return fail(ErrorKind::Malformed, "the arrays of /distances do not belong together");
    reader.m_tensors = std::move(tensors);
    reader.m_distances = std::move(distances);
    reader.m_starts = std::move(starts);
    return reader;
}

bool DistancesReader::fill(std::int64_t first, std::int64_t count, WeightChange& change) const {
    const auto have = static_cast<std::int64_t>(m_tensors.size());
    if (first < 0 || count < 0 || count > have || first > have - count)
        return false;
    for (std::int64_t i = first; i < first + count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        change.tensors.push_back(m_names[static_cast<std::size_t>(m_tensors[at])]);
        change.distances.push_back(m_distances[at]);
        change.starts.push_back(m_starts[at]);
    }
    return true;
}

} // namespace crest::study
