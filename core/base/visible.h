// SPDX-License-Identifier: Apache-2.0
// Names of files and folders hold any characters; those that a terminal obeys are written out for it.
#pragma once

#include <string>
#include <string_view>

namespace crest {

/// `text` (UTF-8) with its control characters as \n, \t, \x1b; all others as they are.
std::string visible(std::string_view text);

} // namespace crest
