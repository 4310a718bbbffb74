// SPDX-License-Identifier: GPL-3.0-or-later
// Reads back what an exported figure carries, and says it in plain words.
#pragma once

#include <QString>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::ui {

/// Where the record (core/analysis/figure_record.h) stands in each format.
inline constexpr const char* kRecordNamespace = "urn:crest:figure:1";
inline constexpr const char* kPngRecordKey = "crest-figure";

/// The record of a PDF (XMP), SVG (metadata), PNG (text chunk), CSV or TeX file (comment line). The format is told by
/// the content. Errors: NotFound (no file, or no record inside), Io, OutOfRange (over 256 MB), Malformed, Unsupported.
Result<Json> readFigureRecord(const QString& path);

/// What the figure shows and how to make it again, in a few lines of plain text.
std::string explainRecord(const Json& record, const std::string& fileName);

} // namespace crest::ui
