// SPDX-License-Identifier: Apache-2.0
// Unicode normalization form C as the reference has it.
#pragma once

#include <string>
#include <string_view>

namespace crest::text {

/// NFC of valid UTF-8, with the composition data of Unicode 9, which is what the reference carries: later characters
/// stay as they are.
std::string toNfc(std::string_view text);

} // namespace crest::text
