// SPDX-License-Identifier: Apache-2.0
#include "core/study/published_items.h"

#include <numeric>
#include <span>

#include "core/study/task_outcome.h"

namespace crest::study {
namespace {

constexpr const char* kColumns[] = {"items",        "items_first",  "requests",   "nats_first",
                                    "greedy_first", "tokens_first", "texts_first"};

std::string_view bytesOf(const std::vector<std::int32_t>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int32_t)};
}

/// Where the part begins, -1 where it is empty.
template<class T> std::int64_t append(std::vector<T>& to, const std::vector<T>& part) {
    const auto first = static_cast<std::int64_t>(to.size());
    to.insert(to.end(), part.begin(), part.end());
    return part.empty() ? -1 : first;
}

template<class T> bool slice(const std::vector<T>& from, std::int64_t first, std::int64_t count, std::vector<T>& to) {
    const auto size = static_cast<std::int64_t>(from.size());
    if (first < 0 || count < 0 || count > size || first > size - count)
        return false;
    to.assign(from.begin() + first, from.begin() + first + count);
    return true;
}

template<class T> Result<void> writeArray(io::Hdf5Writer& file, const char* path, const std::vector<T>& values) {
    return file.array(path, std::span<const T>(values), {values.size()});
}

} // namespace

std::int64_t ItemsWriter::addItems(const data::ItemDetails& details) {
    std::string content(bytesOf(details.itemDocuments));
    content += bytesOf(details.itemGold);
    content += bytesOf(details.itemRequests);
    const auto [at, isNew] = m_knownItems.emplace(std::move(content), static_cast<std::int64_t>(m_documents.size()));
    if (isNew) {
        append(m_documents, details.itemDocuments);
        append(m_gold, details.itemGold);
        append(m_requests, details.itemRequests);
    }
    return at->second;
}

std::int64_t ItemsWriter::addTexts(const std::vector<std::string>& texts) {
    if (texts.empty())
        return -1;
    const auto first = static_cast<std::int64_t>(m_textEnds.size());
    for (const std::string& text : texts) {
        m_textBytes.insert(m_textBytes.end(), text.begin(), text.end());
        m_textEnds.push_back(static_cast<std::int64_t>(m_textBytes.size()));
    }
    return first;
}

ItemsWriter::Place ItemsWriter::add(const ResultRow& row) {
    const data::ItemDetails& details = row.outcome.details;
    Place place{static_cast<std::int64_t>(m_keys.size()), {}};
    for (const data::MetricValue& metric : row.outcome.metrics) {
        const auto values = static_cast<std::int64_t>(m_values.size()); // also of a metric without items
        append(m_values, metric.itemValues);
        place.metrics.push_back({values, metric.itemWeights.empty() ? -1 : m_weights.add(metric.itemWeights)});
    }
    m_keys.push_back(row.key);
    m_itemCounts.push_back(itemCount(row.outcome));
    m_itemsFirst.push_back(addItems(details));
    m_requestCounts.push_back(
        std::accumulate(details.itemRequests.begin(), details.itemRequests.end(), std::int64_t{0}));
    m_natsFirst.push_back(append(m_nats, details.requestNats));
    m_greedyFirst.push_back(append(m_greedy, details.requestGreedy));
    m_tokensFirst.push_back(details.requestTokens.empty() ? -1 : m_tokens.add(details.requestTokens));
    m_textsFirst.push_back(addTexts(details.texts));
    return place;
}

Result<void> ItemsWriter::write(io::Hdf5Writer& file) const {
    const Ints* lists[] = {&m_itemCounts,  &m_itemsFirst,  &m_requestCounts, &m_natsFirst,
                           &m_greedyFirst, &m_tokensFirst, &m_textsFirst};
    std::vector<io::Hdf5Column> columns{{"key", m_keys}};
    for (std::size_t c = 0; c < std::size(lists); ++c)
        columns.push_back({kColumns[c], *lists[c]});
    CREST_CHECK(file.table("/items/details", columns));
    CREST_CHECK(writeArray(file, "/items/values", m_values));
    CREST_CHECK(writeArray(file, "/items/weights", m_weights.values));
    CREST_CHECK(writeArray(file, "/items/documents", m_documents));
    CREST_CHECK(writeArray(file, "/items/gold", m_gold));
    CREST_CHECK(writeArray(file, "/items/requests", m_requests));
    CREST_CHECK(writeArray(file, "/items/request_nats", m_nats));
    CREST_CHECK(writeArray(file, "/items/request_tokens", m_tokens.values));
    CREST_CHECK(writeArray(file, "/items/request_greedy", m_greedy));
    CREST_CHECK(writeArray(file, "/items/text_ends", m_textEnds));
    CREST_CHECK(writeArray(file, "/items/text_bytes", m_textBytes));
    return file.attribute("/items", "description",
                          "Items of suite tasks: a row of /results owns n values from items_first (and weights from "
                          "weights_first, -1: all 1); row `details` of /items/details says where the rest is");
}

Result<ItemsReader> ItemsReader::read(const io::Hdf5Reader& file) {
    ItemsReader items;
    const auto take = [&](auto read, auto& to) -> Result<void> {
        if (!read)
            return fail(read.error());
        to = std::move(*read);
        return {};
    };
    CREST_CHECK(take(file.floats("/items/values"), items.m_values));
    CREST_CHECK(take(file.floats("/items/weights"), items.m_weights));
    CREST_CHECK(take(file.ints("/items/documents"), items.m_documents));
    CREST_CHECK(take(file.ints("/items/gold"), items.m_gold));
    CREST_CHECK(take(file.ints("/items/requests"), items.m_requests));
    CREST_CHECK(take(file.floats("/items/request_nats"), items.m_nats));
    CREST_CHECK(take(file.ints("/items/request_tokens"), items.m_tokens));
    CREST_CHECK(take(file.bytes("/items/request_greedy"), items.m_greedy));
    CREST_CHECK(take(file.longs("/items/text_ends"), items.m_textEnds));
    CREST_CHECK(take(file.bytes("/items/text_bytes"), items.m_textBytes));
    CREST_TRY(table, file.table("/items/details"));
    for (io::Hdf5Column& column : table)
        if (auto* list = std::get_if<std::vector<std::int64_t>>(&column.values))
            items.m_columns[column.name] = std::move(*list);
    return items;
}

bool ItemsReader::readMetric(std::int64_t values, std::int64_t weights, std::int64_t items,
                             data::MetricValue& metric) const {
    return slice(m_values, values, items, metric.itemValues) &&
           (weights == -1 || slice(m_weights, weights, items, metric.itemWeights));
}

bool ItemsReader::readTexts(std::int64_t first, std::int64_t count, std::vector<std::string>& texts) const {
    std::vector<std::int64_t> ends;
    if (!slice(m_textEnds, first, count, ends))
        return false;
    std::int64_t begin = first > 0 ? m_textEnds[static_cast<std::size_t>(first - 1)] : 0;
    for (const std::int64_t end : ends) {
        std::vector<std::uint8_t> bytes;
        if (!slice(m_textBytes, begin, end - begin, bytes))
            return false;
        texts.emplace_back(bytes.begin(), bytes.end());
        begin = end;
    }
    return true;
}

bool ItemsReader::readDetails(std::int64_t details, data::ItemDetails& to) const {
    std::map<std::string_view, std::int64_t> at;
    for (const char* name : kColumns) {
        const auto column = m_columns.find(name);
        if (column == m_columns.end() || details < 0 || details >= static_cast<std::int64_t>(column->second.size()))
            return false;
        at[name] = column->second[static_cast<std::size_t>(details)];
    }
    const std::int64_t items = at["items"], requests = at["requests"];
    return slice(m_documents, at["items_first"], items, to.itemDocuments) &&
           slice(m_gold, at["items_first"], items, to.itemGold) &&
           slice(m_requests, at["items_first"], items, to.itemRequests) &&
           (at["nats_first"] == -1 || slice(m_nats, at["nats_first"], requests, to.requestNats)) &&
           (at["greedy_first"] == -1 || slice(m_greedy, at["greedy_first"], requests, to.requestGreedy)) &&
           (at["tokens_first"] == -1 || slice(m_tokens, at["tokens_first"], requests, to.requestTokens)) &&
           (at["texts_first"] == -1 || readTexts(at["texts_first"], items, to.texts));
}

} // namespace crest::study
