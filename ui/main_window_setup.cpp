// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the window: pages, docks, menus, tool bar.
#include <QLabel>
#include <QMenuBar>
#include <QScrollArea>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTabWidget>
#include <QToolBar>
#include <QVBoxLayout>

#include "ui/docks/issues_dock.h"
#include "ui/docks/probe_dock.h"
#include "ui/docks/runs_dock.h"
#include "ui/docks/series_dock.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/inflection_page.h"
#include "ui/pages/items_page.h"
#include "ui/pages/samples_page.h"
#include "ui/pages/start_page.h"
#include "ui/pages/theory_page.h"
#include "ui/pages/training_page.h"
#include "ui/window/message_bar.h"
#include "ui/window/theme.h"
#include "ui/window/window_settings.h"

namespace crest::ui {

void MainWindow::setupPages() {
    m_start = new StartPage(*m_actions, this);
    m_curves = new CurvesPage(*m_session, *m_actions, this);
    m_inflection = new InflectionPage(*m_session, this);
    m_items = new ItemsPage(*m_session, this);
    m_samples = new SamplesPage(*m_session, this);
    m_theory = new TheoryPage(this);
    m_training = new TrainingPage(*m_session, this);
    m_tabs = new QTabWidget;
    m_tabs->setDocumentMode(true);
    m_tabs->setAccessibleName(tr("Pages"));
    m_tabs->addTab(m_curves, tr("Curves"));
    m_tabs->addTab(m_inflection, tr("Inflection"));
    m_tabs->addTab(m_items, tr("Items"));
    m_tabs->addTab(m_samples, tr("Samples"));
    m_tabs->addTab(m_theory, tr("Theory"));
    m_tabs->addTab(m_training, tr("Training"));
    m_stack = new QStackedWidget;
    auto* start = new QScrollArea; // many recent studies must not make a small screen's window too high
    start->setWidget(m_start);
    start->setWidgetResizable(true);
    start->setFrameShape(QFrame::NoFrame);
    start->viewport()->setAutoFillBackground(false);
    m_start->setAutoFillBackground(false);
    m_stack->addWidget(start);
    m_stack->addWidget(m_tabs);
    m_message = new MessageBar;
    auto* central = new QWidget;
    auto* column = new QVBoxLayout(central);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_message);
    column->addWidget(m_stack, 1);
    setCentralWidget(central);
}

void MainWindow::setupDocks() {
    m_series = new SeriesDock(*m_session, *m_actions, this);
    m_probe = new ProbeDock(*m_session, *m_actions, this);
    m_runs = new RunsDock(*m_session, *m_actions, this);
    m_issues = new IssuesDock(*m_session, this);
    setDockOptions(AnimatedDocks | AllowNestedDocks | AllowTabbedDocks);
    setCorner(Qt::BottomLeftCorner, Qt::BottomDockWidgetArea);
    setCorner(Qt::BottomRightCorner, Qt::BottomDockWidgetArea);
    addDockWidget(Qt::LeftDockWidgetArea, m_series);
    addDockWidget(Qt::RightDockWidgetArea, m_probe);
    addDockWidget(Qt::BottomDockWidgetArea, m_runs);
    addDockWidget(Qt::BottomDockWidgetArea, m_issues);
    tabifyDockWidget(m_runs, m_issues);
}

/// Where no layout was saved; needs the window's real size.
void MainWindow::shareDocks() {
    resizeDocks({m_series, m_probe}, {46 * kRhythm, 31 * kRhythm}, Qt::Horizontal);
    resizeDocks({m_runs}, {13 * kRhythm}, Qt::Vertical);
    m_runs->raise();
}

void MainWindow::setupMenus() {
    const auto add = [this](QMenu* menu, std::initializer_list<ActionId> ids) {
        for (const ActionId id : ids)
            id == ActionId::Count ? (void)menu->addSeparator() : menu->addAction(m_actions->at(id));
    };
    using enum ActionId;
    add(menuBar()->addMenu(tr("&File")), {OpenFolder, OpenSample, Count, SaveAs, Export, ImportOverlay, Count, CloseStudy, Quit});
    add(menuBar()->addMenu(tr("&Series")), {AddSeries, Locate, Rescan, Filter, Count, Exclude, Include});
    add(menuBar()->addMenu(tr("&Probe")),
        {Run, Pause, Continue, RerunFailed, Stop, StopNow, ShowLog, Count, AddText, AddSuite, AddPrompts, AddTuning, Count, Undo,
         Redo});
    QMenu* view = menuBar()->addMenu(tr("&View"));
    add(view, {ShowCurves, ShowInflection, ShowItems, ShowSamples, ShowTheory, ShowTraining, Count, LogX, LogY, ShowValue, ShowChange, ShowBoth, Count, PreviousZoom,
               ResetZoom, Count});
    for (QDockWidget* dock : docks())
        view->addAction(dock->toggleViewAction());
    view->addSeparator();
    add(view, {FullScreen});
    add(menuBar()->addMenu(tr("&Help")), {CommandSearch, CheatSheet, Count, About});
}

void MainWindow::setupToolBar() {
    QToolBar* bar = addToolBar(tr("Tools"));
    bar->setObjectName(QStringLiteral("toolBar"));
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    bar->setIconSize(QSize(20, 20));
    bar->setMovable(false);
    for (const ActionId id : {ActionId::OpenFolder, ActionId::Run, ActionId::Stop, ActionId::Export})
        bar->addAction(m_actions->at(id));
    m_actions->at(ActionId::OpenFolder)->setIconText(tr("Open folder"));
    m_actions->at(ActionId::Stop)->setIconText(tr("Stop"));
    m_actions->at(ActionId::Export)->setIconText(tr("Export figure"));
    auto* space = new QWidget;
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    bar->addWidget(space);
    for (const ActionId id : {ActionId::LogX, ActionId::LogY})
        bar->addAction(m_actions->at(id));
    bar->addSeparator();
    for (const ActionId id : {ActionId::ShowValue, ActionId::ShowChange, ActionId::ShowBoth})
        bar->addAction(m_actions->at(id));
}

void MainWindow::setupStatusBar() {
    m_status = new QLabel;
    m_status->setAccessibleName(tr("Status"));
    statusBar()->addWidget(m_status, 1);
}

void MainWindow::restoreLayout() {
    restoreGeometry(window_settings::geometry());
    m_dockLayout = window_settings::docks();
    for (QDockWidget* dock : docks()) {
        dock->hide();
        dock->toggleViewAction()->setEnabled(false);
    }
}

} // namespace crest::ui
