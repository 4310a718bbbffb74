// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/crest/figure_files.h"

namespace crest::app {

Result<void> writeFigureFile(const analysis::Figure& figure, ui::ExportOptions options, const std::string& path) {
    const QString file = QString::fromStdString(path);
    CREST_TRY(format, ui::formatFromPath(file));
    options.format = format;
    return ui::exportFigure(figure, options, file);
}

Result<std::vector<std::string>> writeAllFormats(const analysis::Figure& figure, const ui::ExportOptions& options,
                                                 const std::string& stem) {
    std::vector<std::string> written;
    for (const char* suffix : {".pdf", ".svg", ".png", ".csv", ".tex"}) {
        CREST_CHECK(writeFigureFile(figure, options, stem + suffix));
        written.push_back(stem + suffix);
    }
    return written;
}

} // namespace crest::app
