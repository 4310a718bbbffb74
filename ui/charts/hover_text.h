// SPDX-License-Identifier: GPL-3.0-or-later
// What a hover says: exact values of all visible curves at one x, with error and N.
#pragma once

#include <QString>

#include "core/analysis/figure.h"
#include "ui/charts/palette.h"

namespace crest::ui {

/// Plain text, one line per curve: "gamma 0.1: 3.0574 (3.0412 to 3.0736), N 48". The first line is x with its axis;
/// the nearest point's own detail follows at the end.
QString hoverText(const analysis::FigurePanel& panel, double x, const analysis::FigurePoint* nearest);
/// The same as a small table with the curves' colours, for the tooltip.
QString hoverHtml(const analysis::FigurePanel& panel, double x, const analysis::FigurePoint* nearest,
                  const ChartTheme& theme);

} // namespace crest::ui
