// SPDX-License-Identifier: GPL-3.0-or-later
// What the window shows while no study is open: open a folder, open the sample, recent studies.
#pragma once

#include <vector>

#include <QWidget>

#include "ui/data/background.h"
#include "ui/data/recent_studies.h"

class QVBoxLayout;

namespace crest::ui {

class Actions;

class StartPage : public QWidget {
    Q_OBJECT
public:
    StartPage(Actions& actions, QWidget* parent);
    /// Reads the list of recent studies again, on another thread.
    void refresh();

Q_SIGNALS:
    void openAsked(const QString& folder);

private:
    void setupLayout(Actions& actions);
    void showRecent(const std::vector<RecentStudy>& recent);

    QWidget* m_recent;
    QVBoxLayout* m_recentColumn;
    Background m_reading;
};

} // namespace crest::ui
