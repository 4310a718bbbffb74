// SPDX-License-Identifier: GPL-3.0-or-later
// Points of others by clicks: imported from a file and from the papers, seen in figure, legend and export, taken back by
// undo, kept with the study.
#include <QDir>
#include <QFile>
#include <QLabel>
#include <QMenu>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>

#include "core/study/study_folder.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/charts/figure_export.h"
#include "ui/charts/figure_origin.h"
#include "ui/data/format.h"
#include "ui/dialogs/overlays_dialog.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"

using namespace crest;
using namespace crest::ui;
using crest::test::buttonWith;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;

/// A window on the fixture's series whose one probe has run.
std::unique_ptr<MainWindow> measuredWindow(const test::SeriesFixture& fixture) {
    auto window = std::make_unique<MainWindow>();
    window->show();
    if (!QTest::qWaitForWindowExposed(window.get()))
        return {};
    test::dropFolder(window.get(), fixture.seriesFolder);
    if (!QTest::qWaitFor([&] { return window->session().series().size() == 1; }, kLongMs))
        return {};
    study::Task text;
    text.name = "heldout";
    text.textsPath = fixture.textFile.toStdString();
    text.windowTokens = text.strideTokens = 16;
    text.maxWindows = 8;
    study::Probe probe;
    probe.name = "noise";
    probe.series = window->session().series().front().name;
    probe.strengths = {0.4};
    probe.seeds = 2;
    probe.noiseScale = study::NoiseScale::TensorRms;
    probe.tasks = {{"heldout", study::Role::InDistribution}};
    window->session().addTasks({text}, probe);
    QPushButton* run = nullptr;
    if (!QTest::qWaitFor([&] { return (run = buttonWith(window.get(), QStringLiteral("Run "))) != nullptr && run->isEnabled(); },
                         kLongMs))
        return {};
    QTest::mouseClick(run, Qt::LeftButton);
    if (!QTest::qWaitFor([&] { return window->findChild<CurvesPage*>()->hasFigure(); }, kLongMs))
        return {};
    return window;
}

const analysis::FigureCurve* guestOf(MainWindow& window) {
    const analysis::Figure& figure = window.findChild<CurvesPage*>()->figure();
    if (!figure.panels.empty())
        for (const analysis::FigureCurve& curve : figure.panels.front().curves)
            if (curve.dotted)
                return &curve;
    return nullptr;
}

} // namespace

class OverlaysWindowTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void importedSeenExportedTakenBack();
    void thePapersPointsAreOffered();
};

void OverlaysWindowTest::importedSeenExportedTakenBack() {
    test::SeriesFixture fixture;
    fixture.useRunner(0);
    const QString points = fixture.dir.filePath(QStringLiteral("points.csv"));
    QFile file(points);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("# source: somebody's table\ntask,metric,curve,tokens,value,low,high\nheldout,loss,theirs,2M,4.5,4.4,4.6\n"
               "heldout,loss,theirs,128M,3.5,,\nheldout,loss,theirs,oops,3.5,,\n");
    file.close();
    auto window = measuredWindow(fixture);
    QVERIFY(window);
    window->actions().at(ActionId::ImportOverlay)->trigger();
    auto* dialog = window->findChild<OverlaysDialog*>();
    QVERIFY(dialog && dialog->isVisible());
    dialog->importFiles({points});
    auto* said = named<QLabel>(dialog, QStringLiteral("What the import brought"));
    QTRY_VERIFY_WITH_TIMEOUT(said->text().contains(QStringLiteral("2 points of 1 curve.")), kLongMs);
    QVERIFY2(said->text().contains(QStringLiteral("Drawn over: heldout. 1 left out")), qPrintable(said->text()));
    QVERIFY(named<QPlainTextEdit>(dialog, QStringLiteral("What was left out"))
                ->toPlainText()
                .contains(QStringLiteral("points.csv, line 5: \"oops\" is no number of tokens")));
    auto* table = named<QTableView>(dialog, QStringLiteral("Overlays"));
    QCOMPARE(table->model()->rowCount(), 1);
    QTRY_VERIFY_WITH_TIMEOUT(guestOf(*window) != nullptr, kLongMs);
    QCOMPARE(guestOf(*window)->label, std::string("theirs"));
    QCOMPARE(guestOf(*window)->segments.front().size(), 2u);
    PanelGrid* grid = window->findChild<CurvesPage*>()->grid();
    QTRY_VERIFY(grid->legend()->button(guestOf(*window)->id) != nullptr);

    // In every export, with where it is from.
    ExportOptions options;
    options.format = FigureFormat::Csv;
    const auto csv = renderFigure(window->findChild<CurvesPage*>()->figureForExport(), options);
    QVERIFY(csv && csv->contains("theirs,2000000,4.5,4.4,4.6"));
    const QString exported = fixture.dir.filePath(QStringLiteral("figure.csv"));
    QFile out(exported);
    QVERIFY(out.open(QIODevice::WriteOnly) && out.write(*csv) == csv->size());
    out.close();
    const auto record = readFigureRecord(exported);
    QVERIFY(record.has_value());
    QVERIFY(explainRecord(*record, "figure.csv").find("somebody's table") != std::string::npos);

    // Removed and brought back.
    table->selectRow(0);
    QTest::mouseClick(buttonWith(dialog, QStringLiteral("&Remove")), Qt::LeftButton);
    QTRY_COMPARE(table->model()->rowCount(), 0);
    QTRY_VERIFY_WITH_TIMEOUT(guestOf(*window) == nullptr, kLongMs);
    window->actions().at(ActionId::Undo)->trigger();
    QTRY_COMPARE(table->model()->rowCount(), 1);
    QTRY_VERIFY_WITH_TIMEOUT(guestOf(*window) != nullptr, kLongMs);

    // Kept with the study: the file may go.
    const QString folder = window->session().folder();
    QVERIFY(QFile::remove(points));
    window.reset();
    const auto stored = study::StudyFolder::open(folder.toStdString());
    QVERIFY(stored.has_value());
    QCOMPARE(stored->study().overlays.size(), 1u);
    QCOMPARE(stored->study().overlays[0].source, std::string("somebody's table"));
}

void OverlaysWindowTest::thePapersPointsAreOffered() {
    test::SeriesFixture fixture;
    fixture.useRunner(0);
    MainWindow window;
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    QVERIFY(!window.actions().at(ActionId::ImportOverlay)->isEnabled());
    test::dropFolder(&window, fixture.seriesFolder);
    QTRY_VERIFY_WITH_TIMEOUT(window.actions().at(ActionId::ImportOverlay)->isEnabled(), kLongMs);
    window.actions().at(ActionId::ImportOverlay)->trigger();
    auto* dialog = window.findChild<OverlaysDialog*>();
    QPushButton* papers = buttonWith(dialog, QStringLiteral("From the"));
    QVERIFY(papers && papers->menu() && papers->menu()->actions().size() >= 4);
    for (QAction* action : papers->menu()->actions())
        if (action->text().contains(QStringLiteral("figure 6")))
            action->trigger();
    auto* said = named<QLabel>(dialog, QStringLiteral("What the import brought"));
    QTRY_VERIFY_WITH_TIMEOUT(said->text().contains(QStringLiteral("72 points of 12 curves")), kLongMs);
    // Nothing is silently not there: the study has none of these tasks.
    QVERIFY2(said->text().contains(QStringLiteral("none: this study has no task c4")), qPrintable(said->text()));
}

int main(int argc, char** argv) {
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    test::WatchedApplication application(argc, argv);
    OverlaysWindowTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_overlays.moc"
