// SPDX-License-Identifier: GPL-3.0-or-later
// The series dock as people use it: typing over a cell, answering the question for tokens per step, undo.
#include <QApplication>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMouseEvent>
#include <QPushButton>
#include <QSignalSpy>
#include <QTreeView>
#include <QtTest>

#include "tests/ui/data/session_fixture.h"
#include "ui/docks/series_dock.h"
#include "ui/docks/tokens_per_step.h"
#include "ui/main_window.h"
#include "ui/window/actions.h"

using namespace crest;
using namespace crest::ui;
using crest::test::SessionFixture;

namespace {

template<class T> T* named(const QWidget& parent, const char* name) {
    for (T* widget : parent.findChildren<T*>())
        if (widget->accessibleName() == QString::fromLatin1(name))
            return widget;
    return nullptr;
}

QPushButton* button(const QWidget& parent, const char* text) {
    for (QPushButton* one : parent.findChildren<QPushButton*>())
        if (one->text() == QString::fromLatin1(text))
            return one;
    return nullptr;
}

} // namespace

class TestSeriesDock : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void tokensPerStepAreAskedForOnce() {
        SessionFixture fixture;
        const QString folder = fixture.dir.filePath(QStringLiteral("steps"));
        for (const char* step : {"step10", "step20"})
            QVERIFY(test::makeCheckpoint(std::filesystem::path(folder.toStdString()) / step, test::tinySpec(),
                                         static_cast<unsigned>(step[4])));
        StudySession session;
        QWidget window;
        Actions actions(&window);
        SeriesDock dock(session, actions, nullptr);
        dock.show();
        auto* question = dock.findChild<TokensPerStep*>();
        QVERIFY(question && question->isHidden());
        session.open(folder);
        QTRY_COMPARE(question->series(), QStringLiteral("steps"));
        QStringList said;
        for (const QLabel* label : question->findChildren<QLabel*>())
            said << label->text();
        QVERIFY2(said.join(u' ').contains(QStringLiteral("sequences of at most 128 tokens")),
                 qPrintable(said.join(u' ')));
        auto* field = named<QLineEdit>(*question, "Tokens per step");
        field->setText(QStringLiteral("none"));
        QVERIFY(!button(*question, "Use")->isEnabled());
        field->setText(QStringLiteral("2M"));
        QTest::keyClick(field, Qt::Key_Return);
        QVERIFY(question->isHidden());
        const QAbstractItemModel* model = named<QTreeView>(dock, "Checkpoints")->model();
        const QModelIndex parent = model->index(0, 0);
        QCOMPARE(model->index(1, SeriesModel::Tokens, parent).data().toString(), QStringLiteral("40M"));
        // Taken back it is asked again; put off it is not.
        session.undoStack()->undo();
        QVERIFY(!question->isHidden());
        button(*question, "Later")->click();
        QVERIFY(question->isHidden());
        session.rescan();
        QSignalSpy changed(&session, &StudySession::seriesChanged);
        QVERIFY(changed.wait(30000));
        QVERIFY(question->isHidden());
    }

    /// In a folder of many series the filter leaves what is looked for in sight: a series by its name, checkpoints by theirs.
    void theFilterFindsSeriesAndCheckpoints() {
        SessionFixture fixture;
        const QString folder = fixture.dir.filePath(QStringLiteral("many"));
        unsigned weights = 0;
        for (const char* place : {"apple/step10", "apple/step20", "pear/step10", "pear/step30"})
            QVERIFY(test::makeCheckpoint(std::filesystem::path(folder.toStdString()) / place, test::tinySpec(), ++weights));
        StudySession session;
        QWidget window;
        Actions actions(&window);
        SeriesDock dock(session, actions, nullptr);
        dock.show();
        session.open(folder);
        auto* tree = named<QTreeView>(dock, "Checkpoints");
        QTRY_COMPARE_WITH_TIMEOUT(session.series().size(), std::size_t{2}, 30'000);
        const auto seen = [&] {
            QStringList rows;
            for (int series = 0; series < tree->model()->rowCount(); ++series) {
                const QModelIndex parent = tree->model()->index(series, 0);
                rows << parent.data().toString();
                for (int row = 0; row < tree->model()->rowCount(parent) && tree->isExpanded(parent); ++row)
                    rows << tree->model()->index(row, 0, parent).data().toString();
            }
            return rows.join(u' ');
        };
        QTRY_COMPARE(seen(), QStringLiteral("apple step10 step20 pear step10 step30"));
        tree->collapse(tree->model()->index(0, 0));
        auto* filter = named<QLineEdit>(dock, "Filter checkpoints");
        filter->setText(QStringLiteral("PEAR"));
        QCOMPARE(seen(), QStringLiteral("pear step10 step30"));
        filter->setText(QStringLiteral("step10"));
        QCOMPARE(seen(), QStringLiteral("apple step10 pear step10"));
        filter->setText(QStringLiteral("plum"));
        QCOMPARE(seen(), QString());
        filter->clear();
        QCOMPARE(seen(), QStringLiteral("apple pear step10 step30"));
    }

    /// At the window's usual size: names are cut in their middle, reasons at their end, and no column is out of sight.
    void longNamesLeaveTheResultsInSight() {
        SessionFixture fixture;
        const QString folder = fixture.dir.filePath(QStringLiteral("long"));
        const auto name = [](int i) { return QStringLiteral("a-language-model-with-a-rather-long-name-step%1000-of-143000").arg(i + 1, 3, 10, QLatin1Char('0')); };
        for (int i = 0; i < 30; ++i) { // with a scroll bar
            const auto place = std::filesystem::path(folder.toStdString()) / name(i).toStdString();
            test::makeCheckpoint(place, test::tinySpec(), static_cast<unsigned>(i + 1));
            test::writeRecord(place, "long", 1'000'000LL * (i + 1), 1);
            if (i == 3) // and a reason that is longer still
                std::filesystem::resize_file(place / "model.safetensors", std::filesystem::file_size(place / "model.safetensors") - 10);
        }
        MainWindow window;
        window.resize(1280, 800);
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        window.session().open(folder);
        auto* tree = named<QTreeView>(window, "Checkpoints");
        const QHeaderView* header = tree->header();
        const QAbstractItemModel* model = tree->model();
        QTRY_COMPARE_WITH_TIMEOUT(model->rowCount(model->index(0, 0)), 30, 30'000);
        const auto isInSight = [&](int column) {
            return header->sectionViewportPosition(column) + header->sectionSize(column) <= tree->viewport()->width();
        };
        const auto widths = [&] {
            QStringList each{QString::number(tree->viewport()->width())};
            for (const int column : {SeriesModel::Name, SeriesModel::Tokens, SeriesModel::State, SeriesModel::Measured})
                each << QString::number(header->sectionSize(column));
            return each.join(u' ');
        };
        QTRY_VERIFY2(tree->viewport()->width() > 200 && isInSight(SeriesModel::Measured), qPrintable(widths()));
        for (const int column : {SeriesModel::Name, SeriesModel::Tokens, SeriesModel::State, SeriesModel::Measured})
            QVERIFY2(isInSight(column) && header->sectionSize(column) >= 40, qPrintable(widths()));
        QVERIFY(header->sectionSize(SeriesModel::Name) >= 96);
        const QModelIndex row = model->index(5, SeriesModel::Name, model->index(0, 0));
        QCOMPARE(row.data().toString(), name(5));
        QVERIFY(row.data(Qt::ToolTipRole).toString().contains(name(5)));
        QVERIFY(model->index(3, SeriesModel::State, model->index(0, 0)).data(Qt::ToolTipRole).toString().contains(QStringLiteral("model.safetensors")));

        // Drawn wider by its edge it stays so, whatever is learned and however wide the dock is.
        const int before = header->sectionSize(SeriesModel::Name);
        const int edge = header->sectionViewportPosition(SeriesModel::Name) + before - 1, middle = header->height() / 2;
        QWidget* bar = header->viewport();
        const auto mouse = [&](QEvent::Type type, int x, Qt::MouseButton button, Qt::MouseButtons held) {
            QMouseEvent event(type, QPoint(x, middle), bar->mapToGlobal(QPoint(x, middle)), button, held, Qt::NoModifier);
            QCoreApplication::sendEvent(bar, &event);
        };
        mouse(QEvent::MouseMove, edge, Qt::NoButton, Qt::NoButton);
        mouse(QEvent::MouseButtonPress, edge, Qt::LeftButton, Qt::LeftButton);
        mouse(QEvent::MouseMove, edge + 300, Qt::NoButton, Qt::LeftButton);
        mouse(QEvent::MouseButtonRelease, edge + 300, Qt::LeftButton, Qt::NoButton);
        QCOMPARE(header->sectionSize(SeriesModel::Name), before + 300);
        window.session().rescan();
        QSignalSpy changed(&window.session(), &StudySession::seriesChanged);
        QVERIFY(changed.wait(30'000));
        window.resize(1000, 700);
        QTest::qWait(100);
        QCOMPARE(header->sectionSize(SeriesModel::Name), before + 300);
    }

    /// At the window's usual size: names are whole but for the token count that the next column has, and reasons can be read.
    void namesAndReasonsAreReadable() {
        SessionFixture fixture;
        const auto folder = std::filesystem::path(fixture.dir.filePath(QStringLiteral("run")).toStdString());
        unsigned seed = 0;
        for (const int step : {1000, 2000, 3000, 4000, 8000, 9000, 10000})
            QVERIFY(test::makeCheckpoint(folder / ("stage1-step" + std::to_string(step) + "-tokens" + std::to_string(2 * step / 1000) + "B"), test::tinySpec(), ++seed));
        MainWindow window;
        window.resize(1280, 800);
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        window.session().open(QString::fromStdString(folder.string()));
        auto* tree = named<QTreeView>(window, "Checkpoints");
        const auto cell = [&](int row, int column) { return tree->model()->index(row, column, tree->model()->index(0, 0)); };
        QTRY_COMPARE_WITH_TIMEOUT(tree->model()->rowCount(tree->model()->index(0, 0)), 7, 30'000);
        QCOMPARE(cell(6, SeriesModel::Name).data().toString(), QStringLiteral("stage1-step10000-tokens20B"));
        QCOMPARE(cell(6, SeriesModel::Tokens).data().toString(), QStringLiteral("20B"));
        const auto needed = [&](const QString& text) { return tree->fontMetrics().horizontalAdvance(text); };
        const int icon = tree->iconSize().isValid() ? tree->iconSize().width() : tree->style()->pixelMetric(QStyle::PM_SmallIconSize);
        QTRY_VERIFY2(needed(QStringLiteral("stage1-step10000")) + icon <= tree->visualRect(cell(6, SeriesModel::Name)).width(),
                     qPrintable(QString::number(tree->visualRect(cell(6, SeriesModel::Name)).width())));
        QTRY_VERIFY(needed(QStringLiteral("readable")) <= tree->visualRect(cell(6, SeriesModel::State)).width()); // columns are fitted to both in turn
        auto* remark = named<QLabel>(window, "Why the selected checkpoint is marked");
        QVERIFY(remark && !remark->isVisible());
        tree->setCurrentIndex(cell(4, SeriesModel::Name));
        QVERIFY(remark->isVisible());
        QVERIFY2(remark->text().contains(QStringLiteral("no checkpoint between step 4000 and step 8000 (usually every 1000 steps).")),
                 qPrintable(remark->text()));
        tree->setCurrentIndex(cell(3, SeriesModel::Name));
        QVERIFY(!remark->isVisible());
    }

    void aCellIsTypedOver() {
        SessionFixture fixture;
        StudySession session;
        QWidget window;
        Actions actions(&window);
        SeriesDock dock(session, actions, nullptr);
        dock.show();
        session.open(fixture.series);
        QTRY_COMPARE(session.series().size(), 1u);
        auto* tree = named<QTreeView>(dock, "Checkpoints");
        const auto cell = [&](int row, int column) {
            return tree->model()->index(row, column, tree->model()->index(0, 0));
        };
        QTRY_COMPARE(tree->model()->rowCount(tree->model()->index(0, 0)), 4);
        tree->setCurrentIndex(cell(1, SeriesModel::Tokens));
        tree->edit(cell(1, SeriesModel::Tokens));
        auto* editor = qobject_cast<QLineEdit*>(QApplication::focusWidget());
        if (!editor)
            editor = tree->viewport()->findChild<QLineEdit*>();
        QVERIFY(editor);
        QCOMPARE(editor->text(), QStringLiteral("2000000")); // exact
        editor->setText(QStringLiteral("3M"));
        // What is learned meanwhile waits until it is typed.
        session.rescan();
        QSignalSpy changed(&session, &StudySession::seriesChanged);
        QVERIFY(changed.wait(30000));
        QCOMPARE(tree->viewport()->findChild<QLineEdit*>(), editor);
        QCOMPARE(editor->text(), QStringLiteral("3M"));
        QTest::keyClick(editor, Qt::Key_Return);
        QTRY_COMPARE(cell(1, SeriesModel::Tokens).data().toString(), QStringLiteral("3M"));
        QVERIFY(dock.selected() && dock.selected()->checkpoint == QStringLiteral("tokens-2M"));
        QCOMPARE(tree->currentIndex().row(), 1);
        QVERIFY(tree->isExpanded(tree->model()->index(0, 0)));
        session.undoStack()->undo();
        QCOMPARE(cell(1, SeriesModel::Tokens).data().toString(), QStringLiteral("2M"));
    }
};

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication application(argc, argv);
    TestSeriesDock test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_series_dock.moc"
