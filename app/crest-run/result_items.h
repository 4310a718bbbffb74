// SPDX-License-Identifier: Apache-2.0
// What was answered, item by item, as crest-run results --items prints it.
#pragma once

#include "core/study/types.h"

namespace crest {

/// A JSON line for each item of a suite task's result on stdout; nothing for a text.
void printItems(const study::ResultRow& row);

} // namespace crest
