// SPDX-License-Identifier: GPL-3.0-or-later
// Fields of numbers, by keys: what is typed is taken as it is, or the window says why it cannot be, in every dock and dialog.
#include <utility>

#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QMenuBar>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalSpy>
#include <QToolButton>
#include <QtTest>

#include "tests/ui/window/window_fixture.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/dialogs/prompts_dialog.h"
#include "ui/dialogs/suite_dialog.h"
#include "ui/dialogs/text_dialog.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"
#include "ui/pages/log_slider.h"
#include "ui/pages/theory_controls.h"
#include "ui/window/number_box.h"

using namespace crest;
using namespace crest::ui;
using crest::test::named;

namespace {

constexpr int kLongMs = 60'000;

void typeOver(QAbstractSpinBox* box, const QString& text) {
    box->setFocus();
    box->selectAll();
    if (text.isEmpty())
        QTest::keyClick(box, Qt::Key_Delete);
    QTest::keyClicks(box, text);
}

double valueOf(const QAbstractSpinBox* box) {
    if (const auto* whole = qobject_cast<const QSpinBox*>(box))
        return whole->value();
    return qobject_cast<const QDoubleSpinBox*>(box)->value();
}

bool says(const QWidget* place, const QString& sentence) {
    const auto labels = place->findChildren<QLabel*>();
    return std::any_of(labels.begin(), labels.end(), [&](const QLabel* label) { return label->isVisible() && label->text() == sentence; });
}

QPushButton* acceptOf(const QWidget* dialog) {
    const auto* buttons = dialog->findChild<QDialogButtonBox*>();
    for (QAbstractButton* button : buttons ? buttons->buttons() : QList<QAbstractButton*>())
        if (buttons->buttonRole(button) == QDialogButtonBox::AcceptRole)
            return qobject_cast<QPushButton*>(button);
    return nullptr;
}

/// Sideways: up and down it scrolls.
bool nothingIsCut(const QWidget* viewport) {
    const auto widgets = viewport->findChildren<QWidget*>();
    return std::all_of(widgets.begin(), widgets.end(), [&](const QWidget* one) {
        return !one->isVisible() || one->mapTo(viewport, QPoint(one->width(), 0)).x() <= viewport->width();
    });
}

/// Of what is seen.
QList<QRect> placesIn(const QWidget* parent) {
    QList<QRect> places;
    for (const QWidget* one : parent->findChildren<QWidget*>())
        if (one->isVisible())
            places << one->geometry();
    return places;
}

/// Every visible number box below `place`; `most`: at least so many are there.
void neverAnotherNumber(QWidget* place, int least) {
    int boxes = 0;
    for (QAbstractSpinBox* box : place->findChildren<QAbstractSpinBox*>()) {
        auto* number = dynamic_cast<NumberBox*>(box);
        QVERIFY2(number, qPrintable(box->accessibleName()));
        if (!box->isVisible())
            continue;
        ++boxes;
        const double before = valueOf(box);
        for (const char* text : {"2.5", "2,5", "1e3", "7777777777"}) {
            const QString typed = QString::fromLatin1(text), where = box->accessibleName() + QStringLiteral(": ") + typed;
            typeOver(box, typed);
            QTest::keyClick(box, Qt::Key_Return);
            QVERIFY2(place->isVisible(), qPrintable(where)); // no dialog is accepted with it
            if (number->problem().isEmpty()) {
                QVERIFY2(valueOf(box) == typed.toDouble(), qPrintable(where + QStringLiteral(" gives ") + box->text()));
                continue;
            }
            QVERIFY2(box->text().contains(typed), qPrintable(where + QStringLiteral(" reads ") + box->text()));
            QVERIFY2(number->problem().contains(typed) && says(place, number->problem()), qPrintable(number->problem()));
            if (const QPushButton* accept = acceptOf(place))
                QVERIFY2(!accept->isEnabled(), qPrintable(where));
        }
        typeOver(box, QLocale::c().toString(before, 'g', 12));
        QTest::keyClick(box, Qt::Key_Tab);
        QVERIFY2(number->problem().isEmpty(), qPrintable(number->problem()));
        QCOMPARE(valueOf(box), before);
    }
    QVERIFY2(boxes >= least, qPrintable(QString::number(boxes)));
}

} // namespace

class WindowFieldsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() {
        m_window = std::make_unique<MainWindow>();
        m_window->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    }
    void cleanup() {
        m_window.reset();
        QDir(qEnvironmentVariable("XDG_DATA_HOME")).removeRecursively();
    }

    void aNumberOrAProblem_data();
    void aNumberOrAProblem();
    void wordsAroundANumberStay();
    void theProbeDockSaysWhy();
    void whatIsTypedIsPlannedBeforeItRuns();
    void everyKindOfProbe();
    void theKeyboardReachesEveryField();
    void everyDialog();
    void theTheory();

private:
    std::unique_ptr<MainWindow> m_window;

    ProbeDock* dock() const { return m_window->findChild<ProbeDock*>(); }
    QSpinBox* draws() const { return named<QSpinBox>(m_window.get(), QStringLiteral("Noise draws")); }
    void unfoldAll() const {
        for (QToolButton* fold : dock()->findChildren<QToolButton*>())
            if (fold->isCheckable() && fold->isVisible())
                fold->setChecked(true); // more of the training, mitigations
    }
    QAction* run() const { return m_window->actions().at(ActionId::Run); }
    void openSample() {
        m_window->actions().at(ActionId::OpenSample)->trigger();
        QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
        QTRY_VERIFY_WITH_TIMEOUT(run()->isEnabled(), kLongMs);
        m_window->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(m_window.get()));
    }
};

void WindowFieldsTest::aNumberOrAProblem_data() {
    QTest::addColumn<bool>("whole");
    QTest::addColumn<QString>("text");
    QTest::addColumn<double>("value");   ///< 16 where it is refused
    QTest::addColumn<QString>("problem"); ///< part of it
    const auto row = [](const char* tag, bool whole, const char* text, double value, const char* problem) {
        QTest::newRow(tag) << whole << QString::fromLatin1(text) << value << QString::fromLatin1(problem);
    };
    row("whole", true, "25", 25, "");
    row("a point", true, "2.5", 16, "a whole number from 2 to 50000, not \"2.5\"");
    row("a point alone", true, "3.", 16, "not \"3.\"");
    row("a comma", true, "2,5", 16, "not \"2,5\"");
    row("thousands", true, "1,000", 16, "not \"1,000\""); // or one, in other countries
    row("a blank", true, "1 000", 1000, "");
    row("an exponent", true, "1e3", 16, "not \"1e3\"");
    row("too many", true, "50001", 16, "not \"50001\"");
    row("far too many", true, "99999999999", 16, "not \"99999999999\"");
    row("too few", true, "1", 16, "not \"1\"");
    row("below nothing", true, "-3", 16, "not \"-3\"");
    row("a word", true, "2k5", 16, "not \"2k5\"");
    row("nothing", true, "", 16, "");
    row("decimal", false, "2.25", 2.25, "");
    row("decimal, a comma", false, "2,5", 16, "a number from 2 to 50000, with a point and at most 2 digits behind it, not \"2,5\"");
    row("more digits than it has", false, "2.125", 16, "not \"2.125\"");
    row("two points", false, "2.1.5", 16, "not \"2.1.5\"");
}

/// Return takes it; what is refused stands, in sight, until it is corrected.
void WindowFieldsTest::aNumberOrAProblem() {
    QFETCH(bool, whole);
    QFETCH(QString, text);
    QFETCH(double, value);
    QFETCH(QString, problem);
    QWidget place;
    auto* wholes = new WholeBox(&place);
    auto* decimals = new DecimalBox(&place);
    wholes->setRange(2, 50'000);
    wholes->setValue(16);
    decimals->setRange(2, 50'000);
    decimals->setValue(16);
    QAbstractSpinBox* box = whole ? static_cast<QAbstractSpinBox*>(wholes) : decimals;
    box->setKeyboardTracking(false);
    place.show();
    QVERIFY(QTest::qWaitForWindowExposed(&place));
    const auto* number = dynamic_cast<NumberBox*>(box);
    typeOver(box, text);
    QTest::keyClick(box, Qt::Key_Return);
    QCOMPARE(valueOf(box), value);
    QVERIFY2(problem.isEmpty() ? number->problem().isEmpty() : number->problem().contains(problem), qPrintable(number->problem()));
    const QColor usual = place.palette().color(QPalette::Text);
    const auto shown = [box] { return box->findChild<QLineEdit*>()->palette().color(QPalette::Text); };
    QCOMPARE(shown() == usual, problem.isEmpty());
    if (problem.isEmpty())
        return;
    QCOMPARE(box->text(), text);
    QTest::keyClick(box, Qt::Key_Up); // a step from the number that holds
    QCOMPARE(valueOf(box), 17.0);
    QVERIFY(number->problem().isEmpty());
    QCOMPARE(shown(), usual);
    typeOver(box, text);
    QTest::keyClick(box, Qt::Key_Return);
    QVERIFY(shown() != usual);
    whole ? wholes->setValue(17) : decimals->setValue(17); // the number that it has, from elsewhere: a preset, say
    QTRY_COMPARE(shown(), usual);
}

/// Of "32 windows" only the number can be edited; "all" gives way to one.
void WindowFieldsTest::wordsAroundANumberStay() {
    WholeBox box;
    box.setRange(0, 1000);
    box.setSuffix(QStringLiteral(" windows"));
    box.setSpecialValueText(QStringLiteral("all"));
    box.setValue(32);
    box.show();
    QVERIFY(QTest::qWaitForWindowExposed(&box));
    auto* edit = box.findChild<QLineEdit*>();
    edit->setCursorPosition(2);
    QTest::keyClick(&box, Qt::Key_Delete);
    QCOMPARE(box.text(), QStringLiteral("32 windows"));
    QTest::keyClick(&box, Qt::Key_Backspace);
    QCOMPARE(box.text(), QStringLiteral("3 windows"));
    box.setValue(0);
    edit->setCursorPosition(2);
    QTest::keyClicks(&box, QStringLiteral("45"));
    QCOMPARE(box.value(), 45);
    QCOMPARE(box.text(), QStringLiteral("45 windows"));
}

void WindowFieldsTest::theProbeDockSaysWhy() {
    openSample();
    if (QTest::currentTestFailed())
        return;
    const auto* edit = draws()->findChild<QLineEdit*>();
    typeOver(draws(), QStringLiteral("2.5"));
    QCOMPARE(edit->text(), QStringLiteral("2.5"));
    QVERIFY(!run()->isEnabled());
    const QString why = QStringLiteral("Noise draws: a whole number from 1 to 100000, not \"2.5\".");
    QVERIFY(says(dock(), why));
    QTest::keyClick(draws(), Qt::Key_Tab);
    QVERIFY(!draws()->hasFocus());
    QCOMPARE(edit->text(), QStringLiteral("2.5")); // not 16 again, not 25
    QVERIFY(says(dock(), why) && !run()->isEnabled());
    QCOMPARE(dock()->probe().seeds, 16);
    m_window->session().rescan(); // what the window learns meanwhile leaves it alone
    QSignalSpy changed(&m_window->session(), &StudySession::seriesChanged);
    QVERIFY(changed.wait(kLongMs));
    QCOMPARE(edit->text(), QStringLiteral("2.5"));
    draws()->setFocus();
    QTest::keyClick(draws(), Qt::Key_End);
    QTest::keyClick(draws(), Qt::Key_Backspace);
    QTest::keyClick(draws(), Qt::Key_Backspace);
    QTest::keyClick(draws(), Qt::Key_Return);
    QCOMPARE(dock()->probe().seeds, 2);
    QVERIFY(!says(dock(), why));
    QTRY_VERIFY_WITH_TIMEOUT(run()->isEnabled(), kLongMs);

    // The number that it had, after the window has planned anew in between.
    typeOver(draws(), QStringLiteral("2.5"));
    changed.clear();
    m_window->session().rescan();
    QVERIFY(changed.wait(kLongMs));
    QTest::qWait(500); // longer than it waits for more edits before it plans
    typeOver(draws(), QStringLiteral("2"));
    QTest::keyClick(draws(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(run()->isEnabled(), kLongMs);
}

/// A number that was typed and not left yet is not passed over by the shortcut of Run.
void WindowFieldsTest::whatIsTypedIsPlannedBeforeItRuns() {
    openSample();
    if (QTest::currentTestFailed())
        return;
    const auto checkpoints = static_cast<int>(m_window->session().series().front().checkpoints.size());
    typeOver(draws(), QStringLiteral("3"));
    run()->trigger();
    QCOMPARE(dock()->probe().seeds, 3);
    const QString button = QStringLiteral("Run %1 cells").arg(checkpoints * (1 + 5 * 3));
    const auto shown = [&] {
        const auto buttons = dock()->findChildren<QPushButton*>();
        return std::any_of(buttons.begin(), buttons.end(), [&](const QPushButton* one) { return one->text() == button; });
    };
    QTRY_VERIFY_WITH_TIMEOUT(shown() && run()->isEnabled(), kLongMs);
    QVERIFY(m_window->session().runs().empty());
}

void WindowFieldsTest::everyKindOfProbe() {
    openSample();
    if (QTest::currentTestFailed())
        return;
    auto* kind = named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe"));
    for (const auto& [name, boxes] : {std::pair{"Gaussian noise", 1}, std::pair{"Fine-tuning", 11}, std::pair{"Interpolation", 11},
                                      std::pair{"Quantisation", 1}, std::pair{"Pruning", 0}, std::pair{"Base evaluation", 0}}) {
        kind->setCurrentIndex(kind->findText(QString::fromLatin1(name)));
        Q_EMIT kind->activated(kind->currentIndex());
        unfoldAll();
        const auto* viewport = dock()->findChild<QScrollArea*>()->viewport();
        const QFont usual = dock()->font();
        for (const int larger : {0, 6}) { // with the letters of another desktop, too
            QFont font = usual;
            font.setPointSize(usual.pointSize() + larger);
            dock()->setFont(font);
            QTRY_VERIFY2(nothingIsCut(viewport), name);
        }
        dock()->setFont(usual);
        neverAnotherNumber(dock(), boxes);
        QVERIFY2(!QTest::currentTestFailed(), name);
    }
}

/// Tab goes down the dock, row by row, past every field, and no letter of Alt+ has two meanings in it or in the menus.
void WindowFieldsTest::theKeyboardReachesEveryField() {
    openSample();
    if (QTest::currentTestFailed())
        return;
    auto* kind = named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe"));
    for (int i = 0; i < kind->count(); ++i) {
        kind->setCurrentIndex(i);
        Q_EMIT kind->activated(i);
        unfoldAll();
        QList<QRect> places; // laid out: nothing moves any more
        QTRY_VERIFY(std::exchange(places, placesIn(dock())) == places);
        QString letters;
        for (const QAction* menu : m_window->menuBar()->actions())
            letters += menu->text().section(u'&', 1).left(1).toUpper();
        for (const QLabel* label : dock()->findChildren<QLabel*>())
            if (label->isVisible() && label->buddy())
                letters += label->text().section(u'&', 1).left(1).toUpper();
        for (const QAbstractButton* button : dock()->findChildren<QAbstractButton*>())
            if (button->isVisible())
                letters += button->text().section(u'&', 1).left(1).toUpper();
        for (const QChar letter : letters)
            QVERIFY2(letters.count(letter) == 1, qPrintable(kind->currentText() + QStringLiteral(": Alt+") + letter));

        QWidget* fields = dock()->findChild<QScrollArea*>()->widget();
        QStringList missed;
        for (const QWidget* one : fields->findChildren<QWidget*>())
            if (one->isVisible() && one->isEnabled() && (one->focusPolicy() & Qt::TabFocus) && !one->focusProxy())
                missed << one->accessibleName() + QString::fromLatin1(one->metaObject()->className());
        kind->setFocus();
        missed.removeOne(kind->accessibleName() + QString::fromLatin1(kind->metaObject()->className()));
        for (QPoint before(0, 0); dock()->isAncestorOf(QApplication::focusWidget());) {
            const QWidget* now = QApplication::focusWidget();
            if (!fields->isAncestorOf(now))
                break;
            const QPoint at = now->mapTo(fields, QPoint(0, now->height() / 2));
            const bool sameRow = std::abs(at.y() - before.y()) < 8;
            QVERIFY2(sameRow ? at.x() > before.x() || now == kind : at.y() > before.y(),
                     qPrintable(kind->currentText() + QStringLiteral(": ") + now->accessibleName()));
            missed.removeOne(now->accessibleName() + QString::fromLatin1(now->metaObject()->className()));
            before = at;
            QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
        }
        QVERIFY2(missed.isEmpty(), qPrintable(kind->currentText() + QStringLiteral(": ") + missed.join(QStringLiteral(", "))));
    }
}

void WindowFieldsTest::everyDialog() {
    const QString sample = QStringLiteral(CREST_SOURCE_DIR "/resources/sample/");
    const std::filesystem::path checkpoint = (sample + QStringLiteral("series/sample-seed1/") +
                                              QDir(sample + QStringLiteral("series/sample-seed1")).entryList(QDir::Dirs | QDir::NoDotAndDotDot).front())
                                                 .toStdString();
    const std::vector<study::Task> none;
    const auto check = [](QDialog& dialog, int boxes) {
        dialog.show();
        QVERIFY(QTest::qWaitForWindowExposed(&dialog));
        dialog.activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(&dialog));
        neverAnotherNumber(&dialog, boxes);
    };
    TextDialog text(sample + QStringLiteral("texts/bible.jsonl"), {}, 128, nullptr);
    check(text, 3);
    PromptsDialog prompts(sample + QStringLiteral("tasks/prompts.jsonl"), none, nullptr);
    check(prompts, 2);
    PromptsDialog wrong(sample + QStringLiteral("tuning/glosses.jsonl"), none, nullptr); // without a "text"
    wrong.show();
    const auto labels = wrong.findChildren<QLabel*>();
    const auto isSaid = [&] {
        return std::any_of(labels.begin(), labels.end(), [](const QLabel* label) { return label->text().contains(QStringLiteral("cannot be used")); });
    };
    const auto allFit = [&] { // no line is cut
        return std::all_of(labels.begin(), labels.end(), [](const QLabel* label) {
            return !label->isVisible() || !label->wordWrap() || label->height() >= label->heightForWidth(label->width());
        });
    };
    QTRY_VERIFY_WITH_TIMEOUT(isSaid() && allFit(), kLongMs);
    SuiteDialog suite(none, nullptr);
    check(suite, 2);
    TuningDialog tuning(sample + QStringLiteral("tuning/glosses.jsonl"), none, checkpoint, 128, nullptr);
    check(tuning, 5);
    analysis::Figure figure;
    figure.name = figure.title = "figure";
    figure.provenance = "{}";
    ExportDialog exporting(figure, QStringLiteral("figure"), QDir::tempPath(), nullptr);
    check(exporting, 4);
}

void WindowFieldsTest::theTheory() {
    m_window->actions().at(ActionId::ShowTheory)->trigger();
    auto* controls = m_window->findChild<TheoryControls*>();
    neverAnotherNumber(controls, 3);
    if (QTest::currentTestFailed())
        return;
    auto* change = named<QComboBox>(controls, QStringLiteral("Modification"));
    change->setCurrentIndex(1); // fine-tuning has steps
    Q_EMIT change->activated(1);
    auto* steps = named<LogSlider>(controls, QStringLiteral("Steps K"));
    QVERIFY(steps && steps->isVisible());
    const double before = steps->value();
    steps->field()->selectAll();
    QTest::keyClicks(steps->field(), QStringLiteral("2.5"));
    QTest::keyClick(steps->field(), Qt::Key_Return);
    QCOMPARE(steps->value(), before);
    QVERIFY(says(controls, QStringLiteral("Steps K: a whole number from 1 to 10000, not \"2.5\".")));
    steps->field()->selectAll();
    QTest::keyClicks(steps->field(), QStringLiteral("25"));
    QTest::keyClick(steps->field(), Qt::Key_Return);
    QCOMPARE(steps->value(), 25.0);
    QVERIFY(!says(controls, QStringLiteral("Steps K: a whole number from 1 to 10000, not \"2.5\".")));
}

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    QLocale::setDefault(QLocale::c()); // as the program has it
    WindowFieldsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_fields.moc"
