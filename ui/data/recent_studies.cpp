// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/recent_studies.h"

#include <algorithm>

#include <QFileInfo>
#include <QSettings>

#include "ui/data/places.h"

namespace crest::ui {
namespace {

constexpr int kRecentStudies = 10;

QString recentFile() {
    return stateFolder() + QStringLiteral("/recent.ini");
}

} // namespace

void rememberRecentStudy(const QString& folder, const QString& name) {
    std::vector<RecentStudy> recent = recentStudies();
    std::erase_if(recent, [&](const RecentStudy& one) { return one.folder == folder; });
    recent.insert(recent.begin(), {folder, name});
    QSettings settings(recentFile(), QSettings::IniFormat);
    settings.beginWriteArray(QStringLiteral("studies"));
    for (int i = 0; i < std::min<int>(kRecentStudies, static_cast<int>(recent.size())); ++i) {
        settings.setArrayIndex(i);
        settings.setValue(QStringLiteral("folder"), recent[static_cast<std::size_t>(i)].folder);
        settings.setValue(QStringLiteral("name"), recent[static_cast<std::size_t>(i)].name);
    }
    settings.endArray();
}

std::vector<RecentStudy> recentStudies() {
    std::vector<RecentStudy> recent;
    QSettings settings(recentFile(), QSettings::IniFormat);
    const int count = std::min(settings.beginReadArray(QStringLiteral("studies")), kRecentStudies);
    for (int i = 0; i < count; ++i) {
        settings.setArrayIndex(i);
        const RecentStudy one{settings.value(QStringLiteral("folder")).toString(),
                              settings.value(QStringLiteral("name")).toString()};
        if (QFileInfo::exists(one.folder + QStringLiteral("/study.json")))
            recent.push_back(one);
    }
    settings.endArray();
    return recent;
}

} // namespace crest::ui
