// SPDX-License-Identifier: GPL-3.0-or-later
// A figure into files, the format taken from the name.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/figure.h"
#include "core/base/result.h"
#include "ui/charts/figure_export.h"

namespace crest::app {

Result<void> writeFigureFile(const analysis::Figure& figure, ui::ExportOptions options, const std::string& path);
/// stem.pdf, .svg, .png, .csv, .tex; returns the paths.
Result<std::vector<std::string>> writeAllFormats(const analysis::Figure& figure, const ui::ExportOptions& options,
                                                 const std::string& stem);

} // namespace crest::app
