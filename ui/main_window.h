// SPDX-License-Identifier: GPL-3.0-or-later
// The window: pages in the middle, docks around them, menus, one study.
#pragma once

#include <array>
#include <memory>

#include <QApplication>
#include <QMainWindow>

#include "ui/data/study_session.h"
#include "ui/window/actions.h"

class QLabel;
class QStackedWidget;
class QTabWidget;

namespace crest::ui {

class CurvesPage;
class InflectionPage;
class IssuesDock;
class ItemsPage;
class MessageBar;
class ProbeDock;
class RunsDock;
class SamplesPage;
class SeriesDock;
class StartPage;
class TheoryPage;
class TrainingPage;

struct WindowOptions {
    QString open;        ///< a study or a folder of checkpoints; "" for the start page
    bool sample = false; ///< open the sample study
    QString theme;       ///< "light", "dark", or "" for the desktop's
};

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(QWidget* parent = nullptr);
    ~MainWindow() override;

    StudySession& session() { return *m_session; }
    Actions& actions() { return *m_actions; }
    /// What decides which actions make sense now.
    WindowState state() const;
    QString message() const;

Q_SIGNALS:
    /// Once, when the window has been painted for the first time; slow work starts only then.
    void firstPainted();

protected:
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;
    bool event(QEvent* event) override;

private:
    void setupPages();
    void setupDocks();
    void shareDocks();
    void setupMenus();
    void setupToolBar();
    void setupStatusBar();
    void restoreLayout();
    std::array<QDockWidget*, 4> docks() const;
    void showDocks(bool shown);
    void connectSession();
    void connectFileActions();
    void connectViewActions();
    void connectState();

    void openFolder();
    void addSeries();
    void locateSeries();
    void saveAs();
    void exportFigure();
    void showTheory();
    void showPages();
    void showTextPreview(const QString& task);
    void showFullScreen(bool full);
    void showAbout();
    void studyOpened();
    void studyClosed();
    void updateActions();
    QList<QAction*> allActions() const;

    StudySession* m_session;
    Actions* m_actions;
    StartPage* m_start = nullptr;
    CurvesPage* m_curves = nullptr;
    InflectionPage* m_inflection = nullptr;
    ItemsPage* m_items = nullptr;
    SamplesPage* m_samples = nullptr;
    TheoryPage* m_theory = nullptr;
    TrainingPage* m_training = nullptr;
    QStackedWidget* m_stack = nullptr;
    QTabWidget* m_tabs = nullptr;
    MessageBar* m_message = nullptr;
    SeriesDock* m_series = nullptr;
    ProbeDock* m_probe = nullptr;
    RunsDock* m_runs = nullptr;
    IssuesDock* m_issues = nullptr;
    QLabel* m_status = nullptr;
    WindowState m_state;
    QByteArray m_dockLayout; ///< while the start page is shown
    bool m_docksShown = false;
    bool m_painted = false;
};

/// Shows the window and runs the event loop.
int runWindow(QApplication& application, const WindowOptions& options);

} // namespace crest::ui
