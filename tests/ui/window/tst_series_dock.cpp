// SPDX-License-Identifier: GPL-3.0-or-later
// The series dock as people use it: typing over a cell, answering the question for tokens per step, undo.
#include <QApplication>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QTreeView>
#include <QtTest>

#include "tests/ui/data/session_fixture.h"
#include "ui/docks/series_dock.h"
#include "ui/docks/tokens_per_step.h"
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
