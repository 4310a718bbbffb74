// SPDX-License-Identifier: Apache-2.0
#include "core/text/text_list.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace crest::text {
namespace {

constexpr std::size_t kGroup = 16;        ///< records; to find one, those before it in its group are stepped over
constexpr std::size_t kLongText = 4096;   ///< from here on a text is a string of its own
constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kOneByte = 128;     ///< lengths below it take one byte, others two

std::size_t lengthByte(const char* at) {
    return static_cast<unsigned char>(*at);
}

} // namespace

TextList::TextList(std::initializer_list<std::string_view> texts) {
    for (const std::string_view text : texts)
        push_back(std::string(text));
}

void TextList::push_back(std::string text) {
    const std::size_t mark = std::min(text.size(), kLongText);
    if (m_size % kGroup == 0) {
        // A block never grows beyond what it has from the start, so that nothing in it moves.
        if (m_blocks.empty() || m_blocks.back().size() + kGroup * (kLongText + 2) > kBlockBytes)
            m_blocks.emplace_back().reserve(kBlockBytes);
        m_groups.push_back(m_blocks.back().data() + m_blocks.back().size());
    }
    std::string& block = m_blocks.back();
    block += static_cast<char>(mark < kOneByte ? mark : kOneByte + mark % kOneByte);
    if (mark >= kOneByte)
        block += static_cast<char>(mark / kOneByte);
    if (mark < kLongText) {
        block += text;
    } else {
        const auto number = static_cast<std::uint32_t>(m_long.size());
        block.append(reinterpret_cast<const char*>(&number), sizeof number);
        m_long.push_back(std::move(text));
    }
    ++m_size;
}

std::string_view TextList::next(const char*& at) const {
    std::size_t length = lengthByte(at++);
    if (length >= kOneByte)
        length += kOneByte * lengthByte(at++) - kOneByte;
    if (length == kLongText) {
        std::uint32_t number = 0;
        std::memcpy(&number, at, sizeof number);
        at += sizeof number;
        return m_long[number];
    }
    const std::string_view text(at, length);
    at += length;
    return text;
}

std::string_view TextList::operator[](std::size_t index) const {
    const char* at = m_groups[index / kGroup];
    for (std::size_t before = index % kGroup; before > 0; --before)
        next(at);
    return next(at);
}

bool TextList::operator==(const TextList& other) const {
    if (m_size != other.m_size)
        return false;
    for (std::size_t i = 0; i < m_size; ++i)
        if ((*this)[i] != other[i])
            return false;
    return true;
}

} // namespace crest::text
