// SPDX-License-Identifier: Apache-2.0
// The items of suite tasks in results.h5: /items, and the columns of /results that point there. Used by published.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/hdf5.h"
#include "core/study/types.h"

namespace crest::study {

/// An array that rows share: what was added before is not added again.
template<class T> class SharedArray {
public:
    /// Where it begins.
    std::int64_t add(const std::vector<T>& part) {
        std::string content(reinterpret_cast<const char*>(part.data()), part.size() * sizeof(T));
        const auto [at, isNew] = m_known.emplace(std::move(content), static_cast<std::int64_t>(values.size()));
        if (isNew)
            values.insert(values.end(), part.begin(), part.end());
        return at->second;
    }
    std::vector<T> values;

private:
    std::map<std::string, std::int64_t> m_known;
};

class ItemsWriter {
public:
    /// Where the items of one metric begin; -1 where every weight is 1.
    struct MetricPlace {
        std::int64_t values = -1, weights = -1;
    };
    struct Place {
        std::int64_t details = -1; ///< row of /items/details
        std::vector<MetricPlace> metrics;
    };
    Place add(const ResultRow& row);
    Result<void> write(io::Hdf5Writer& file) const;

private:
    using Ints = std::vector<std::int64_t>;
    std::vector<float> m_values, m_nats;
    SharedArray<float> m_weights;
    SharedArray<std::int32_t> m_tokens;
    std::vector<std::int32_t> m_documents, m_gold, m_requests; ///< share their beginnings
    std::map<std::string, std::int64_t> m_knownItems;
    std::vector<std::uint8_t> m_greedy, m_textBytes;
    Ints m_textEnds;
    std::vector<std::string> m_keys; ///< columns of /items/details
    Ints m_itemCounts, m_itemsFirst, m_requestCounts, m_natsFirst, m_greedyFirst, m_tokensFirst, m_textsFirst;

    std::int64_t addItems(const data::ItemDetails& details);
    std::int64_t addTexts(const std::vector<std::string>& texts);
};

class ItemsReader {
public:
    static Result<ItemsReader> read(const io::Hdf5Reader& file);

    /// Items and weights of one metric; false where the file does not have them.
    bool readMetric(std::int64_t values, std::int64_t weights, std::int64_t items, data::MetricValue& metric) const;
    /// What row `details` of /items/details points to; false where the file does not have it.
    bool readDetails(std::int64_t details, data::ItemDetails& to) const;

private:
    std::vector<float> m_values, m_weights, m_nats;
    std::vector<std::int32_t> m_tokens, m_documents, m_gold, m_requests;
    std::vector<std::uint8_t> m_greedy, m_textBytes;
    std::vector<std::int64_t> m_textEnds;
    std::map<std::string, std::vector<std::int64_t>> m_columns; ///< of /items/details

    bool readTexts(std::int64_t first, std::int64_t count, std::vector<std::string>& texts) const;
};

} // namespace crest::study
