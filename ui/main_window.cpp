// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/main_window.h"

#include <QCloseEvent>
#include <QDir>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QLabel>
#include <QMenuBar>
#include <QMessageBox>
#include <QMimeData>
#include <QScreen>
#include <QScrollArea>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTabWidget>
#include <QTimer>
#include <QToolBar>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/dialogs/cheat_sheet.h"
#include "ui/dialogs/command_search.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/dialogs/item_preview.h"
#include "ui/dialogs/overlays_dialog.h"
#include "ui/dialogs/text_preview.h"
#include "ui/dialogs/tuning_preview.h"
#include "ui/docks/issues_dock.h"
#include "ui/docks/probe_dock.h"
#include "ui/docks/runs_dock.h"
#include "ui/docks/series_dock.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/inflection_page.h"
#include "ui/pages/items_page.h"
#include "ui/pages/samples_page.h"
#include "ui/pages/start_page.h"
#include "ui/pages/theory_page.h"
#include "ui/pages/training_page.h"
#include "ui/window/icons.h"
#include "ui/window/message_bar.h"
#include "ui/window/theme.h"
#include "ui/window/window_settings.h"

namespace crest::ui {
namespace {

/// What a drag carries, a folder before a file, or "". A file that is none of ours is told in words when it is dropped.
QString draggedPath(const QMimeData* mime) {
    QString file;
    for (const QUrl& url : mime->urls()) {
        const QString path = url.isLocalFile() ? url.toLocalFile() : QString();
        if (QFileInfo(path).isDir())
            return path;
        if (file.isEmpty())
            file = path;
    }
    return file;
}

} // namespace

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent)
    , m_session(new StudySession(this))
    , m_actions(new Actions(this)) {
    setObjectName(QStringLiteral("crestWindow"));
    setWindowIcon(QIcon(QStringLiteral(":/icons/crest.svg")));
    setAcceptDrops(true);
    // Before the docks take their shares; on a small or magnified screen, what is there.
    resize(QSize(1280, 800).boundedTo(screen()->availableSize()));
    setupPages();
    setupDocks();
    setupMenus();
    setupToolBar();
    setupStatusBar();
    restoreLayout();
    connectSession();
    connectFileActions();
    connectViewActions();
    connectState();
    studyClosed();
}

MainWindow::~MainWindow() {
    m_session->disconnect(this);
}

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
    resizeDocks({m_series, m_probe}, {38 * kRhythm, 31 * kRhythm}, Qt::Horizontal);
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

std::array<QDockWidget*, 4> MainWindow::docks() const {
    return {m_series, m_probe, m_runs, m_issues};
}

/// The start page has the window to itself; a study brings the docks back as they were left.
void MainWindow::showDocks(bool shown) {
    if (shown == m_docksShown)
        return;
    m_docksShown = shown;
    if (!shown)
        m_dockLayout = saveState();
    for (QDockWidget* dock : docks()) {
        dock->setVisible(shown);
        dock->toggleViewAction()->setEnabled(shown);
    }
    if (!shown)
        return;
    if (m_dockLayout.isEmpty() || !restoreState(m_dockLayout))
        shareDocks();
}

void MainWindow::connectSession() {
    connect(m_session, &StudySession::opened, this, &MainWindow::studyOpened);
    connect(m_session, &StudySession::closed, this, &MainWindow::studyClosed);
    connect(m_session, &StudySession::failed, this, [this](const QString& message) {
        m_continueRun.clear();
        m_message->showMessage(message);
        m_status->clear();
    });
    connect(m_session, &StudySession::scanProgress, this, [this](int found, bool finished) {
        m_status->setText(finished ? QString() : tr("Looking for checkpoints: %1 found").arg(found));
    });
    connect(m_session, &StudySession::checkProgress, this, [this](int done, int total) {
        m_status->setText(done < total ? tr("Checking %1 of %2 checkpoints").arg(done).arg(total) : QString());
    });
    connect(m_session, &StudySession::located, this, [this](const QString& message) {
        m_continueRun.clear();
        m_message->showMessage(message);
    });
    connect(m_session, &StudySession::runsChanged, this, &MainWindow::offerToContinue);
    connect(m_message, &MessageBar::actionAsked, this, [this] {
        if (!m_continueRun.isEmpty())
            m_session->resume(std::exchange(m_continueRun, {}));
    });
    connect(m_start, &StartPage::openAsked, m_session, &StudySession::open);
}

void MainWindow::connectFileActions() {
    const auto on = [this](ActionId id, auto&& what) { connect(m_actions->at(id), &QAction::triggered, this, what); };
    on(ActionId::OpenFolder, [this] { openFolder(); });
    on(ActionId::OpenSample, [this] { m_session->openSample(); });
    on(ActionId::AddSeries, [this] { addSeries(); });
    on(ActionId::Locate, [this] { locateSeries(); });
    on(ActionId::SaveAs, [this] { saveAs(); });
    on(ActionId::Export, [this] { exportFigure(); });
    on(ActionId::ImportOverlay, [this] { (new OverlaysDialog(*m_session, this))->open(); });
    on(ActionId::CloseStudy, [this] { m_session->isOpen() ? m_session->close() : studyClosed(); });
    on(ActionId::Quit, [this] { close(); });
    on(ActionId::Filter, [this] { m_series->focusFilter(); });
    on(ActionId::Rescan, [this] { m_session->rescan(); });
    on(ActionId::Undo, [this] { m_session->undoStack()->undo(); });
    on(ActionId::Redo, [this] { m_session->undoStack()->redo(); });
    connect(m_probe, &ProbeDock::previewAsked, this, &MainWindow::showTextPreview);
}

void MainWindow::connectViewActions() {
    const auto on = [this](ActionId id, auto&& what) { connect(m_actions->at(id), &QAction::triggered, this, what); };
    on(ActionId::Run, [this] { m_runs->raise(); });
    on(ActionId::ShowCurves, [this] { m_tabs->setCurrentWidget(m_curves); });
    on(ActionId::ShowInflection, [this] { m_tabs->setCurrentWidget(m_inflection); });
    on(ActionId::ShowItems, [this] { m_tabs->setCurrentWidget(m_items); });
    on(ActionId::ShowSamples, [this] { m_tabs->setCurrentWidget(m_samples); });
    on(ActionId::ShowTheory, [this] { showTheory(); });
    on(ActionId::ShowTraining, [this] { m_tabs->setCurrentWidget(m_training); });
    on(ActionId::FullScreen, [this](bool full) { showFullScreen(full); });
    on(ActionId::CommandSearch, [this] { (new CommandSearch(allActions(), this))->open(); });
    on(ActionId::CheatSheet, [this] { (new CheatSheet(allActions(), this))->open(); });
    on(ActionId::About, [this] { showAbout(); });
}

void MainWindow::connectState() {
    const auto update = [this] { updateActions(); };
    connect(m_session, &StudySession::opened, this, update);
    connect(m_session, &StudySession::closed, this, update);
    connect(m_session, &StudySession::runsChanged, this, update);
    connect(m_session, &StudySession::probeChanged, this, update);
    connect(m_session->undoStack(), &QUndoStack::indexChanged, this, update);
    connect(m_probe, &ProbeDock::planChanged, this, update);
    connect(m_series, &SeriesDock::selectionChanged, this, update);
    connect(m_curves, &CurvesPage::figureChanged, this, update);
    connect(m_training, &TrainingPage::figureChanged, this, update);
    connect(m_tabs, &QTabWidget::currentChanged, this, update);
    connect(m_stack, &QStackedWidget::currentChanged, this, update);
    connect(m_theory, &TheoryPage::startAsked, this, &MainWindow::studyClosed);
}

WindowState MainWindow::state() const {
    WindowState state;
    state.open = m_session->isOpen();
    state.writable = m_session->writable();
    state.planReady = m_probe->planReady();
    if (const study::RunStatus* run = m_runs->shown()) {
        state.run = run->state;
        state.failedCells = !run->failed.empty();
    }
    state.seriesSelected = state.open && !m_series->selectedSeries().isEmpty();
    state.figure = state.open && m_curves->hasFigure();
    state.theory = m_stack->currentWidget() == m_tabs && m_tabs->currentWidget() == m_theory;
    state.training = state.open && m_stack->currentWidget() == m_tabs && m_tabs->currentWidget() == m_training;
    state.trainingFigure = state.training && m_training->hasFigure();
    if (const auto selected = m_series->selected()) {
        state.checkpointSelected = true;
        state.checkpointExcluded = selected->state == series::CheckpointState::Excluded;
    }
    state.canUndo = m_session->undoStack()->canUndo();
    state.canRedo = m_session->undoStack()->canRedo();
    return state;
}

void MainWindow::updateActions() {
    m_actions->update(state());
}

QString MainWindow::message() const {
    return m_message->message();
}

void MainWindow::studyOpened() {
    m_offered = false;
    m_message->hide();
    setWindowTitle(m_session->untitled() ? tr("%1 (not saved under a name yet)").arg(m_session->name())
                                         : m_session->name());
    showPages();
    if (m_tabs->currentWidget() == m_theory)
        m_tabs->setCurrentWidget(m_curves);
    m_stack->setCurrentWidget(m_tabs);
    showDocks(true);
    if (!m_session->writable())
        m_message->showMessage(tr("%1 can only be looked at: %2").arg(m_session->folder(), m_session->readOnlyReason()));
}

/// The theory needs no study: without one it is the only page.
void MainWindow::showTheory() {
    showPages();
    m_tabs->setCurrentWidget(m_theory);
    m_stack->setCurrentWidget(m_tabs);
}

void MainWindow::showPages() {
    const bool open = m_session->isOpen();
    for (int i = 0; i < m_tabs->count(); ++i)
        m_tabs->setTabVisible(i, open || m_tabs->widget(i) == m_theory);
    m_theory->setStandalone(!open);
}

void MainWindow::studyClosed() {
    setWindowTitle(QString());
    m_stack->setCurrentIndex(0); // the start page
    showDocks(false);
    m_status->clear();
    if (m_painted)
        m_start->refresh();
    updateActions();
}

/// Once per study: a run that was cut short is offered, not started.
void MainWindow::offerToContinue() {
    for (const study::RunStatus& run : m_session->runs())
        if (run.state == study::RunState::Interrupted && !m_offered && m_session->writable()) {
            m_offered = true;
            m_continueRun = toQString(run.id);
            m_session->showRun(m_continueRun);
            m_message->showMessage(
                tr("A run was cut short: %1 of %2 cells are done and kept.").arg(run.doneCells).arg(run.totalCells),
                tr("Continue with the rest"));
        }
    const bool waits =
        !m_continueRun.isEmpty() &&
        std::any_of(m_session->runs().begin(), m_session->runs().end(), [this](const study::RunStatus& run) {
            return toQString(run.id) == m_continueRun && run.state == study::RunState::Interrupted;
        });
    if (!m_continueRun.isEmpty() && !waits) {
        m_continueRun.clear();
        m_message->hide();
    }
}

void MainWindow::openFolder() {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a folder of checkpoints, or a study"));
    if (!folder.isEmpty())
        m_session->open(folder);
}

void MainWindow::addSeries() {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Add a folder of checkpoints"));
    if (!folder.isEmpty())
        m_session->addSeries(folder);
}

void MainWindow::locateSeries() {
    const QString series = m_series->selectedSeries();
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Where is %1 now?").arg(series));
    if (!series.isEmpty() && !folder.isEmpty())
        m_session->locate(series, folder);
}

void MainWindow::saveAs() {
    const QString target =
        QFileDialog::getSaveFileName(this, tr("Save the study as"), QDir::homePath() + u'/' + m_session->name());
    if (!target.isEmpty())
        m_session->saveAs(target);
}

void MainWindow::exportFigure() {
    const WindowState now = state();
    const bool theory = now.theory;
    if (!ui::isEnabled(ActionId::Export, now))
        return;
    const analysis::Figure figure = theory         ? m_theory->figure()
                                    : now.training ? m_training->figure()
                                                   : m_curves->figureForExport();
    const bool open = m_session->isOpen();
    const QString name = open && !theory ? m_session->name() + u'-' + toQString(figure.name) : toQString(figure.name);
    const QString folder = open ? m_session->folder() + QStringLiteral("/figures") : QDir::homePath();
    auto* dialog = new ExportDialog(figure, name, folder, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &ExportDialog::exported, this, [this](const QStringList& files) {
        m_status->setText(tr("%1 files written to %2").arg(files.size()).arg(QFileInfo(files.value(0)).absolutePath()));
    });
    dialog->open();
}

/// Of a text or fine-tuning data with the tokenizer of the first checkpoint that can be read; of a suite's task as plain text.
void MainWindow::showTextPreview(const QString& task) {
    for (const study::Task& one : m_session->study().tasks)
        if (toQString(one.name) == task && one.kind == study::TaskKind::Suite)
            return (new ItemPreview(one, std::filesystem::path(m_session->folder().toStdString()), this))->open();
    for (const study::Task& one : m_session->study().tasks)
        for (const series::Series& series : m_session->series())
            for (const series::Checkpoint& checkpoint : series.checkpoints)
                if (toQString(one.name) == task && checkpoint.state == series::CheckpointState::Ok) {
                    const std::filesystem::path folder(m_session->folder().toStdString());
                    if (one.kind == study::TaskKind::TuningLoss)
                        (new TuningPreview(one, folder, checkpoint.path, this))->open();
                    else
                        (new TextPreview(one, folder / one.textsPath, checkpoint.path, this))->open();
                    return;
                }
}

void MainWindow::showFullScreen(bool full) {
    setWindowState(windowState().setFlag(Qt::WindowFullScreen, full));
}

void MainWindow::showAbout() {
    QMessageBox::about(this, tr("About Crest"),
                       tr("<b>Crest %1</b><p>A workbench for series of pretraining checkpoints.</p><p>The window is "
                          "distributed under the GPL, version 3 or "
                          "later; the engine under the Apache License 2.0.</p>")
                           .arg(QApplication::applicationVersion()));
}

QList<QAction*> MainWindow::allActions() const {
    QList<QAction*> all;
    for (std::size_t i = 0; i < kActionCount; ++i)
        all << m_actions->at(static_cast<ActionId>(i));
    return all;
}

void MainWindow::closeEvent(QCloseEvent* event) {
    window_settings::saveLayout(saveGeometry(), m_docksShown ? saveState() : m_dockLayout);
    QMainWindow::closeEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (!draggedPath(event->mimeData()).isEmpty())
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
    if (const QString path = draggedPath(event->mimeData()); !path.isEmpty())
        m_session->open(path);
}

bool MainWindow::event(QEvent* event) {
    const bool handled = QMainWindow::event(event);
    if (event->type() == QEvent::Paint && !m_painted) {
        m_painted = true;
        QTimer::singleShot(0, this, [this] {
            m_start->refresh();
            m_session->findDevices();
            Q_EMIT firstPainted();
        });
    }
    return handled;
}

int runWindow(QApplication& application, const WindowOptions& options) {
    applyTheme(application, themeFromName(options.theme));
    MainWindow window;
    QObject::connect(&window, &MainWindow::firstPainted, &window, [&] {
        if (options.sample)
            window.session().openSample();
        else if (!options.open.isEmpty())
            window.session().open(options.open);
    });
    window.show();
    return QApplication::exec();
}

} // namespace crest::ui
