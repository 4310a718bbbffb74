// SPDX-License-Identifier: GPL-3.0-or-later
// Figures for the chart tests, from measured trials of a 70,896-parameter series (budgets of 0.5 to 64 M tokens).
#pragma once

#include "core/analysis/figure.h"

namespace crest::test {

/// Four panels: loss after noise, its increase over the base (log y), loss after fine-tuning on the tuning text and on
/// the pretraining text (with seed bands). Marks are placed by hand, for the look.
analysis::Figure trialFigure();

/// `panels` panels of `curves` curves with `points` points each, with bands.
analysis::Figure largeFigure(int panels, int curves, int points);

} // namespace crest::test
