// SPDX-License-Identifier: GPL-3.0-or-later
// Figures as files: what is seen is what is exported, in light colours, with the record of its origin inside.
#pragma once

#include <string>
#include <vector>

#include <QByteArray>
#include <QImage>
#include <QString>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "ui/charts/figure_painter.h"

namespace crest::ui {

enum class FigureFormat { Pdf, Svg, Png, Csv, Tex };
enum class ColumnPreset {
    Custom,       ///< width and font as set
    SingleColumn, ///< 84 mm, 8 pt
    DoubleColumn, ///< 174 mm, 8 pt
    Slide         ///< 280 mm, 14 pt
};

struct ExportOptions {
    ColumnPreset columnPreset = ColumnPreset::Custom; ///< anything else overrides widthMm and fontPt
    double widthMm = 174;                             ///< 20 to 2000
    double panelHeightMm = 60;                        ///< 15 to 1000
    double fontPt = 8;                                ///< 3 to 72
    double dpi = 300;                                 ///< PNG only; 30 to 2400
    int columns = 0;                                  ///< panels per row; 0: as the figure says where the width allows
    FigureFormat format = FigureFormat::Pdf;
};

/// By the file's ending (pdf, svg, png, csv, tex). Errors: Unsupported.
Result<FigureFormat> formatFromPath(const QString& path);
QString formatSuffix(FigureFormat format);

/// The file's bytes. PDF and SVG hold vectors only, fonts embedded (PDF) or named (SVG). Errors: OutOfRange (a setting,
/// or a picture beyond 200 million pixels), Internal. GUI thread.
Result<QByteArray> renderFigure(const analysis::Figure& figure, const ExportOptions& options);
/// What a PNG shows, with its texts; GUI thread. Errors: as renderFigure.
Result<QImage> figureImage(const analysis::Figure& figure, const ExportOptions& options);
/// Encoded, which takes longer than drawing it; any thread. Errors: Internal, or Stopped within some rows of pixels.
Result<QByteArray> pngBytes(const QImage& image, const JobContext& job = {});
/// renderFigure, written by temporary file, sync and rename. Errors: also those of io::writeFileAtomic.
Result<void> exportFigure(const analysis::Figure& figure, const ExportOptions& options, const QString& path);
/// The writing alone; any thread.
Result<void> writeFigureFile(const QByteArray& bytes, const QString& path);

/// One figure per panel, for a batch of all panels; names are the figure's with the panel's number.
std::vector<analysis::Figure> singlePanels(const analysis::Figure& figure);

} // namespace crest::ui
