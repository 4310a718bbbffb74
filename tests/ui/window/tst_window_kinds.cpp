// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of probe in the window, on the sample series: which fields they have, what a plan of them holds, and fine-tuning data
// from a file to a run that a real runner finishes.
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QSignalSpy>
#include <QTextBrowser>
#include <QTextCursor>
#include <QTextDocument>
#include <QToolButton>
#include <QTreeView>
#include <QtTest>

#include "core/study/finer_rates.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"
#include "ui/window/icons.h"

using namespace crest;
using namespace crest::ui;
using crest::test::buttonWith;
using crest::test::choose;
using crest::test::isSaid;
using crest::test::named;
using crest::test::smallSeries;
using crest::test::typeOver;

namespace {

constexpr int kLongMs = 60'000;

/// 60 rows.
QString writeDefinitions(const QTemporaryDir& dir) {
    QFile file(dir.filePath(QStringLiteral("definitions.jsonl")));
    if (file.open(QIODevice::WriteOnly))
        for (int i = 0; i < 60; ++i)
            file.write("{\"prompt\": \"thing number " + QByteArray::number(i) + ":\", \"completion\": \" a small thing of wood\"}\n");
    return file.fileName();
}

bool says(const QWidget* parent, const char* part) {
    for (const QLabel* label : parent->findChildren<QLabel*>())
        if (label->text().contains(QLatin1String(part)))
            return true;
    return false;
}

} // namespace

class WindowKindsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() {
        m_window = std::make_unique<MainWindow>();
        m_window->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    }
    /// The sample's study is a new one for each.
    void cleanup() {
        m_window.reset();
        QDir(qEnvironmentVariable("XDG_DATA_HOME")).removeRecursively();
    }

    void everyKindPlansOnTheSample();
    void theSeriesIsChosenInItsTree();
    void dataAreLookedAtFirst();
    void allRowsAreCounted();
    void fineTuningFromAFileToCurves();

private:
    std::unique_ptr<MainWindow> m_window;

    void finerAroundTheBest();
    std::filesystem::path firstCheckpoint() const { return m_window->session().series().front().checkpoints.front().path; }
    QComboBox* kind() const { return named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe")); }
    const study::Probe& probe() const { return m_window->findChild<ProbeDock*>()->probe(); }
    bool isShown(const QString& field) const {
        const QWidget* widget = named<QWidget>(m_window.get(), field);
        return widget && widget->isVisible();
    }
};

void WindowKindsTest::everyKindPlansOnTheSample() {
    m_window->actions().at(ActionId::OpenSample)->trigger();
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const auto checkpoints = static_cast<int>(m_window->session().series().front().checkpoints.size());
    const auto planned = [&](int strengths, int seeds) {
        const QString text = QStringLiteral("Run %1 cells").arg(checkpoints * (1 + strengths * std::max(1, seeds)));
        return QTest::qWaitFor([&] { return buttonWith(m_window.get(), text) != nullptr; }, kLongMs);
    };
    QVERIFY(planned(5, 16)); // noise

    choose(kind(), QStringLiteral("Quantisation"));
    QVERIFY(isShown(QStringLiteral("Weights in a group")) && !isShown(QStringLiteral("Noise draws")));
    QVERIFY(planned(4, 0));
    auto* bits = named<QLineEdit>(m_window.get(), QStringLiteral("Bits"));
    QVERIFY(bits);
    bits->setText(QStringLiteral("4 9"));
    Q_EMIT bits->textEdited(bits->text());
    QVERIFY(buttonWith(m_window.get(), QStringLiteral("Run")) && !buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled());

    choose(kind(), QStringLiteral("Pruning"));
    QVERIFY(planned(6, 0));
    choose(kind(), QStringLiteral("Fine-tuning"));
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    for (const char* field : {"Fine-tuning data", "Learning rates", "Fine-tuning seeds", "Epochs", "Examples in a batch"}) {
        const QWidget* widget = named<QWidget>(m_window.get(), QString::fromLatin1(field));
        QTRY_VERIFY2(widget && widget->isVisible() && widget->height() >= 16 && widget->width() >= 40, field);
    }
    QCOMPARE(data->count(), 2); // that ship with the sample
    QVERIFY(planned(5, 3));
    QCOMPARE(probe().tasks.front().task, data->currentText().toStdString());
    QCOMPARE(probe().tasks.front().role, study::Role::InDistribution);
    choose(data, data->itemText(1)); // is measured as soon as it is trained on
    QTRY_VERIFY(std::any_of(probe().tasks.begin(), probe().tasks.end(), [&](const study::TaskInProbe& one) {
        return one.task == data->currentText().toStdString() && one.role == study::Role::InDistribution;
    }));
    // What was trained on before is no ID task any more: the rate would be chosen by the mean of both.
    QCOMPARE(std::count_if(probe().tasks.begin(), probe().tasks.end(), [](const auto& one) { return one.role == study::Role::InDistribution; }), 1);
    auto* rank = named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"));
    QVERIFY(rank && rank->isVisible());
    rank->setValue(4);
    QTRY_COMPARE(probe().settings["training"].value("lora_rank", 0), 4);
    QVERIFY(planned(5, 3));
    rank->setValue(0); // all that is said of adapters goes, so that results of full tuning are found again
    QTRY_VERIFY(!probe().settings["training"].contains("lora_rank"));

    choose(kind(), QStringLiteral("Interpolation"));
    auto* rate = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rate"));
    QTRY_VERIFY(rate && rate->isVisible() && data->isVisible() && rate->height() >= 16);
    QVERIFY(planned(4, 3));
    rate->setText(QStringLiteral("0.001 0.002"));
    Q_EMIT rate->textEdited(rate->text());
    QVERIFY(!buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled());
    rate->setText(QStringLiteral("0.001"));
    Q_EMIT rate->textEdited(rate->text());
    QTRY_COMPARE(probe().settings.value("learning_rate", 0.0), 0.001);
    QVERIFY(planned(4, 3));
    choose(kind(), QStringLiteral("Gaussian noise"));
    QVERIFY(!rate->isVisible() && !data->isVisible() && isShown(QStringLiteral("Noise draws")));
}

/// What is chosen in the Probe dock after that stays, whatever is learned of the series.
void WindowKindsTest::theSeriesIsChosenInItsTree() {
    QTemporaryDir dir;
    unsigned weights = 0;
    for (const char* place : {"apple/step10", "apple/step20", "pear/step10", "pear/step30"})
        QVERIFY(test::makeCheckpoint(std::filesystem::path(dir.path().toStdString()) / place, test::tinySpec(), ++weights));
    test::dropFolder(m_window.get(), dir.path());
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(2), kLongMs);
    auto* tree = named<QTreeView>(m_window.get(), QStringLiteral("Checkpoints"));
    auto* series = named<QComboBox>(m_window.get(), QStringLiteral("Series"));
    QTRY_COMPARE(series->currentText(), QStringLiteral("apple"));
    tree->collapseAll();
    QTest::mouseClick(tree->viewport(), Qt::LeftButton, {}, tree->visualRect(tree->model()->index(1, 0)).center());
    QCOMPARE(series->currentText(), QStringLiteral("pear"));
    QCOMPARE(probe().series, std::string("pear"));
    choose(series, QStringLiteral("apple"));
    QSignalSpy changed(&m_window->session(), &StudySession::seriesChanged);
    m_window->session().rescan();
    QVERIFY(changed.wait(kLongMs));
    QCOMPARE(series->currentText(), QStringLiteral("apple"));
    tree->setFocus();
    QTest::keyClick(tree, Qt::Key_Up);
    QTest::keyClick(tree, Qt::Key_Down);
    QCOMPARE(series->currentText(), QStringLiteral("pear"));
}

/// How long they are; what becomes of long ones, which rows are held out and how many are trained on is asked for.
void WindowKindsTest::dataAreLookedAtFirst() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const auto owned = std::make_unique<TuningDialog>(writeDefinitions(dir), std::vector<study::Task>{}, firstCheckpoint(), 128, m_window.get());
    TuningDialog* dialog = owned.get();
    dialog->show();
    const QPushButton* add = buttonWith(dialog, QStringLiteral("Add data"));
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled(), kLongMs);
    auto* bars = named<QWidget>(dialog, QStringLiteral("Lengths of the examples"));
    QVERIFY(bars && bars->isVisible() && bars->height() > 40);
    QVERIFY2(bars->accessibleDescription().startsWith(QStringLiteral("Examples of ")), qPrintable(bars->accessibleDescription()));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(12);
    auto* tooLong = named<QComboBox>(dialog, QStringLiteral("What becomes of longer examples"));
    choose(tooLong, QStringLiteral("longer ones are left out"));
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "Longer than 12 tokens and left out: "), kLongMs);
    QVERIFY(!bars->grab().isNull());
    choose(tooLong, QStringLiteral("longer ones are cut at their end"));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(128);
    named<QSpinBox>(dialog, QStringLiteral("Rows that are trained on"))->setValue(48);
    named<QSpinBox>(dialog, QStringLiteral("Seed of the split"))->setValue(3);
    named<QSpinBox>(dialog, QStringLiteral("Rows that are held out"))->setValue(5);
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled() && !says(dialog, "Longer than"), kLongMs);
    QVERIFY(says(dialog, "60 rows. Trained on: 48, held out: 5.") && !named<QDoubleSpinBox>(dialog, QStringLiteral("Held out"))->isEnabled());
    const study::Task task = dialog->task();
    QCOMPARE(task.kind, study::TaskKind::TuningLoss);
    const Json chosen = Json::parse(task.definition);
    QCOMPARE(chosen.value("sample_count", 0), 48);
    QCOMPARE(chosen.value("split_seed", 0), 3);
    QCOMPARE(chosen.value("held_out_count", 0), 5);
    QCOMPARE(chosen.value("too_long", ""), std::string("truncate"));
}

/// Not just the rows that are shown first; and what a plan would refuse is not added.
void WindowKindsTest::allRowsAreCounted() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const QString rows = writeDefinitions(dir);
    QFile large(dir.filePath(QStringLiteral("large.jsonl")));
    QVERIFY(large.open(QIODevice::WriteOnly));
    large.write(QByteArray("{\"prompt\": \"a thing:\", \"completion\": \" of wood\"}\n").repeated(2500));
    large.write("{\"prompt\": \"a thing:\", \"completion\": \"" + QByteArray(" wood").repeated(200) + "\"}\n{\"prompt\": 3}\n");
    large.close();
    auto* dialog = new TuningDialog(large.fileName(), {}, firstCheckpoint(), 128, m_window.get());
    dialog->show();
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "2502 rows. "), kLongMs);
    QVERIFY(says(dialog, "Longer than 128 tokens and cut: 1 row.") && says(dialog, "Cannot be used: 1 row."));
    QVERIFY(buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    auto* shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them")); // what is left out, with the reason
    QVERIFY2(shown->toPlainText().contains(QStringLiteral("Row 2502 left out: there is no \"completion\"")), qPrintable(shown->toPlainText().right(300)));
    const QString split = QStringLiteral(" Trained on: 2251, held out: 250."); // a tenth of the 2501 that can be used
    QVERIFY(says(dialog, qPrintable(split)));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(3);
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "Left out, with nothing learned in their first 3 tokens: 2501 rows."), kLongMs);
    QVERIFY(says(dialog, "These data cannot be used: no example is left to train on") && !says(dialog, "Longer than"));
    QVERIFY(shown->toPlainText().contains(QStringLiteral("Row 1 left out: nothing within its first 3 of ")));
    QVERIFY(!buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    delete dialog;
    QVERIFY(QFile::copy(rows, dir.filePath(QStringLiteral("torn.jsonl"))));
    QFile torn(dir.filePath(QStringLiteral("torn.jsonl")));
    QVERIFY(torn.open(QIODevice::Append));
    torn.write("{\"prompt\": \"no end\n{\"prompt\": 3}\n");
    torn.close();
    dialog = new TuningDialog(torn.fileName(), {}, firstCheckpoint(), 128, m_window.get());
    dialog->show();
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "2 of 62 rows cannot be used, and at most 1 % may be left out"), kLongMs);
    QVERIFY(says(dialog, "Cannot be used: 2 rows.") && !buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    // Its colour and those of the rows follow the desktop.
    const auto labels = dialog->findChildren<QLabel*>();
    const auto problem = std::find_if(labels.begin(), labels.end(), [](const QLabel* one) { return one->text().startsWith(QStringLiteral("2 of 62 rows")); });
    QVERIFY(problem != labels.end());
    shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them"));
    QColor bad[2];
    QString rowsOf[2];
    int i = 0;
    const QPalette before = qApp->palette();
    for (const QRgb ground : {0xfff4f5f6, 0xff212428}) {
        QPalette other = before;
        other.setColor(QPalette::Base, QColor(ground));
        qApp->setPalette(other);
        QTRY_COMPARE(dialog->palette().color(QPalette::Base), QColor(ground));
        QTRY_COMPARE((*problem)->palette().color(QPalette::WindowText), stateColors(dialog->palette()).bad);
        bad[i] = (*problem)->palette().color(QPalette::WindowText);
        rowsOf[i++] = shown->toHtml();
    }
    qApp->setPalette(before);
    QVERIFY(bad[0] != bad[1] && rowsOf[0] != rowsOf[1]);
    delete dialog;
}

void WindowKindsTest::fineTuningFromAFileToCurves() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    choose(kind(), QStringLiteral("Fine-tuning"));
    QVERIFY(!buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled()); // there are no data yet

    const QString rows = writeDefinitions(dir);
    const std::filesystem::path checkpoint = firstCheckpoint(); // the session makes its series anew
    auto* dialog = new TuningDialog(rows, m_window->session().study().tasks, checkpoint, 128, m_window.get());
    dialog->show();
    auto* shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them"));
    QTRY_VERIFY_WITH_TIMEOUT(shown->toPlainText().contains(QStringLiteral("a small thing of wood")), kLongMs);
    QVERIFY(shown->toPlainText().contains(QStringLiteral("<end>")));
    // What is only read is grey, what is learned is not and has a ground, in the desktop's own palette, too.
    const auto formatOf = [shown](const char* text) { return shown->document()->find(QString::fromLatin1(text)).charFormat(); };
    const QTextCharFormat read = formatOf("thing number 0:"), learned = formatOf(" a small thing of wood");
    const QColor page = shown->palette().color(QPalette::Base);
    const auto contrast = [&](const QTextCharFormat& format) { return std::abs(format.foreground().color().lightnessF() - page.lightnessF()); };
    QVERIFY2(contrast(read) < contrast(learned) - 0.2 && contrast(read) > 0.3, qPrintable(read.foreground().color().name()));
    QVERIFY(read.background().style() == Qt::NoBrush && learned.background().color() != page);
    QPushButton* add = buttonWith(dialog, QStringLiteral("Add data"));
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled(), kLongMs);
    const study::Task task = dialog->task();
    QCOMPARE(task.kind, study::TaskKind::TuningLoss);
    delete dialog;

    m_window->session().addTask(task);
    TuningDialog again(rows, {task}, checkpoint, 128, m_window.get()); // the same file in another way has its own name
    QCOMPARE(named<QLineEdit>(&again, QStringLiteral("Name of the data"))->text(), QStringLiteral("definitions 2"));
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    QTRY_COMPARE(data->count(), 1);
    auto* rates = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rates"));
    QVERIFY(rates);
    rates->setText(QStringLiteral("0.002 0.004"));
    Q_EMIT rates->textEdited(rates->text());
    named<QSpinBox>(m_window.get(), QStringLiteral("Fine-tuning seeds"))->setValue(2);
    // With text of the pretraining in every step: a plan knows its content, and is of this probe all the same.
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Share of replayed text"))->setValue(20);
    typeOver(named<QLineEdit>(m_window.get(), QStringLiteral("Text that is replayed")),
         QStringLiteral(CREST_SOURCE_DIR "/resources/sample/texts/glosses.jsonl"));
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run 10 cells")), kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(m_window->actions().at(ActionId::Run)->isEnabled(), kLongMs);
    m_window->actions().at(ActionId::Run)->trigger();
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("This probe ")), kLongMs);
    const auto isDone = [this] {
        const auto& runs = m_window->session().runs();
        return runs.size() == 1 && runs.front().state == study::RunState::Done;
    };
    QTRY_VERIFY_WITH_TIMEOUT(isDone(), kLongMs);
    // What was trained is better at what it was trained on.
    const auto& results = m_window->session().probeView().results;
    QTRY_VERIFY_WITH_TIMEOUT(results && results->rows.size() == 10, kLongMs);
    double base = 0, tuned = 0;
    for (const study::ResultRow& row : results->rows)
        (row.strength == 0 ? base : tuned) += row.value / (row.strength == 0 ? 2 : 8);
    QVERIFY2(tuned < base, qPrintable(QStringLiteral("%1 and %2").arg(tuned).arg(base)));
    finerAroundTheBest();
}

/// After a run: planned with their cost on the button, undone, taken out again; gone with what they were found by.
void WindowKindsTest::finerAroundTheBest() {
    QPushButton* finer = buttonWith(m_window.get(), QStringLiteral("Fi&ner around the best"));
    auto* rates = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rates"));
    auto* without = named<QToolButton>(m_window.get(), QStringLiteral("Without finer rates"));
    QVERIFY(finer && rates && without && finer->isVisible() && !without->isVisible());
    QTRY_VERIFY_WITH_TIMEOUT(finer->isEnabled(), kLongMs); // all of the grid is measured
    const study::Probe coarse = probe();
    // Of two rates one is at an end, whichever is best: three rates, with two seeds, at two checkpoints.
    QTest::mouseClick(finer, Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run 12 cells")), kLongMs);
    QVERIFY(isSaid(m_window->findChild<ProbeDock*>(), "and 6 finer at 2 checkpoints"));
    const auto labels = m_window->findChild<ProbeDock*>()->findChildren<QLabel*>(); // which they are: twice and half of an end, or between
    QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) { return label->toolTip().startsWith(QStringLiteral("Learning rates 0.00")); }));
    QVERIFY(!finer->isEnabled() && without->isVisible());
    QCOMPARE(rates->text(), QStringLiteral("0.002 0.004"));
    QCOMPARE(study::gridOf(probe()), coarse.strengths);
    const study::Probe fine = probe();
    m_window->session().undoStack()->undo();
    QTRY_VERIFY(probe() == coarse);
    m_window->session().undoStack()->redo();
    QTRY_VERIFY(probe() == fine);
    // What is measured may change; another training has another best.
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Room for tuned weights"))->setValue(1);
    QTRY_COMPARE(study::finerRatesOf(probe()), study::finerRatesOf(fine));
    named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->setValue(2);
    QTRY_VERIFY(study::finerRatesOf(probe()).empty());
    QCOMPARE(probe().strengths, coarse.strengths);
    m_window->session().undoStack()->undo();
    QTRY_VERIFY(!study::finerRatesOf(probe()).empty());
    QTest::mouseClick(without, Qt::LeftButton);
    QTRY_VERIFY(study::finerRatesOf(probe()).empty() && !without->isVisible());
}

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    qputenv("CREST_RUN", CREST_BINARY_DIR "/bin/crest-run");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    WindowKindsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_kinds.moc"
