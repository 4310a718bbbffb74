// SPDX-License-Identifier: Apache-2.0
#include "core/text/prefix_trie.h"

namespace crest::text {

void PrefixTrie::grow() {
    if (2 * m_ids.size() < m_edges.size())
        return;
    const std::vector<Edge> old = std::exchange(m_edges, std::vector<Edge>(2 * m_edges.size()));
    for (const Edge& edge : old)
        if (edge.key != 0)
            m_edges[slotOf(edge.key)] = edge;
}

void PrefixTrie::insert(std::string_view token, std::int32_t id) {
    std::uint32_t node = 0;
    for (const char c : token) {
        grow();
        const std::uint32_t key = ((node << 8) | static_cast<unsigned char>(c)) + 1;
        Edge& edge = m_edges[slotOf(key)];
        if (edge.key == 0) {
            edge = {key, static_cast<std::uint32_t>(m_ids.size())};
            m_ids.push_back(-1);
        }
        node = edge.to;
    }
    m_ids[node] = id;
}

} // namespace crest::text
