// SPDX-License-Identifier: GPL-3.0-or-later
// What the window remembers between starts (layout, export settings): $XDG_STATE_HOME/crest/window.ini. GUI thread
// only.
#pragma once

#include <QByteArray>
#include <QString>
#include <QStringList>

namespace crest::ui {

/// Settings of the export dialog; see ExportDialog.
struct ExportSettings {
    QString folder; ///< "": figures/ of the study
    QStringList formats = {QStringLiteral("pdf"), QStringLiteral("svg"), QStringLiteral("png"), QStringLiteral("csv"),
                           QStringLiteral("tex")};
    double widthMm = 174, panelHeightMm = 55, fontPt = 8;
    int dpi = 300;
    bool operator==(const ExportSettings&) const = default;
};

namespace window_settings {

QByteArray geometry();
QByteArray docks();
void saveLayout(const QByteArray& geometry, const QByteArray& docks);

ExportSettings exportSettings();
void saveExportSettings(const ExportSettings& settings);

} // namespace window_settings
} // namespace crest::ui
