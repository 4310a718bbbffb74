// SPDX-License-Identifier: GPL-3.0-or-later
// One item in full: what is asked, the choices with their log-likelihoods at one checkpoint, what was answered.
#pragma once

#include <QPalette>
#include <QString>

#include "core/analysis/item_table.h"
#include "ui/data/item_texts.h"

namespace crest::ui {

/// As HTML. `checkpoint`: index of a column, -1 for none. `texts` may be null, or lack the item: numbers are shown all
/// the same.
QString itemDetailHtml(const analysis::ItemTable& table, int item, int checkpoint, const ItemTexts* texts,
                       const QPalette& palette);

} // namespace crest::ui
