// SPDX-License-Identifier: Apache-2.0
// Many texts in little more memory than their bytes take: a file may hold millions of a few bytes each.
#pragma once

#include <cstddef>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crest::text {

/// Texts in the order in which they came. A short one takes one or two bytes beside its own, a long one is a string of
/// its own. Movable, not copyable; any thread may read.
class TextList {
public:
    TextList() = default;
    TextList(std::initializer_list<std::string_view> texts);
    TextList(TextList&& other) noexcept { swap(other); }
    TextList& operator=(TextList&& other) noexcept {
        swap(other);
        return *this;
    }

    void push_back(std::string text);

    std::size_t size() const { return m_size; }
    bool empty() const { return m_size == 0; }
    /// Valid as long as the list.
    std::string_view operator[](std::size_t index) const;
    bool operator==(const TextList& other) const;

private:
    std::deque<std::string> m_blocks; ///< records of short texts: length, bytes; of long ones: a mark, their number
    std::vector<const char*> m_groups; ///< where every 16th record begins; those of a group lie in one block
    std::deque<std::string> m_long;
    std::size_t m_size = 0;

    std::string_view next(const char*& at) const;
    void swap(TextList& other) noexcept {
        m_blocks.swap(other.m_blocks);
        m_groups.swap(other.m_groups);
        m_long.swap(other.m_long);
        std::swap(m_size, other.m_size);
    }
};

/// Texts that somebody else holds, and goes on holding: strings, or a TextList. Cheap to copy.
class TextsView {
public:
    TextsView() = default;
    TextsView(const std::vector<std::string>& texts)
        : TextsView(&texts, texts.size()) {}
    TextsView(const TextList& texts)
        : TextsView(&texts, texts.size()) {}

    std::size_t size() const { return m_size; }
    std::string_view operator[](std::size_t index) const { return m_at(m_texts, index); }

private:
    const void* m_texts = nullptr;
    std::size_t m_size = 0;
    std::string_view (*m_at)(const void*, std::size_t) = nullptr;

    template<class Texts> TextsView(const Texts* texts, std::size_t size)
        : m_texts(texts)
        , m_size(size)
        , m_at([](const void* all, std::size_t index) -> std::string_view {
            return (*static_cast<const Texts*>(all))[index];
        }) {}
};

} // namespace crest::text
