// SPDX-License-Identifier: Apache-2.0
// The command that draws a figure again: `crest export` with the options that differ from a plain one. Pure functions;
// any thread.
#pragma once

#include <string>

#include "core/analysis/figure.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// As it is where a shell takes it so, else in single quotes.
std::string shellQuoted(const std::string& text);

/// What the figure of this name is made of: " --x flops --y change --spread sd --no-inflections".
std::string makingOptions(const std::string& figure, const FigureOptions& options);
/// How it is looked at: scales of the axes, hidden curves, a zoom. Ends in a shell comment where a zoom differs from
/// panel to panel, which no option can say.
std::string viewOptions(const Figure& figure);

/// The figure with `options` at the end of the command in its provenance; unchanged where that holds no command.
Figure withCommandOptions(const Figure& figure, const std::string& options);

} // namespace crest::analysis
