// SPDX-License-Identifier: Apache-2.0
// What a device other than the CPU says of itself. Any thread; where there are several of them, model::deviceFromName names one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <c10/core/Device.h>

namespace crest::model {

/// Bytes that may still be taken there: what the device has free, and what LibTorch's allocator holds of it without using it. Nothing where
/// it does not say.
std::optional<std::int64_t> freeDeviceMemory(const c10::Device& device);

/// Why the device computes no longer (a GPU that fell off, or whose driver gave it up), in its own words: after such an error every later call
/// fails, too. Nothing where it computes; one that only has no memory left does. Waits for a little sum.
std::optional<std::string> deviceFailure(const c10::Device& device);

} // namespace crest::model
