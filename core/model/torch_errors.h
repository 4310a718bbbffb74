// SPDX-License-Identifier: Apache-2.0
// Tells a lack of memory from LibTorch's other errors, and words for those.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include <c10/util/Exception.h>

namespace crest::model {

/// LibTorch has a type of its own on GPUs only, for its own allocator; that of the CPU says it in words, and so do the driver and the libraries of
/// products. A thread without room for its stack is a system_error.
inline bool isOutOfMemory(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error))
        return true;
    if (const auto* system = dynamic_cast<const std::system_error*>(&error))
        return system->code() == std::errc::resource_unavailable_try_again;
    const auto* own = dynamic_cast<const c10::Error*>(&error);
    const std::string_view text = own ? own->what_without_backtrace() : "";
    constexpr std::string_view kWords[] = {"can't allocate memory", "not enough memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED"};
    for (const std::string_view words : kWords)
        if (text.find(words) != std::string_view::npos)
            return true;
    return false;
}

/// What to say of any other failure: the first line of LibTorch's own words; calls and hints for those who build it follow.
inline std::string wordsOf(const std::exception& error) {
    const auto* own = dynamic_cast<const c10::Error*>(&error);
    const std::string text = own ? own->what_without_backtrace() : error.what();
    return text.substr(0, text.find('\n'));
}

} // namespace crest::model
