// SPDX-License-Identifier: GPL-3.0-or-later
// The training curves in the window, of trainings that a real runner makes: while one runs, afterwards, of other
// checkpoints, seeds and runs, exported; and in words where there are none.
#include <algorithm>
#include <set>

#include <QCheckBox>
#include <QComboBox>
#include <QDockWidget>
#include <QLabel>
#include <QLineEdit>
#include <QProcess>
#include <QPushButton>
#include <QSpinBox>
#include <QTabWidget>
#include <QtTest>

#include "core/data/tuning_settings.h"
#include "core/study/study_folder.h"
#include "core/study/training_log.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/charts/figure_origin.h"
#include "ui/data/format.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/docks/progress_delegate.h"
#include "ui/main_window.h"
#include "ui/pages/training_page.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

using namespace crest;
using namespace crest::ui;
using crest::test::buttonWith;
using crest::test::choose;
using crest::test::named;
using crest::test::smallSeries;

namespace {

constexpr int kLongMs = 60'000;

study::Task tuningTask(const QTemporaryDir& dir) {
    const QString rows = dir.filePath(QStringLiteral("definitions.jsonl"));
    QFile file(rows);
    if (file.open(QIODevice::WriteOnly))
        for (int i = 0; i < 60; ++i)
            file.write("{\"prompt\": \"thing number " + QByteArray::number(i) + ":\", \"completion\": \" a small thing of wood\"}\n");
    file.close();
    data::TuningDataSettings settings;
    settings.path = rows.toStdString();
    settings.maxTokens = 64;
    auto resolved = data::resolveTuningData(settings, CREST_SOURCE_DIR "/resources/tuning");
    study::Task task;
    task.name = "definitions";
    task.kind = study::TaskKind::TuningLoss;
    task.textsPath = settings.path;
    if (resolved) {
        resolved->path.clear();
        task.definition = canonicalJson(data::tuningDataToJson(*resolved));
    }
    return task;
}

} // namespace

class WindowTrainingTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase() { m_window.reset(); }

    void saysThatThereIsNoRun();
    void drawsEveryRateOfAFinishedRun();
    void switchesCheckpointRateAndSeed();
    void isExported();
    void growsWhileItRuns();
    void isOfferedForTrainingsOnly();
    void aTaskAddedLaterIsPriced();
    void followsTheTheme();

private:
    QTemporaryDir m_dir;
    std::unique_ptr<MainWindow> m_window;
    TrainingPage* m_page = nullptr;
    QString m_first; ///< the finished run

    StudySession& session() const { return m_window->session(); }
    QComboBox* box(const char* name) const { return named<QComboBox>(m_page, QString::fromLatin1(name)); }
    QComboBox* checkpoints() const { return box("Checkpoint whose training is shown"); }
    QComboBox* rates() const { return box("Learning rate whose training is shown"); }
    QComboBox* seeds() const { return box("Seed whose training is shown"); }
    QString sentence() const { return named<QLabel>(m_page, QStringLiteral("Why there is no training curve"))->text(); }
    const study::RunStatus* run(const QString& id) const {
        for (const study::RunStatus& one : session().runs())
            if (QString::fromStdString(one.id) == id)
                return &one;
        return nullptr;
    }
    /// Sets the probe up as told and runs it; the run's id.
    QString start(const QString& kind, const char* field, const QString& strengths, const char* seedField, int seedCount, int epochs);
    /// The loss of a rate as it is drawn.
    std::vector<double> losses(double rate) const {
        std::vector<double> out;
        if (m_page->hasFigure())
            for (const analysis::FigureCurve& curve : m_page->figure().panels.front().curves)
                if (curve.label == analysis::rateLabel(rate))
                    for (const auto& segment : curve.segments)
                        for (const analysis::FigurePoint& point : segment)
                            out.push_back(point.y);
        return out;
    }
    /// The loss of a cell as its file has it.
    std::vector<double> logged(int checkpoint, double rate, std::int64_t seed) const {
        const study::Plan& plan = session().probeView().results->plan;
        const auto log = study::readTrainingLog(
            study::trainingPlace(std::filesystem::path(session().folder().toStdString()) / "trainings",
                                 plan.checkpoints[static_cast<std::size_t>(checkpoint)], plan.probe, rate, seed)
                .file);
        std::vector<double> out;
        if (log)
            for (const study::TrainingStep& step : log->lines)
                out.push_back(step.loss);
        return out;
    }
};

void WindowTrainingTest::initTestCase() {
    m_window = std::make_unique<MainWindow>();
    m_window->resize(1280, 800);
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    test::dropFolder(m_window.get(), smallSeries(m_dir));
    QTRY_COMPARE_WITH_TIMEOUT(session().series().size(), std::size_t(1), kLongMs);
    m_page = m_window->findChild<TrainingPage*>();
    const study::Task task = tuningTask(m_dir);
    QVERIFY(!task.definition.empty());
    session().addTask(task);
}

QString WindowTrainingTest::start(const QString& kind, const char* field, const QString& strengths, const char* seedField,
                                  int seedCount, int epochs) {
    auto* kinds = named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe"));
    choose(kinds, kinds->findText(kind));
    auto* measured = named<QCheckBox>(m_window.get(), QStringLiteral("definitions: ID"));
    if (measured && !measured->isChecked())
        measured->click();
    auto* edit = named<QLineEdit>(m_window.get(), QString::fromLatin1(field));
    edit->setText(strengths);
    Q_EMIT edit->textEdited(strengths);
    named<QSpinBox>(m_window.get(), QString::fromLatin1(seedField))->setValue(seedCount);
    if (epochs > 0)
        named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->setValue(epochs);
    const auto before = session().runs().size();
    const QString cells = QStringLiteral("Run %1 cells").arg(2 * seedCount * (strengths.count(u' ') + 1) + (before == 0 ? 2 : 0));
    const auto queued = [&] { return session().runs().size() == before + 1; };
    const auto ready = [&] { return buttonWith(m_window.get(), cells) && m_window->actions().at(ActionId::Run)->isEnabled(); };
    if (!QTest::qWaitFor(ready, kLongMs))
        return {};
    m_window->actions().at(ActionId::Run)->trigger();
    if (!QTest::qWaitFor(queued, kLongMs))
        return {};
    return QString::fromStdString(session().runs().back().id);
}

void WindowTrainingTest::saysThatThereIsNoRun() {
    QCOMPARE(m_window->actions().at(ActionId::ShowTraining)->shortcut(), QKeySequence(QStringLiteral("Ctrl+6")));
    m_window->actions().at(ActionId::ShowTraining)->trigger();
    QVERIFY(m_page->isVisible());
    QTRY_VERIFY(sentence().contains(QStringLiteral("No run yet")));
    QVERIFY(!m_page->hasFigure() && !checkpoints()->isEnabled());
    QVERIFY(!m_window->actions().at(ActionId::Export)->isEnabled());
}

void WindowTrainingTest::drawsEveryRateOfAFinishedRun() {
    m_first = start(QStringLiteral("Fine-tuning"), "Learning rates", QStringLiteral("0.002 0.004 1"), "Fine-tuning seeds", 2, 4);
    QVERIFY(!m_first.isEmpty());
    QTRY_VERIFY_WITH_TIMEOUT(run(m_first) && run(m_first)->state == study::RunState::Done, kLongMs);
    QTRY_COMPARE_WITH_TIMEOUT(checkpoints()->count(), 2, kLongMs);
    QCOMPARE(rates()->count(), 4); // all, and each
    QCOMPARE(seeds()->count(), 2);
    choose(checkpoints(), 0);
    choose(seeds(), 0);
    QTRY_VERIFY_WITH_TIMEOUT(m_page->hasFigure() && m_page->figure().panels.front().curves.size() == 3, kLongMs);
    QTRY_COMPARE_WITH_TIMEOUT(losses(0.002), logged(0, 0.002, 1), kLongMs);
    QVERIFY(losses(0.002).size() >= 4);
    QCOMPARE(losses(0.004), logged(0, 0.004, 1));
    QVERIFY(losses(0.002).back() < losses(0.002).front());
    QTRY_VERIFY(m_page->grid()->isUpToDate());
    QCOMPARE(m_page->grid()->panels().size(), std::size_t(3));
    QVERIFY(m_window->actions().at(ActionId::Export)->isEnabled());
    // At a rate of 1 nothing is left to train after a step or a few: the curve ends where that was.
    const analysis::FigurePanel& loss = m_page->figure().panels.front();
    QVERIFY2(std::any_of(loss.notes.begin(), loss.notes.end(),
                         [](const std::string& note) { return note.find("diverged at step") != std::string::npos; }),
             loss.notes.empty() ? "no note" : loss.notes.front().c_str());
    QCOMPARE(losses(1).size() + 1, logged(0, 1, 1).size());
}

void WindowTrainingTest::switchesCheckpointRateAndSeed() {
    const std::vector<double> before = losses(0.002);
    choose(checkpoints(), 1);
    QTRY_COMPARE_WITH_TIMEOUT(losses(0.002), logged(1, 0.002, 1), kLongMs);
    QVERIFY(losses(0.002) != before);
    choose(rates(), 2);
    QTRY_COMPARE_WITH_TIMEOUT(m_page->figure().panels.front().curves.size(), std::size_t(1), kLongMs);
    QCOMPARE(losses(0.004), logged(1, 0.004, 1));
    choose(seeds(), 1);
    QTRY_COMPARE_WITH_TIMEOUT(losses(0.004), logged(1, 0.004, 2), kLongMs);
    QVERIFY(losses(0.004) != logged(1, 0.004, 1));
    QCOMPARE(checkpoints()->currentIndex(), 1);
}

void WindowTrainingTest::isExported() {
    m_window->actions().at(ActionId::Export)->trigger();
    auto* dialog = m_window->findChild<ExportDialog*>();
    QVERIFY(dialog);
    named<QLineEdit>(dialog, QStringLiteral("Folder"))->setText(m_dir.path());
    named<QLineEdit>(dialog, QStringLiteral("File name without ending"))->setText(QStringLiteral("curves"));
    for (QCheckBox* format : dialog->findChildren<QCheckBox*>())
        format->setChecked(format->text().size() == 3);
    buttonWith(dialog, QStringLiteral("Export"))->click();
    for (const char* ending : {"pdf", "svg", "png", "csv", "tex"}) {
        const QString path = m_dir.filePath(QStringLiteral("curves.") + QString::fromLatin1(ending));
        QTRY_VERIFY2_WITH_TIMEOUT(QFile::exists(path), ending, kLongMs);
        const auto record = readFigureRecord(path);
        QVERIFY2(record.has_value(), ending);
        const std::string command = (*record)["provenance"]["command"].get<std::string>();
        QVERIFY2(command.find(" --figure training --checkpoint sample/") != std::string::npos &&
                     command.find(" --seed 2 --strength 0.004") != std::string::npos,
                 command.c_str());
        QVERIFY(explainRecord(*record, "curves").find("Gradient norm") != std::string::npos);
    }
    const auto rowsOf = [this](const QString& name) {
        QFile csv(m_dir.filePath(name));
        QList<QByteArray> rows;
        if (csv.open(QIODevice::ReadOnly))
            for (const QByteArray& line : csv.readAll().split('\n'))
                if (line.startsWith("1,") || line.startsWith("2,") || line.startsWith("3,")) // of the panels
                    rows << line;
        return rows;
    };
    QCOMPARE(rowsOf(QStringLiteral("curves.csv")).size(), static_cast<qsizetype>(3 * logged(1, 0.004, 2).size()));
    QProcess command; // draws the same again
    const std::string name = session().probeView().results->plan.checkpoints[1].name;
    command.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest"),
                  {QStringLiteral("export"), session().folder(), QStringLiteral("--run"), m_first, QStringLiteral("--figure"),
                   QStringLiteral("training"), QStringLiteral("--checkpoint"), QString::fromStdString(name), QStringLiteral("--seed"),
                   QStringLiteral("2"), QStringLiteral("--strength"), QStringLiteral("0.004"), QStringLiteral("-o"),
                   m_dir.filePath(QStringLiteral("again.csv"))});
    QVERIFY(command.waitForFinished(kLongMs));
    QVERIFY2(command.exitCode() == 0, command.readAllStandardError().constData());
    QCOMPARE(rowsOf(QStringLiteral("again.csv")), rowsOf(QStringLiteral("curves.csv")));
    QTRY_VERIFY_WITH_TIMEOUT(!m_window->findChild<ExportDialog*>() || !dialog->isVisible(), kLongMs);
}

void WindowTrainingTest::growsWhileItRuns() {
    choose(rates(), 0);
    const QString id = start(QStringLiteral("Fine-tuning"), "Learning rates", QStringLiteral("0.003"), "Fine-tuning seeds", 1, 1000);
    QVERIFY(!id.isEmpty());
    auto* follow = m_page->findChild<QCheckBox*>();
    QTRY_VERIFY_WITH_TIMEOUT(follow->isVisible() && follow->isChecked(), kLongMs);
    std::set<std::size_t> sizes; // of the curve, as it was seen
    connect(m_page, &TrainingPage::figureChanged, this, [&] {
        if (session().shownRun() == id && !losses(0.003).empty())
            sizes.insert(losses(0.003).size());
    });
    QTRY_VERIFY_WITH_TIMEOUT(sizes.size() >= 3, kLongMs);
    QVERIFY(run(id)->state == study::RunState::Running);
    const std::vector<std::string> notes = m_page->figure().panels.front().notes;
    QVERIFY(std::any_of(notes.begin(), notes.end(), [](const std::string& note) { return note.find(": step ") != std::string::npos; }));
    m_window->actions().at(ActionId::StopNow)->trigger();
    QTRY_VERIFY_WITH_TIMEOUT(run(id)->state == study::RunState::Stopped, kLongMs);
    disconnect(m_page, &TrainingPage::figureChanged, this, nullptr);
    QTRY_VERIFY(!follow->isVisible());
    QTRY_COMPARE_WITH_TIMEOUT(losses(0.003), logged(checkpoints()->currentIndex(), 0.003, 1), kLongMs); // what is done is kept
}

void WindowTrainingTest::isOfferedForTrainingsOnly() {
    const QString id = start(QStringLiteral("Gaussian noise"), "Gammas", QStringLiteral("0.05"), "Noise draws", 1, 0);
    QVERIFY(!id.isEmpty());
    QTRY_VERIFY_WITH_TIMEOUT(sentence().contains(QStringLiteral("trains nothing")), kLongMs);
    QTRY_VERIFY(!m_page->hasFigure() && !checkpoints()->isEnabled());
    QVERIFY(!m_window->actions().at(ActionId::Export)->isEnabled());
    QTRY_VERIFY_WITH_TIMEOUT(run(id)->state == study::RunState::Done, kLongMs);
    session().showRun(m_first);
    QTRY_VERIFY_WITH_TIMEOUT(m_page->hasFigure() && losses(0.002) == logged(0, 0.002, 1), kLongMs);
}

/// In the dock, before anything runs: what is trained already, and what is trained once more since its weights are gone.
void WindowTrainingTest::aTaskAddedLaterIsPriced() {
    study::Probe probe;
    for (const study::Probe& one : session().study().probes)
        if (one.kind == study::kFineTuning)
            probe = one;
    QCOMPARE(probe.kind, std::string(study::kFineTuning));
    probe.name = "kept", probe.strengths = {0.002, 0.004}, probe.firstSeed = probe.seeds = 1;
    probe.tasks = {{"definitions", study::Role::InDistribution}};
    probe.settings["training"]["epochs"] = 1;
    probe.settings["keep_bytes"] = 100'000'000;
    session().setProbe(probe);
    const auto ready = [&] { return buttonWith(m_window.get(), QStringLiteral("Run 4 cells")) && m_window->actions().at(ActionId::Run)->isEnabled(); };
    QTRY_VERIFY_WITH_TIMEOUT(ready(), kLongMs);
    const auto before = session().runs().size();
    m_window->actions().at(ActionId::Run)->trigger();
    QTRY_VERIFY_WITH_TIMEOUT(session().runs().size() == before + 1 && session().runs().back().state == study::RunState::Done, kLongMs);

    const auto isSaid = [this](const QString& words) {
        const auto labels = m_window->findChildren<QLabel*>();
        return std::any_of(labels.begin(), labels.end(), [&](const QLabel* one) { return one->isVisible() && one->text().contains(words); });
    };
    study::Task later;
    later.name = "later", later.textsPath = CREST_SOURCE_DIR "/resources/sample/texts/glosses.jsonl";
    later.windowTokens = later.strideTokens = 64, later.maxWindows = 4;
    session().addTask(later);
    probe.tasks.push_back({"later", study::Role::OutOfDistribution});
    session().setProbe(probe);
    QTRY_VERIFY_WITH_TIMEOUT(isSaid(QStringLiteral("0 trainings, 4 kept\nabout")), kLongMs);
    QVERIFY(QDir(session().folder() + QStringLiteral("/artifacts/tuned")).removeRecursively());
    probe.name = "kept no more";
    session().setProbe(probe);
    QTRY_VERIFY_WITH_TIMEOUT(isSaid(QStringLiteral("4 trainings\n4 were done before, and the weights are gone\nabout")), kLongMs);
}

/// Kept where $CREST_SHOTS names a folder, to be looked at.
void WindowTrainingTest::followsTheTheme() {
    session().showRun(m_first); // done: said in a colour of its own
    const auto* runs = m_window->findChild<QDockWidget*>(QStringLiteral("runsDock"));
    const auto* probe = m_window->findChild<QDockWidget*>(QStringLiteral("probeDock"));
    const auto hasLabel = [](const QWidget* dock, const QString& text, const QColor& color) {
        const auto labels = dock->findChildren<QLabel*>();
        return std::any_of(labels.begin(), labels.end(), [&](const QLabel* one) {
            return (text.isEmpty() || one->text() == text) && one->palette().color(QPalette::WindowText) == color;
        });
    };
    QColor grounds[2];
    int i = 0;
    for (const auto& [theme, name] : {std::pair(Theme::Light, "light"), std::pair(Theme::Dark, "dark")}) {
        applyTheme(*qApp, theme);
        QTRY_VERIFY(m_page->grid()->isUpToDate());
        QTest::qWait(300);
        QVERIFY(hasLabel(runs, runStateText(study::RunState::Done), runStateColor(study::RunState::Done, runs->palette())));
        QVERIFY(hasLabel(probe, {}, stateColors(probe->palette()).bad));
        const QPixmap shot = m_window->grab();
        grounds[i++] = m_page->grid()->grab().toImage().pixelColor(2, 2);
        if (const QString folder = qEnvironmentVariable("CREST_SHOTS"); !folder.isEmpty())
            QVERIFY(shot.save(folder + QStringLiteral("/training-%1.png").arg(QLatin1String(name))));
    }
    QVERIFY(grounds[0].lightnessF() > 0.8 && grounds[1].lightnessF() < 0.3);
}

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    qputenv("CREST_RUN", CREST_BINARY_DIR "/bin/crest-run");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    WindowTrainingTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_training.moc"
