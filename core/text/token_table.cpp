// SPDX-License-Identifier: Apache-2.0
#include "core/text/token_table.h"

#include <bit>
#include <functional>

namespace crest::text {

void TokenTable::reserve(std::size_t tokens) {
    m_entries.reserve(tokens);
    m_entryOfId.reserve(tokens);
    m_slots.assign(std::bit_ceil(2 * tokens + 2), 0);
}

std::string_view TokenTable::tokenAt(std::size_t entry) const {
    const std::size_t begin = m_entries[entry].begin;
    const std::size_t end = entry + 1 < m_entries.size() ? m_entries[entry + 1].begin : m_bytes.size();
    return std::string_view(m_bytes).substr(begin, end - begin);
}

std::size_t TokenTable::slotOf(std::string_view token) const {
    const std::size_t mask = m_slots.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(token)&mask;
    while (m_slots[slot] != 0 && tokenAt(m_slots[slot] - 1) != token)
        slot = (slot + 1) & mask;
    return slot;
}

void TokenTable::grow() {
    if (2 * (m_entries.size() + 1) <= m_slots.size())
        return;
    m_slots.assign(std::bit_ceil(4 * m_entries.size() + 4), 0);
    for (std::size_t entry = 0; entry < m_entries.size(); ++entry)
        m_slots[slotOf(tokenAt(entry))] = static_cast<std::uint32_t>(entry + 1);
}

TokenTable::Added TokenTable::insert(std::string_view token, std::int32_t id) {
    if (tokenOf(id))
        return Added::IdTwice;
    grow();
    const std::size_t slot = slotOf(token);
    if (m_slots[slot] != 0)
        return Added::TokenTwice;
    m_entries.push_back({static_cast<std::uint32_t>(m_bytes.size()), id});
    m_bytes += token;
    m_slots[slot] = static_cast<std::uint32_t>(m_entries.size());
    const auto index = static_cast<std::size_t>(id);
    if (index >= m_entryOfId.size())
        m_entryOfId.resize(index + 1, 0);
    m_entryOfId[index] = static_cast<std::uint32_t>(m_entries.size());
    return Added::Yes;
}

std::optional<std::int32_t> TokenTable::find(std::string_view token) const {
    if (m_slots.empty())
        return std::nullopt;
    const std::uint32_t entry = m_slots[slotOf(token)];
    return entry == 0 ? std::nullopt : std::optional(m_entries[entry - 1].id);
}

std::optional<std::string_view> TokenTable::tokenOf(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);
    if (id < 0 || index >= m_entryOfId.size() || m_entryOfId[index] == 0)
        return std::nullopt;
    return tokenAt(m_entryOfId[index] - 1);
}

} // namespace crest::text
