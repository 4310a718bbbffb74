// SPDX-License-Identifier: Apache-2.0
// What every exported figure carries inside: what it shows, and what it was made from.
#pragma once

#include <string>

#include "core/analysis/figure.h"
#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::analysis {

/// One line of JSON: {"crest_figure": 1, "crest": version, "figure": {name, title, panels: [{title, role, x, y, curves,
/// notes, marks, map}]}, "provenance": ...}. The provenance is the figure's own JSON (a string where it is not valid JSON).
/// Curves are the visible ones, with the number of points in the visible range.
std::string figureRecord(const Figure& figure);

/// Reads a record back. Errors: Malformed, Unsupported (a newer version).
Result<Json> parseFigureRecord(const std::string& text, const std::string& where);

/// The record out of a CSV or TeX export (the line that starts with "# crest-figure: " or "% crest-figure: ").
/// Errors: NotFound.
Result<std::string> recordFromText(const std::string& content, const std::string& where);
inline constexpr const char* kRecordMark = "crest-figure: ";

} // namespace crest::analysis
