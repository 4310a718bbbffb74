// SPDX-License-Identifier: Apache-2.0
// Lists and dictionaries in the cells of tables, which hold texts only.
#pragma once

#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data {

/// The list or dictionary that `cell` (valid UTF-8) spells: in JSON ({"text": ["a"]}), as Python prints it ({'text': ['a',
/// None], 'label': ('A',)}), or as numpy does (array(['a'], dtype=object), and ['a' 'b'] with blanks for commas), which is
/// what pandas and the datasets library write into CSV. Nothing is evaluated; size, depth and number of values are
/// bounded. Errors say at which character, and why.
Result<Json> cellValue(std::string_view cell);

} // namespace crest::data
