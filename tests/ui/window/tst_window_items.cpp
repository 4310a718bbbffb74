// SPDX-License-Identifier: GPL-3.0-or-later
// The pages of a base evaluation on results of the pretending runner, whose suites have no data: curves by metric, items
// (numbers without their texts), samples, and what the pages say; never longer than 50 ms in one event.
#include <QAction>
#include <QClipboard>
#include <QComboBox>
#include <QDir>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QScrollBar>
#include <QTabWidget>
#include <QTableView>
#include <QTest>
#include <QTextBrowser>

#include "core/run/executor.h"
#include "core/study/runs.h"
#include "tests/support/pretend_runner.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/data/items_model.h"
#include "ui/data/probe_loading.h"
#include "ui/data/samples_model.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/items_page.h"
#include "ui/pages/samples_page.h"

using namespace crest;
using namespace crest::ui;
using crest::test::choose;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;

/// A study of the shape, run to its end in this process.
std::string measuredStudy(const QString& folder, const pretend::Shape& shape) {
    const auto made = study::StudyFolder::create(folder.toStdString(), pretend::makeStudy(shape));
    if (!made)
        return made.error().text();
    if (const auto queued = study::queueRun(*made, pretend::makePlan(shape)); !queued)
        return queued.error().text();
    run::WorkOptions options;
    options.workers = 2;
    options.threadsPerWorker = 1;
    const auto done = run::workStudy(*made, options, pretend::makeFactory({}), {});
    return done ? "" : done.error().text();
}

struct Opened {
    QTemporaryDir dir;
    std::unique_ptr<MainWindow> window;

    explicit Opened(const pretend::Shape& shape) {
        const QString folder = dir.filePath(QStringLiteral("study"));
        const std::string problem = measuredStudy(folder, shape);
        if (!problem.empty())
            qWarning("%s", problem.c_str());
        window = std::make_unique<MainWindow>();
        window->show();
        if (QTest::qWaitForWindowExposed(window.get()))
            window->session().open(folder);
    }
    template<class T> T* page() const { return window->findChild<T*>(); }
};

pretend::Shape evaluation() {
    pretend::Shape shape;
    shape.checkpoints = 6;
    shape.tasks = 0;
    shape.suiteTasks = 3; // multiple choice, perplexity, generation
    shape.items = 40;
    shape.baseOnly = true;
    return shape;
}

} // namespace

class ItemsWindowTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void curvesOfABaseEvaluation();
    void itemsOfEveryCheckpoint();
    void itemsUnderNoise();
    void samplesSideBySide();
    void withoutSuitesThePagesSaySo();
    void manyItemsScroll();
};

void ItemsWindowTest::curvesOfABaseEvaluation() {
    Opened opened(evaluation());
    auto* curves = opened.page<CurvesPage>();
    QTRY_VERIFY_WITH_TIMEOUT(curves->hasFigure() && curves->figure().panels.size() == 2, kLongMs);
    for (const analysis::FigurePanel& panel : curves->figure().panels) {
        QCOMPARE(panel.curves.size(), 1u);
        QCOMPARE(panel.curves[0].segments.at(0).size(), 6u);
    }
    auto* metric = named<QComboBox>(curves, QStringLiteral("Metric of the tasks of suites"));
    QTRY_VERIFY(metric->isVisible());
    const int norm = metric->findText(QStringLiteral("acc_norm"));
    QVERIFY2(norm > 0, "the pretended multiple choice has acc and acc_norm");
    choose(metric, norm);
    QTRY_VERIFY_WITH_TIMEOUT(curves->figure().panels[0].title.ends_with("acc_norm"), kLongMs);
    QVERIFY(curves->figure().provenance.find("--metric acc_norm") != std::string::npos);
    // What `crest export --metric acc_norm` draws is what is seen.
    const auto folder = study::StudyFolder::open(opened.window->session().folder().toStdString());
    const auto results = folder ? loadProbeResults(*folder, {}) : Result<analysis::ProbeResults>(fail(folder.error()));
    QVERIFY(results.has_value());
    analysis::FigureOptions options;
    options.metric = "acc_norm";
    const auto exported = analysis::curvesFigure(*results, options, {});
    QVERIFY(exported && exported->panels.size() == curves->figure().panels.size());
    for (std::size_t i = 0; i < 6; ++i)
        QCOMPARE(exported->panels[0].curves[0].segments[0][i].y, curves->figure().panels[0].curves[0].segments[0][i].y);
    bool chance = false;
    for (const analysis::FigurePanel& panel : curves->figure().panels)
        chance = chance || !panel.lines.empty();
    QVERIFY(chance);
}

void ItemsWindowTest::itemsOfEveryCheckpoint() {
    Opened opened(evaluation());
    QTRY_VERIFY_WITH_TIMEOUT(opened.page<CurvesPage>()->hasFigure(), kLongMs);
    opened.window->actions().at(ActionId::ShowItems)->trigger();
    auto* page = opened.page<ItemsPage>();
    auto* table = named<QTableView>(page, QStringLiteral("Items by checkpoint"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 40, kLongMs);
    QCOMPARE(table->model()->columnCount(), ItemsModel::FixedColumns + 6);
    // The data were never there: the numbers are, and the page says why the texts are not.
    auto* detail = named<QTextBrowser>(page, QStringLiteral("The item in full"));
    table->setCurrentIndex(table->model()->index(3, ItemsModel::FixedColumns + 5));
    QTRY_VERIFY_WITH_TIMEOUT(detail->toPlainText().contains(QStringLiteral("log-likelihood")), kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(!detail->toPlainText().contains(QStringLiteral("Reading the task's data")), kLongMs);
    QVERIFY2(detail->toPlainText().indexOf(QStringLiteral("At ")) > 10, qPrintable(detail->toPlainText()));
    // A filter, and what it says.
    auto* kind = named<QComboBox>(page, QStringLiteral("Which items are shown"));
    auto* summary = named<QLabel>(page, QStringLiteral("Summary of the items"));
    choose(kind, kind->findText(QStringLiteral("learned")));
    const int learned = table->model()->rowCount();
    QVERIFY2(summary->text().contains(QStringLiteral("%1 learned").arg(learned)), qPrintable(summary->text()));
    choose(kind, 0);
    table->actions().constFirst()->trigger(); // Ctrl+C
    const QString copied = QGuiApplication::clipboard()->text();
    QCOMPARE(copied.count(u'\n'), 40);
    QVERIFY(copied.contains(QStringLiteral("\tright ")) && copied.contains(QStringLiteral("\twrong ")));
    // Another task: documents have no right and wrong.
    auto* task = named<QComboBox>(page, QStringLiteral("Task whose items are shown"));
    choose(task, 1);
    QTRY_VERIFY_WITH_TIMEOUT(table->isColumnHidden(ItemsModel::Learned), kLongMs);
}

void ItemsWindowTest::itemsUnderNoise() {
    pretend::Shape shape = evaluation();
    shape.baseOnly = false;
    shape.strengths = {0.1, 0.3};
    shape.seeds = 4;
    Opened opened(shape);
    QTRY_VERIFY_WITH_TIMEOUT(opened.page<CurvesPage>()->hasFigure(), kLongMs);
    opened.window->actions().at(ActionId::ShowItems)->trigger();
    auto* page = opened.page<ItemsPage>();
    auto* table = named<QTableView>(page, QStringLiteral("Items by checkpoint"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 40, kLongMs);
    auto* strength = named<QComboBox>(page, QStringLiteral("Modification to compare the base with"));
    QVERIFY(strength->isVisible());
    choose(strength, 2);
    const auto cell = [&] { return table->model()->index(0, ItemsModel::FixedColumns).data().toString(); };
    QTRY_VERIFY_WITH_TIMEOUT(cell().endsWith(QStringLiteral(" %")), kLongMs);
    auto* summary = named<QLabel>(page, QStringLiteral("Summary of the items"));
    QVERIFY(summary->text().contains(QStringLiteral("lost")));
}

void ItemsWindowTest::samplesSideBySide() {
    Opened opened(evaluation());
    QTRY_VERIFY_WITH_TIMEOUT(opened.page<CurvesPage>()->hasFigure(), kLongMs);
    opened.window->actions().at(ActionId::ShowSamples)->trigger();
    auto* page = opened.page<SamplesPage>();
    auto* task = named<QComboBox>(page, QStringLiteral("Task whose samples are shown"));
    auto* table = named<QTableView>(page, QStringLiteral("Continuations by checkpoint"));
    QTRY_VERIFY_WITH_TIMEOUT(task->count() > 0, kLongMs);
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 40, kLongMs);
    QCOMPARE(table->model()->columnCount(), SamplesModel::FixedColumns + 6);
    const QString written = table->model()->index(0, SamplesModel::FixedColumns).data().toString().section(u'\n', 0, 0);
    QCOMPARE(written, QStringLiteral("answer 0")); // line breaks and zeros follow
    auto* reading = named<QTextBrowser>(page, QStringLiteral("One prompt, from checkpoint to checkpoint"));
    QTRY_VERIFY_WITH_TIMEOUT(reading->toPlainText().contains(written), kLongMs);
    table->setCurrentIndex(table->model()->index(0, SamplesModel::FixedColumns));
    QTest::keyClick(table, Qt::Key_C, Qt::ControlModifier);
    QVERIFY(QGuiApplication::clipboard()->text().startsWith(written));
}

void ItemsWindowTest::withoutSuitesThePagesSaySo() {
    pretend::Shape shape;
    shape.checkpoints = 2;
    Opened opened(shape);
    QTRY_VERIFY_WITH_TIMEOUT(opened.page<CurvesPage>()->hasFigure(), kLongMs);
    QVERIFY(!named<QComboBox>(opened.page<CurvesPage>(), QStringLiteral("Metric of the tasks of suites"))->isVisible());
    for (const ActionId id : {ActionId::ShowItems, ActionId::ShowSamples}) {
        opened.window->actions().at(id)->trigger();
        QWidget* page = opened.window->findChild<QTabWidget*>()->currentWidget();
        bool said = false;
        for (const QLabel* label : page->findChildren<QLabel*>())
            said = said || (label->isVisible() && label->text().contains(QStringLiteral("Add ")));
        QVERIFY(said);
        for (const QTableView* table : page->findChildren<QTableView*>())
            QVERIFY(!table->isVisible());
    }
}

void ItemsWindowTest::manyItemsScroll() {
    pretend::Shape shape = evaluation();
    shape.checkpoints = 12;
    shape.suiteTasks = 1;
    shape.items = 10'000;
    Opened opened(shape);
    QTRY_VERIFY_WITH_TIMEOUT(opened.page<CurvesPage>()->hasFigure(), kLongMs);
    auto* watched = static_cast<test::WatchedApplication*>(qApp);
    opened.window->actions().at(ActionId::ShowItems)->trigger();
    auto* table = named<QTableView>(opened.page<ItemsPage>(), QStringLiteral("Items by checkpoint"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 10'000, kLongMs);
    watched->startWatching();
    for (int step = 0; step <= 40; ++step) {
        table->verticalScrollBar()->setValue(table->verticalScrollBar()->maximum() * step / 40);
        QTest::qWait(5);
    }
    table->horizontalHeader()->setSortIndicator(ItemsModel::Learned, Qt::AscendingOrder);
    QTest::qWait(50);
    qInfo("longest event while scrolling 10^4 items: %.1f ms, %.1f ms of processor (%s)", watched->longestWallMs(),
          watched->longestCpuMs(), qPrintable(watched->longestWhat()));
    QVERIFY2(watched->longestCpuMs() < 50, qPrintable(watched->longestWhat()));
}

int main(int argc, char** argv) {
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    test::WatchedApplication application(argc, argv);
    ItemsWindowTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_items.moc"
