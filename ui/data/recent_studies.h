// SPDX-License-Identifier: GPL-3.0-or-later
// The studies that were opened last, for the start page.
#pragma once

#include <vector>

#include <QString>

namespace crest::ui {

/// Recent studies, newest first, at most ten; kept in the state folder.
struct RecentStudy {
    QString folder, name;
};
void rememberRecentStudy(const QString& folder, const QString& name);
std::vector<RecentStudy> recentStudies();

} // namespace crest::ui
