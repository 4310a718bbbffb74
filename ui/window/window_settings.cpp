// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/window_settings.h"

#include <algorithm>

#include <QSettings>

#include "ui/data/places.h"

namespace crest::ui::window_settings {
namespace {

QString iniFile() {
    return stateFolder() + QStringLiteral("/window.ini");
}
QByteArray bytes(const QString& key) {
    return QSettings(iniFile(), QSettings::IniFormat).value(key).toByteArray();
}
const QString kGeometry = QStringLiteral("layout/geometry"), kDocks = QStringLiteral("layout/docks");

} // namespace

QByteArray geometry() {
    return bytes(kGeometry);
}
QByteArray docks() {
    return bytes(kDocks);
}

void saveLayout(const QByteArray& geometry, const QByteArray& docks) {
    QSettings settings(iniFile(), QSettings::IniFormat);
    settings.setValue(kGeometry, geometry);
    settings.setValue(kDocks, docks);
}

ExportSettings exportSettings() {
    QSettings settings(iniFile(), QSettings::IniFormat);
    settings.beginGroup(QStringLiteral("export"));
    ExportSettings out;
    out.folder = settings.value(QStringLiteral("folder")).toString();
    out.formats = settings.value(QStringLiteral("formats"), out.formats).toStringList();
    out.widthMm = std::clamp(settings.value(QStringLiteral("widthMm"), out.widthMm).toDouble(), 40.0, 600.0);
    out.panelHeightMm =
        std::clamp(settings.value(QStringLiteral("panelHeightMm"), out.panelHeightMm).toDouble(), 20.0, 300.0);
    out.fontPt = std::clamp(settings.value(QStringLiteral("fontPt"), out.fontPt).toDouble(), 4.0, 24.0);
    out.dpi = std::clamp(settings.value(QStringLiteral("dpi"), out.dpi).toInt(), 72, 1200);
    return out;
}

void saveExportSettings(const ExportSettings& saved) {
    QSettings settings(iniFile(), QSettings::IniFormat);
    settings.beginGroup(QStringLiteral("export"));
    settings.setValue(QStringLiteral("folder"), saved.folder);
    settings.setValue(QStringLiteral("formats"), saved.formats);
    settings.setValue(QStringLiteral("widthMm"), saved.widthMm);
    settings.setValue(QStringLiteral("panelHeightMm"), saved.panelHeightMm);
    settings.setValue(QStringLiteral("fontPt"), saved.fontPt);
    settings.setValue(QStringLiteral("dpi"), saved.dpi);
}

} // namespace crest::ui::window_settings
