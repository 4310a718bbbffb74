// SPDX-License-Identifier: GPL-3.0-or-later
// What the window says of runs that nobody works on, with a runner that pretends and is killed: the offer to go on comes back as
// long as there is something to go on with.
#include <csignal>

#include <QComboBox>
#include <QDockWidget>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTest>
#include <QToolButton>
#include <QTreeView>

#include "core/series/series.h"
#include "core/study/planner.h"
#include "core/study/runs.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/data/sample_study.h"
#include "ui/dialogs/log_dialog.h"
#include "ui/dialogs/text_dialog.h"
#include "ui/main_window.h"
#include "ui/pages/training_page.h"
#include "ui/window/message_bar.h"

using namespace crest;
using namespace crest::ui;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;

std::unique_ptr<MainWindow> openWindow(const QString& folder) {
    auto window = std::make_unique<MainWindow>();
    window->show();
    if (QTest::qWaitForWindowExposed(window.get()))
        window->session().open(folder);
    return window;
}

QPushButton* buttonOf(const QWidget& parent) {
    const auto* bar = parent.findChild<MessageBar*>();
    auto* button = bar->findChild<QPushButton*>();
    return button && bar->isVisible() && button->isVisible() ? button : nullptr;
}

void closeMessage(const MainWindow& window) {
    QTest::mouseClick(named<QToolButton>(&window, QStringLiteral("Close the message")), Qt::LeftButton);
}

bool isOffered(const MainWindow& window) {
    return window.message().contains(QStringLiteral("cut short")) && buttonOf(window);
}

study::RunState stateOf(MainWindow& window, std::size_t run = 0) {
    const auto& runs = window.session().runs();
    return run < runs.size() ? runs[run].state : study::RunState::Queued;
}

QAction* runOf(MainWindow& window) {
    return window.actions().at(ActionId::Run);
}
QComboBox* kindOf(const MainWindow& window) {
    return named<QComboBox>(&window, QStringLiteral("Kind of probe"));
}
/// Whatever it says.
QPushButton* runButton(const MainWindow& window) {
    for (QPushButton* button : window.findChild<QDockWidget*>(QStringLiteral("probeDock"))->findChildren<QPushButton*>())
        if (button->accessibleName() == button->text() && !button->text().isEmpty())
            return button;
    return nullptr;
}

/// A study with the series and its text, and a run of 54 cells that nobody has taken up.
QString studyWithQueuedRun(const test::SeriesFixture& fixture) {
    const QString place = fixture.dir.filePath(QStringLiteral("study"));
    study::Study study;
    study.name = "study";
    study.series.push_back({"series", fixture.seriesFolder.toStdString(), {}});
    study::Task text;
    text.name = "heldout";
    text.textsPath = fixture.textFile.toStdString();
    text.windowTokens = text.strideTokens = 16;
    text.maxWindows = 8;
    study.tasks.push_back(text);
    study::Probe probe = defaultNoiseProbe("series", {{"heldout", study::Role::InDistribution}});
    probe.strengths = {0.4, 0.8};
    probe.seeds = 4;
    study.probes.push_back(probe);
    const auto folder = study::StudyFolder::create(place.toStdString(), study);
    auto found = series::findSeries(fixture.seriesFolder.toStdString());
    if (!folder || !found)
        return {};
    auto plan = study::planProbe(*folder, probe, found->series.front(), [](const std::string&) { return false; });
    return plan && study::queueRun(*folder, std::move(*plan)) ? place : QString();
}

} // namespace

class WindowRunsTest : public QObject {
    Q_OBJECT
    /// Kills the runner as soon as it has stored something.
    static void cutShort(MainWindow& window, const test::SeriesFixture& fixture) {
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(window), study::RunState::Running, kLongMs);
        const auto done = window.session().runs().front().doneCells;
        QTRY_VERIFY_WITH_TIMEOUT(window.session().runs().front().doneCells > done, kLongMs);
        QCOMPARE(::kill(static_cast<pid_t>(fixture.runnerPid()), SIGKILL), 0);
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(window), study::RunState::Interrupted, kLongMs);
    }

private Q_SLOTS:
    void aRunThatNobodyTookUpCanBeStarted() {
        test::SeriesFixture fixture;
        fixture.useRunner(0);
        const QString study = studyWithQueuedRun(fixture);
        QVERIFY(!study.isEmpty());
        auto window = openWindow(study);
        QTRY_VERIFY_WITH_TIMEOUT(window->message().contains(QStringLiteral("nobody works on it")), kLongMs);
        QVERIFY(window->actions().at(ActionId::Continue)->isEnabled());
        QTest::mouseClick(buttonOf(*window), Qt::LeftButton);
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(*window), study::RunState::Done, kLongMs);
        QCOMPARE(window->session().runs().front().doneCells, 54);
        QTRY_COMPARE(window->message(), QString());
    }

    void theOfferComesBackAsLongAsTheRunIsUnfinished() {
        test::SeriesFixture fixture;
        fixture.useRunner(300'000);
        const QString study = studyWithQueuedRun(fixture);
        QVERIFY(!study.isEmpty());
        auto window = openWindow(study);
        QTRY_VERIFY_WITH_TIMEOUT(buttonOf(*window), kLongMs);
        QTest::mouseClick(buttonOf(*window), Qt::LeftButton);
        cutShort(*window, fixture);
        if (QTest::currentTestFailed())
            return;
        QTRY_VERIFY_WITH_TIMEOUT(isOffered(*window), kLongMs); // in the window that saw it happen

        closeMessage(*window);
        QTest::qWait(1500); // several looks at the folder: closed is closed
        QCOMPARE(window->message(), QString());
        window->session().close();
        window->session().open(study);
        QTRY_VERIFY_WITH_TIMEOUT(isOffered(*window), kLongMs); // opened again, in this window
        window.reset();
        window = openWindow(study); // and in another
        QTRY_VERIFY_WITH_TIMEOUT(isOffered(*window), kLongMs);

        Q_EMIT window->session().failed(QStringLiteral("something else"));
        QCOMPARE(window->message(), QStringLiteral("something else"));
        closeMessage(*window);
        QTRY_VERIFY(isOffered(*window)); // what stood before it is read, and gone

        QTest::mouseClick(buttonOf(*window), Qt::LeftButton);
        QVERIFY(!isOffered(*window)); // nor again until it is taken up
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(*window), study::RunState::Running, kLongMs);
        QVERIFY(!isOffered(*window));
        cutShort(*window, fixture);
        if (QTest::currentTestFailed())
            return;
        QTRY_VERIFY_WITH_TIMEOUT(isOffered(*window), kLongMs); // cut short once more

        fixture.useRunner(0);
        QTest::mouseClick(buttonOf(*window), Qt::LeftButton);
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(*window), study::RunState::Done, kLongMs);
        QTRY_COMPARE(window->message(), QString());
        QCOMPARE(window->session().runs().front().doneCells, 54);
    }

    /// Opened again, a study stands at the probe that was set up or run last, kind and settings: the same once more is one click.
    void theDockStandsAtTheLastProbe() {
        test::SeriesFixture fixture;
        fixture.useRunner(0);
        const QString study = studyWithQueuedRun(fixture);
        QVERIFY(!study.isEmpty());
        auto window = openWindow(study);
        QTRY_COMPARE_WITH_TIMEOUT(runButton(*window)->text(), QStringLiteral("This probe waits for a runner"), kLongMs);
        QCOMPARE(kindOf(*window)->currentText(), QStringLiteral("Gaussian noise"));
        // Run as it is offered.
        kindOf(*window)->setFocus();
        QTest::keyClick(kindOf(*window), Qt::Key_P);
        QCOMPARE(kindOf(*window)->currentText(), QStringLiteral("Pruning"));
        QTRY_VERIFY_WITH_TIMEOUT(runButton(*window)->text() == QStringLiteral("Run 42 cells") && runOf(*window)->isEnabled(), kLongMs);
        QTest::mouseClick(runButton(*window), Qt::LeftButton);
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(*window, 1), study::RunState::Done, kLongMs);
        window->session().close();
        window->session().open(study); // in this window
        QTRY_COMPARE_WITH_TIMEOUT(runButton(*window)->text(), QStringLiteral("Nothing new to run"), kLongMs);
        QCOMPARE(kindOf(*window)->currentText(), QStringLiteral("Pruning"));
        window.reset();
        window = openWindow(study); // and in another
        QTRY_COMPARE_WITH_TIMEOUT(kindOf(*window)->currentText(), QStringLiteral("Pruning"), kLongMs);

        // Set up, not run.
        QTRY_VERIFY_WITH_TIMEOUT(window->session().runsKnown() && !window->session().series().empty(), kLongMs);
        kindOf(*window)->setFocus();
        QTest::keyClick(kindOf(*window), Qt::Key_G);
        QCOMPARE(kindOf(*window)->currentText(), QStringLiteral("Gaussian noise"));
        auto* gammas = named<QLineEdit>(window.get(), QStringLiteral("Gammas"));
        gammas->selectAll();
        QTest::keyClicks(gammas, QStringLiteral("0.3"));
        QTest::keyClick(gammas, Qt::Key_Return);
        window.reset();
        window = openWindow(study);
        const auto isNoise = [&] { return kindOf(*window)->currentText() == QStringLiteral("Gaussian noise") && !window->session().series().empty(); };
        QTRY_VERIFY_WITH_TIMEOUT(isNoise(), kLongMs);
        QCOMPARE(named<QLineEdit>(window.get(), QStringLiteral("Gammas"))->text(), QStringLiteral("0.3"));
        auto* draws = named<QSpinBox>(window.get(), QStringLiteral("Noise draws"));
        QCOMPARE(draws->value(), 4);
        QTRY_COMPARE_WITH_TIMEOUT(runButton(*window)->text(), QStringLiteral("Run 24 cells"), kLongMs); // the bases are there
        draws->setFocus();
        QTest::keyClick(draws, Qt::Key_Up);
        QTRY_COMPARE_WITH_TIMEOUT(runButton(*window)->text(), QStringLiteral("Run 30 cells"), kLongMs);

        // What only comes to stand last is no edit.
        const int edits = window->session().undoStack()->count();
        const study::Probe first = window->session().study().probes.front();
        window->session().setProbe(first);
        QCOMPARE(window->session().study().probes.back(), first);
        QCOMPARE(window->session().undoStack()->count(), edits);
    }

    /// It cannot be queued twice, also while another run is looked at.
    void aProbeAtWorkIsSaidWhicheverRunIsShown() {
        test::SeriesFixture fixture;
        fixture.useRunner(0);
        const QString place = studyWithQueuedRun(fixture);
        QVERIFY(!place.isEmpty());
        auto window = openWindow(place);
        const QString waits = QStringLiteral("This probe waits for a runner");
        QTRY_COMPARE_WITH_TIMEOUT(runButton(*window)->text(), waits, kLongMs);
        const auto folder = study::StudyFolder::open(place.toStdString());
        const auto found = series::findSeries(fixture.seriesFolder.toStdString());
        QVERIFY(folder && found);
        study::Probe other = folder->study().probes.front();
        other.seeds = 2;
        auto plan = study::planProbe(*folder, other, found->series.front(), [](const std::string&) { return false; });
        QVERIFY(plan);
        const auto id = study::queueRun(*folder, std::move(*plan));
        QVERIFY(id);
        QTRY_COMPARE_WITH_TIMEOUT(window->session().runs().size(), std::size_t{2}, kLongMs);
        window->session().showRun(QString::fromStdString(*id));
        const auto shown = [&] {
            const auto& results = window->session().probeView().results;
            return results ? results->plan.probe.seeds : std::int64_t{0};
        };
        QTRY_COMPARE_WITH_TIMEOUT(shown(), std::int64_t{2}, kLongMs);
        QTest::qWait(700); // longer than a look at the folder
        QCOMPARE(runButton(*window)->text(), waits);
        QVERIFY(!runOf(*window)->isEnabled());
    }

    /// Commands of one letter are for where a letter means nothing else.
    void aLetterFindsAnEntryBeforeItIsACommand() {
        test::SeriesFixture fixture;
        fixture.useRunner(0);
        auto window = openWindow(studyWithQueuedRun(fixture));
        QTRY_VERIFY_WITH_TIMEOUT(buttonOf(*window), kLongMs);
        QTest::mouseClick(buttonOf(*window), Qt::LeftButton);
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(*window), study::RunState::Done, kLongMs);
        const QAction* logX = window->actions().at(ActionId::LogX);
        QTRY_VERIFY_WITH_TIMEOUT(logX->isEnabled(), kLongMs);
        window->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(window.get()));
        QSignalSpy command(logX, &QAction::triggered);

        QComboBox* kind = kindOf(*window);
        kind->setCurrentIndex(kind->findText(QStringLiteral("Pruning")));
        kind->setFocus();
        QTest::keyClick(kind, Qt::Key_G);
        QCOMPARE(kind->currentText(), QStringLiteral("Gaussian noise"));
        auto* checkpoints = window->findChild<QDockWidget*>(QStringLiteral("seriesDock"))->findChild<QTreeView*>();
        checkpoints->setFocus();
        QTest::keyClick(checkpoints, Qt::Key_G);
        QCOMPARE(command.count(), 0);
        QTest::keyClick(checkpoints, Qt::Key_6, Qt::ControlModifier); // with Ctrl it is a command, there too
        QVERIFY(window->findChild<TrainingPage*>()->isVisible());
        QTest::keyClick(checkpoints, Qt::Key_1, Qt::ControlModifier);
        window->setFocus();
        QTest::keyClick(window.get(), Qt::Key_G);
        QCOMPARE(command.count(), 1);
    }

    /// Of a run that is done, too, which has nothing else to say.
    void theLogHasTheNotesOfTheRun() {
        QTemporaryDir study;
        study::RunStatus run;
        run.id = "run";
        run.state = study::RunState::Done;
        run.notes = {"The tuned weights of a are not kept.", "The passes were halved."};
        QWidget window;
        LogDialog::showFor(study.path(), run, &window);
        const QString text = window.findChild<LogDialog*>()->findChild<QPlainTextEdit*>()->toPlainText();
        QVERIFY2(text.contains(QStringLiteral("The tuned weights of a are not kept.\nThe passes were halved.\n")), qPrintable(text));
    }

    void aTextHasAsManyWindowsAsOnTheCommandLine() {
        const TextDialog dialog(QStringLiteral("/texts/held-out.jsonl"), {}, 64, nullptr);
        QCOMPARE(dialog.task().maxWindows, study::Task{}.maxWindows);
        QCOMPARE(dialog.task().windowTokens, 64); // the model's context
        auto* windows = named<QSpinBox>(&dialog, QStringLiteral("At most"));
        QCOMPARE(windows->text(), QStringLiteral("128 windows"));
        windows->setValue(1);
        QCOMPARE(windows->text(), QStringLiteral("1 window"));
    }
};

int main(int argc, char** argv) {
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    WindowRunsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_runs.moc"
