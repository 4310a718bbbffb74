// SPDX-License-Identifier: GPL-3.0-or-later
// Exported figures, read back by something else than what wrote them. The checks fail the test function that runs.
#pragma once

#include <string>

#include <QByteArray>
#include <QRectF>
#include <QString>
#include <QStringList>

#include "core/analysis/figure.h"

namespace crest::test {

/// Standard output of a tool that must be there.
QByteArray toolOutput(const QString& tool, const QStringList& arguments);

struct SvgContent {
    QString error, width, height, text, metadata;
    int images = 0, shapes = 0, nonFinite = 0;
    QRectF viewBox, extent; ///< of all drawn coordinates
};

SvgContent readSvg(const QByteArray& bytes);

/// What a file must carry: the figure's own provenance, its command completed with the paper's size (where that is not the usual), the
/// file's name and the view.
std::string provenanceOf(const analysis::Figure& figure, const std::string& suffix, const std::string& size = {});

/// Every text of the figure, the size in mm, the provenance; no raster. `size` as above.
void checkSvg(const QString& path, const analysis::Figure& figure, QSizeF mm, const std::string& size = {});
/// The same, by poppler; fonts are embedded.
void checkPdf(const QString& path, const analysis::Figure& figure, QSizeF mm, const std::string& size = {});
/// Width, resolution, provenance.
void checkPng(const QString& path, const analysis::Figure& figure, double widthMm, double dpi, const std::string& size = {});
/// Every point that is plotted, no other.
void checkCsv(const QString& path, const analysis::Figure& figure);
/// One document with a plot for each panel, all braces closed, only numbers.
void checkTex(const QString& path, const analysis::Figure& figure);

} // namespace crest::test
