// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/main_window.h"

#include <QCloseEvent>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QLabel>
#include <QMimeData>
#include <QScreen>
#include <QStackedWidget>
#include <QStyle>
#include <QTabWidget>
#include <QTimer>

#include "ui/data/format.h"
#include "ui/dialogs/cheat_sheet.h"
#include "ui/dialogs/command_search.h"
#include "ui/dialogs/overlays_dialog.h"
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
#include "ui/window/continue_offer.h"
#include "ui/window/letter_guard.h"
#include "ui/window/message_bar.h"
#include "ui/window/theme.h"
#include "ui/window/wheel_guard.h"
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
    // Before the docks take their shares; on a small or magnified screen, what is there below a title bar.
    resize(QSize(1280, 800).boundedTo(screen()->availableSize() - QSize(0, style()->pixelMetric(QStyle::PM_TitleBarHeight))));
    new WheelGuard(this);
    new LetterGuard(this);
    setupPages();
    setupDocks();
    setupMenus();
    setupToolBar();
    setupStatusBar();
    restoreLayout();
    new ContinueOffer(*m_session, *m_message, this);
    connectSession();
    connectFileActions();
    connectViewActions();
    connectState();
    studyClosed();
}

MainWindow::~MainWindow() {
    m_session->disconnect(this);
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
        m_message->showMessage(message);
        m_status->clear();
    });
    connect(m_session, &StudySession::scanProgress, this, [this](int found, bool finished) {
        m_status->setText(finished ? QString() : tr("Looking for checkpoints: %1 found").arg(found));
    });
    connect(m_session, &StudySession::checkProgress, this, [this](int done, int total) {
        m_status->setText(done < total ? tr("Checking %1 of %2").arg(done).arg(countText(total, "checkpoint")) : QString());
    });
    connect(m_session, &StudySession::located, m_message, [this](const QString& message) { m_message->showMessage(message); });
    connect(m_issues, &IssuesDock::checkpointAsked, m_series, &SeriesDock::reveal);
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
    connect(m_series, &SeriesDock::seriesChosen, m_probe, &ProbeDock::offerSeries);
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
        state.unattended = m_session->isUnattended(*run);
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

void MainWindow::showFullScreen(bool full) {
    setWindowState(windowState().setFlag(Qt::WindowFullScreen, full));
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
