// SPDX-License-Identifier: GPL-3.0-or-later
// The theory lab in the window: without a study and beside one, by mouse and keys, quick under a slider, exported with its settings.
#include <algorithm>
#include <ctime>
#include <limits>

#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QDockWidget>
#include <QDoubleSpinBox>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSlider>
#include <QSpinBox>
#include <QTabWidget>
#include <QTest>
#include <QWheelEvent>

#include "tests/ui/window/window_fixture.h"
#include "ui/charts/figure_origin.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"
#include "ui/pages/log_slider.h"
#include "ui/pages/spectrum_edit.h"
#include "ui/pages/start_page.h"
#include "ui/pages/theory_controls.h"
#include "ui/pages/theory_page.h"
#include "ui/window/theme.h"

using namespace crest;
using namespace crest::ui;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;
constexpr double kStepMs = 50;

double threadCpuMs() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

/// Counts the panels that have been painted.
class PaintWatch : public QObject {
public:
    explicit PaintWatch(const std::vector<CurvePanel*>& panels) {
        for (CurvePanel* panel : panels) {
            panel->viewport()->installEventFilter(this);
            m_waiting.push_back(panel->viewport());
        }
        m_all = m_waiting;
    }
    void restart() { m_waiting = m_all; }
    bool done() const { return m_waiting.empty(); }

protected:
    bool eventFilter(QObject* watched, QEvent* event) override {
        if (event->type() == QEvent::Paint)
            std::erase(m_waiting, watched);
        return false;
    }

private:
    std::vector<QObject*> m_all, m_waiting;
};

struct Lab {
    MainWindow window;
    TheoryPage* page;
    TheoryControls* controls;

    Lab() {
        window.resize(1280, 800);
        window.show();
        if (!QTest::qWaitForWindowExposed(&window))
            qWarning("the window was not shown");
        window.actions().at(ActionId::ShowTheory)->trigger();
        page = window.findChild<TheoryPage*>();
        controls = page->controls();
    }
    bool complete() const {
        return QTest::qWaitFor([this] { return page->isComplete(); }, kLongMs);
    }
    void preset(int index) const {
        auto* box = named<QComboBox>(controls, QStringLiteral("Preset"));
        box->setCurrentIndex(index);
        Q_EMIT box->activated(index);
    }
    QString sentence() const { return named<QLabel>(page, QStringLiteral("What the settings show"))->text(); }
    LogSlider* slider(const QString& name) const { return named<LogSlider>(controls, name); }
};

std::vector<double> dotsOf(const analysis::FigurePanel& panel, const std::string& id) {
    std::vector<double> out;
    for (const analysis::FigureCurve& curve : panel.curves)
        for (const auto& segment : curve.segments)
            if (curve.id == id && segment.size() == 1)
                out.push_back(segment.front().y);
    return out;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// From each of 20 equal steps to the last panel painted: the median processor time of the window's thread, in milliseconds.
double medianStepMs(const Lab& lab, QSlider* handle) {
    PaintWatch painted(lab.page->grid()->panels());
    std::vector<double> cpu, wall;
    for (int i = 0; i < 20; ++i) {
        painted.restart();
        QElapsedTimer clock;
        clock.start();
        const double before = threadCpuMs();
        handle->setValue(handle->value() + (i % 2 == 0 ? 3 : -2));
        while (!painted.done() && clock.elapsed() < kLongMs)
            QCoreApplication::processEvents();
        cpu.push_back(threadCpuMs() - before);
        wall.push_back(static_cast<double>(clock.nsecsElapsed()) * 1e-6);
        if (!painted.done())
            return std::numeric_limits<double>::infinity();
    }
    qInfo("a slider step with repaint: median %.1f ms of processor time, %.1f on the clock", median(cpu), median(wall));
    return median(cpu);
}

} // namespace

class TheoryWindowTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void worksWithoutAStudy();
    void standsBesideAStudy();
    void closedFormAndSimulation();
    void modifications();
    void aSliderStepIsQuick_data();
    void aSliderStepIsQuick();
    void handlesAreDragged();
    void everythingByKeys();
    void theWheelPassesFields();
    void numbersAreTyped();
    void refusalsAreRead();
    void ownStopsAndModes();
    void exportsWithItsSettings();
    void followsTheTheme_data();
    void followsTheTheme();
};

void TheoryWindowTest::worksWithoutAStudy() {
    Lab lab;
    QVERIFY(lab.page->isVisible() && !lab.window.session().isOpen());
    auto* tabs = lab.window.findChild<QTabWidget*>();
    int visible = 0;
    for (int i = 0; i < tabs->count(); ++i)
        visible += tabs->isTabVisible(i);
    QCOMPARE(visible, 1);
    for (const QDockWidget* dock : lab.window.findChildren<QDockWidget*>())
        QVERIFY(!dock->isVisible());
    QVERIFY(lab.complete());
    QVERIFY(lab.window.actions().at(ActionId::Export)->isEnabled());
    QVERIFY(!lab.window.actions().at(ActionId::LogX)->isEnabled()); // that of the curves page
    QPushButton* back = nullptr;
    for (QPushButton* button : lab.page->findChildren<QPushButton*>())
        if (button->text() == QStringLiteral("Start page"))
            back = button;
    QVERIFY(back && back->isVisible());
    back->click();
    QVERIFY(lab.window.findChild<StartPage*>()->isVisible());
    QVERIFY(!lab.window.actions().at(ActionId::Export)->isEnabled());
    // The start page names it, and closing leads back, too.
    named<QWidget>(lab.window.findChild<StartPage*>(), QStringLiteral("Theory lab"))->setFocus();
    QTest::keyClick(lab.window.focusWidget(), Qt::Key_Space);
    QVERIFY(lab.page->isVisible());
    lab.window.actions().at(ActionId::CloseStudy)->trigger();
    QVERIFY(lab.window.findChild<StartPage*>()->isVisible());
}

void TheoryWindowTest::standsBesideAStudy() {
    Lab lab;
    crest::test::SeriesFixture fixture;
    lab.window.session().open(fixture.seriesFolder);
    QTRY_VERIFY_WITH_TIMEOUT(lab.window.session().isOpen(), kLongMs);
    auto* tabs = lab.window.findChild<QTabWidget*>();
    QTRY_VERIFY(!lab.page->isVisible()); // what was opened is shown
    for (int i = 0; i < tabs->count(); ++i)
        QVERIFY(tabs->isTabVisible(i));
    QVERIFY(!lab.window.actions().at(ActionId::Export)->isEnabled()); // no curves yet
    lab.window.actions().at(ActionId::ShowTheory)->trigger();
    QVERIFY(lab.page->isVisible() && lab.window.actions().at(ActionId::Export)->isEnabled());
    QVERIFY(lab.complete());
    lab.window.actions().at(ActionId::ShowCurves)->trigger();
    QVERIFY(!lab.page->isVisible() && !lab.window.actions().at(ActionId::Export)->isEnabled());
}

void TheoryWindowTest::closedFormAndSimulation() {
    Lab lab;
    QVERIFY(lab.complete());
    QVERIFY2(lab.sentence().startsWith(QStringLiteral("Inflection at mode 5, because σ₅ = 0.4 < 2dγ² = 0.48")), qPrintable(lab.sentence()));
    const std::vector<double> expected{3.8297, 2.4147, 1.9991, 1.9270, 1.9448, 1.9728};
    std::vector<double> sampled = dotsOf(lab.page->figure().panels[3], "chosen");
    QCOMPARE(sampled.size(), 6u);
    for (std::size_t i = 0; i < 6; ++i)
        QVERIFY(std::abs(sampled[i] / expected[i] - 1) < 0.015);
    // A slider takes the dots of its own curve away until the Monte Carlo has them; the others stay.
    lab.slider(QStringLiteral("Noise γ"))->slider()->setValue(30);
    QVERIFY(dotsOf(lab.page->figure().panels[3], "chosen").empty());
    QCOMPARE(dotsOf(lab.page->figure().panels[3], "strength=4").size(), 6u);
    QVERIFY(lab.complete());
    QCOMPARE(dotsOf(lab.page->figure().panels[3], "chosen").size(), 6u);
    QVERIFY2(lab.sentence().startsWith(QStringLiteral("No inflection: every σ is above")), qPrintable(lab.sentence()));
}

void TheoryWindowTest::modifications() {
    Lab lab;
    lab.preset(1);
    QVERIFY2(lab.sentence().startsWith(QStringLiteral("Inflection at mode 5: once learned")), qPrintable(lab.sentence()));
    QCOMPARE(lab.page->figure().panels[2].badge, std::string("ID"));
    QVERIFY(lab.slider(QStringLiteral("Learning rate η"))->isVisible() && lab.slider(QStringLiteral("Steps K"))->isVisible());
    QVERIFY(!lab.slider(QStringLiteral("Noise γ"))->isVisible() && !lab.slider(QStringLiteral("Pull λ"))->isVisible());
    auto* change = named<QComboBox>(lab.controls, QStringLiteral("Modification"));
    change->setCurrentIndex(2);
    Q_EMIT change->activated(2);
    QVERIFY(lab.slider(QStringLiteral("Pull λ"))->isVisible());
    QCOMPARE(lab.slider(QStringLiteral("Steps K"))->value(), 5000.0);
    QVERIFY2(lab.sentence().contains(QStringLiteral("Computed: the pretraining loss is least with 3 features learned")), qPrintable(lab.sentence()));
    lab.slider(QStringLiteral("Pull λ"))->slider()->setValue(0);
    for (QPushButton* button : lab.controls->findChildren<QPushButton*>())
        button->click(); // Reset
    QVERIFY(lab.controls->state() == analysis::theoryPresets()[1].state);
}

void TheoryWindowTest::aSliderStepIsQuick_data() {
    QTest::addColumn<int>("preset");
    QTest::addColumn<QString>("slider");
    QTest::newRow("noise") << 0 << "Noise γ";
    QTest::newRow("fine-tuning") << 1 << "Learning rate η";
    QTest::newRow("pulled, 5000 steps") << 2 << "Pull λ";
    QTest::newRow("start") << 2 << "Start s0";
}

/// Load beside it (shared cores and caches) lengthens processor time, too: a slow round is repeated, and what is slow by itself
/// is slow in every round.
void TheoryWindowTest::aSliderStepIsQuick() {
    QFETCH(int, preset);
    QFETCH(QString, slider);
    Lab lab;
    lab.preset(preset);
    QVERIFY(lab.complete());
    QTest::qWait(200);
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < 5 && least >= kStepMs; ++round)
        least = std::min(least, medianStepMs(lab, lab.slider(slider)->slider()));
    QVERIFY2(least < kStepMs, qPrintable(QString::number(least)));
}

void TheoryWindowTest::handlesAreDragged() {
    Lab lab;
    lab.preset(1);
    auto* spectra = lab.controls->findChild<SpectrumEdit*>();
    const auto drag = [&](int mode, bool target, double y) {
        const QPoint from = spectra->handleAt(mode, target).toPoint();
        QTest::mousePress(spectra, Qt::LeftButton, Qt::NoModifier, from);
        QTest::mouseMove(spectra, QPoint(from.x(), static_cast<int>(y)));
        QTest::mouseRelease(spectra, Qt::LeftButton, Qt::NoModifier, QPoint(from.x(), static_cast<int>(y)));
    };
    drag(2, false, spectra->handleAt(2, false).y() - 8);
    const double moved = lab.controls->state().model.sigma[2];
    QVERIFY(moved > 1.2 && moved < 2);
    QCOMPARE(lab.page->figure().panels[0].curves[0].segments[0][2].y, moved);
    drag(2, false, 0); // as far as its neighbour lets it
    QVERIFY(std::abs(lab.controls->state().model.sigma[2] - 1.99) < 1e-9);
    drag(0, true, 0);
    QCOMPARE(lab.controls->state().model.target[0], SpectrumEdit::kTop);
    drag(5, false, spectra->height());
    QVERIFY(std::abs(lab.controls->state().model.sigma[5] - SpectrumEdit::kBottom) < 1e-9);
}

void TheoryWindowTest::everythingByKeys() {
    Lab lab;
    lab.preset(1);
    auto* spectra = lab.controls->findChild<SpectrumEdit*>();
    spectra->setFocus();
    for (const auto key : {Qt::Key_Right, Qt::Key_Up, Qt::Key_PageUp, Qt::Key_Down})
        QTest::keyClick(spectra, key);
    QVERIFY(std::abs(lab.controls->state().model.sigma[1] - 2.2) < 1e-9);
    QTest::keyClick(spectra, Qt::Key_Space);
    QTest::keyClick(spectra, Qt::Key_Down);
    QVERIFY(std::abs(lab.controls->state().model.target[1] - 0.38) < 1e-9);
    QVERIFY(spectra->accessibleDescription().endsWith(QStringLiteral("Mode 2, σ' 0.38")));
    LogSlider* rate = lab.slider(QStringLiteral("Learning rate η"));
    const double before = rate->value();
    QTest::keyClick(rate->slider(), Qt::Key_Right);
    QVERIFY(rate->value() > before && lab.controls->state().tuning.rate == rate->value());
    // Tab reaches every field that is shown, each with a name.
    QSet<QWidget*> reached;
    spectra->setFocus();
    for (int i = 0; i < 60; ++i) {
        QTest::keyClick(lab.window.focusWidget(), Qt::Key_Tab);
        reached.insert(lab.window.focusWidget());
    }
    for (QWidget* field : lab.controls->findChildren<QWidget*>())
        if (field->isVisible() && (qobject_cast<QSlider*>(field) || qobject_cast<QComboBox*>(field) || qobject_cast<QAbstractSpinBox*>(field) ||
                                   qobject_cast<SpectrumEdit*>(field))) {
            QVERIFY2(!field->accessibleName().isEmpty(), field->metaObject()->className());
            QVERIFY2(reached.contains(field), qPrintable(field->accessibleName()));
        }
}

/// On the way through the column it changes no setting; one that was clicked takes it.
void TheoryWindowTest::theWheelPassesFields() {
    Lab lab;
    lab.preset(1);
    const auto turn = [](QWidget* field) {
        QWheelEvent wheel(field->rect().center(), field->mapToGlobal(field->rect().center()), {}, {0, -120}, Qt::NoButton, Qt::NoModifier,
                          Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(field, &wheel);
    };
    auto* modes = named<QSpinBox>(lab.controls, QStringLiteral("Number of modes d"));
    const QList<QWidget*> fields{named<QComboBox>(lab.controls, QStringLiteral("Modification")), modes,
                                 lab.slider(QStringLiteral("Learning rate η"))->slider()};
    for (QWidget* field : fields)
        QVERIFY2(!(field->focusPolicy() & Qt::WheelFocus & ~Qt::StrongFocus), qPrintable(field->accessibleName()));
    lab.controls->findChild<SpectrumEdit*>()->setFocus();
    for (QWidget* field : fields)
        turn(field);
    QVERIFY(lab.controls->state() == analysis::theoryPresets()[1].state);
    modes->setFocus();
    turn(modes);
    QCOMPARE(modes->value(), 5);
    // Fields of the probe, too.
    for (QComboBox* box : lab.window.findChild<ProbeDock*>()->findChildren<QComboBox*>())
        QVERIFY2(box->focusPolicy() == Qt::StrongFocus || !box->isVisible(), qPrintable(box->accessibleName()));
}

void TheoryWindowTest::numbersAreTyped() {
    Lab lab;
    LogSlider* gamma = lab.slider(QStringLiteral("Noise γ"));
    const auto type = [](QLineEdit* field, const QString& text) {
        field->setFocus();
        field->selectAll();
        QTest::keyClicks(field, text);
        QTest::keyClick(field, Qt::Key_Return);
    };
    type(gamma->field(), QStringLiteral("0.1234"));
    QCOMPARE(lab.controls->state().gamma, 0.1234); // not the slider's nearest step
    for (const char* bad : {"0", "-1", "abc", "1e9", ""})
        type(gamma->field(), QString::fromLatin1(bad));
    QCOMPARE(lab.controls->state().gamma, 0.1234);
    QCOMPARE(gamma->field()->text(), QStringLiteral("0.1234"));
    auto* ladder = named<QLineEdit>(lab.controls, QStringLiteral("Strengths to compare with"));
    type(ladder, QStringLiteral("0.3, 0.1"));
    QVERIFY(lab.controls->state().gammas == (std::vector<double>{0.1, 0.3}));
    QCOMPARE(lab.page->figure().panels[3].curves.size(), 4u); // base, two, chosen
    ladder->setFocus();
    ladder->selectAll();
    QTest::keyClicks(ladder, QStringLiteral("0.1 much"));
    bool said = false;
    for (const QLabel* label : lab.controls->findChildren<QLabel*>())
        said = said || (label->isVisible() && label->text().startsWith(QStringLiteral("\"much\" is no number")));
    QVERIFY(said);
    auto* sigma = named<QDoubleSpinBox>(lab.controls, QStringLiteral("σ of the mode"));
    named<QSpinBox>(lab.controls, QStringLiteral("Mode that is edited"))->setValue(3);
    QCOMPARE(sigma->value(), 1.2);
    sigma->setValue(1.5);
    QCOMPARE(lab.controls->state().model.sigma[2], 1.5);
    sigma->setValue(4); // above its neighbour
    QCOMPARE(sigma->value(), 1.99);
}

/// With its lines in full, whatever rows are shown.
void TheoryWindowTest::refusalsAreRead() {
    Lab lab;
    for (int preset = 0; preset < 3; ++preset) {
        lab.preset(preset);
        LogSlider* slider = lab.slider(preset == 0 ? QStringLiteral("Noise γ") : QStringLiteral("Learning rate η"));
        slider->field()->setFocus();
        for (const char* bad : {"nan", "-1", "1e9"}) {
            slider->field()->selectAll();
            QTest::keyClicks(slider->field(), QString::fromLatin1(bad));
            QTest::keyClick(slider->field(), Qt::Key_Return);
            QTest::qWait(50); // the row gets its place
            const QLabel* said = nullptr;
            for (const QLabel* label : lab.controls->findChildren<QLabel*>())
                if (label->isVisible() && label->text().contains(QStringLiteral(": a number from ")))
                    said = label;
            QVERIFY2(said && said->text().endsWith(QStringLiteral("not \"%1\".").arg(QString::fromLatin1(bad))), bad);
            QVERIFY2(said->height() >= said->heightForWidth(said->width()), qPrintable(QStringLiteral("%1: %2").arg(preset).arg(said->height())));
        }
    }
}

void TheoryWindowTest::ownStopsAndModes() {
    Lab lab;
    auto* modes = named<QSpinBox>(lab.controls, QStringLiteral("Number of modes d"));
    modes->setValue(8);
    QVERIFY(lab.controls->state().model.sigma == (std::vector<double>{3, 2, 1.2, 0.7, 0.4, 0.2, 0.1, 0.05}));
    QCOMPARE(lab.page->figure().panels[1].curves.size(), 8u);
    modes->setValue(12); // the next would be too small to tell from 0
    QCOMPARE(modes->value(), 9);
    const QList<QLabel*> labels = lab.controls->findChildren<QLabel*>();
    QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) {
        return label->isVisible() && label->text().startsWith(QStringLiteral("9 modes: half of the last one's σ would be below 0.02"));
    }));
    modes->setValue(3);
    auto* stops = named<QComboBox>(lab.controls, QStringLiteral("Where pretraining stops"));
    stops->setCurrentIndex(1);
    Q_EMIT stops->activated(1);
    QCOMPARE(lab.controls->state().model.stops.size(), 24u);
    const double last = lab.controls->state().model.stops.back();
    lab.controls->findChild<SpectrumEdit*>()->moveTo(2, false, 0.8);
    QVERIFY(lab.controls->state().model.stops.back() > last); // follows the spectrum: a weaker last mode takes longer
    QVERIFY(lab.complete());
    QCOMPARE(dotsOf(lab.page->figure().panels[3], "chosen").size(), 24u);
}

void TheoryWindowTest::exportsWithItsSettings() {
    Lab lab;
    QVERIFY(lab.complete());
    QTemporaryDir dir;
    lab.window.actions().at(ActionId::Export)->trigger();
    auto* dialog = lab.window.findChild<ExportDialog*>();
    QVERIFY(dialog);
    named<QLineEdit>(dialog, QStringLiteral("Folder"))->setText(dir.path());
    QCOMPARE(named<QLineEdit>(dialog, QStringLiteral("File name without ending"))->text(), QStringLiteral("theory"));
    for (QCheckBox* box : dialog->findChildren<QCheckBox*>())
        box->setChecked(box->text().size() == 3); // formats
    for (QPushButton* button : dialog->findChildren<QPushButton*>())
        if (button->text() == QStringLiteral("Export"))
            button->click();
    for (const char* ending : {"pdf", "svg", "png", "csv", "tex"}) {
        const QString path = dir.filePath(QStringLiteral("theory.") + QString::fromLatin1(ending));
        QTRY_VERIFY2_WITH_TIMEOUT(QFile::exists(path), ending, kLongMs);
        const auto record = readFigureRecord(path);
        QVERIFY2(record.has_value(), ending);
        QCOMPARE((*record)["provenance"]["theory"]["gamma"].get<double>(), 0.2);
        const QString words = QString::fromStdString(explainRecord(*record, "theory"));
        QVERIFY(words.contains(QStringLiteral("theory.s0: 1e-08")) && words.contains(QStringLiteral("data: none")));
    }
}

void TheoryWindowTest::followsTheTheme_data() {
    QTest::addColumn<int>("theme");
    QTest::addColumn<int>("preset");
    for (int preset = 0; preset < 3; ++preset) {
        QTest::addRow("light-%d", preset) << static_cast<int>(Theme::Light) << preset;
        QTest::addRow("dark-%d", preset) << static_cast<int>(Theme::Dark) << preset;
    }
}

/// With CREST_SCREENSHOTS=FOLDER the pictures are kept.
void TheoryWindowTest::followsTheTheme() {
    QFETCH(int, theme);
    QFETCH(int, preset);
    applyTheme(*static_cast<QApplication*>(QCoreApplication::instance()), static_cast<Theme>(theme));
    Lab lab;
    lab.preset(preset);
    QVERIFY(lab.complete());
    QTest::qWait(100);
    auto* spectra = lab.controls->findChild<SpectrumEdit*>();
    for (QWidget* widget : {static_cast<QWidget*>(spectra), static_cast<QWidget*>(lab.page->grid())}) {
        const QColor ground = widget->grab().toImage().pixelColor(2, 2);
        QVERIFY2(static_cast<Theme>(theme) == Theme::Dark ? ground.lightness() < 80 : ground.lightness() > 200, qPrintable(ground.name()));
    }
    if (const QString folder = qEnvironmentVariable("CREST_SCREENSHOTS"); !folder.isEmpty())
        QVERIFY(lab.window.grab().save(QDir(folder).filePath(QStringLiteral("theory-%1.png").arg(QLatin1String(QTest::currentDataTag())))));
    applyTheme(*static_cast<QApplication*>(QCoreApplication::instance()), Theme::Light);
}

int main(int argc, char** argv) {
    QTemporaryDir home;
    for (const char* variable : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    TheoryWindowTest test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_window_theory.moc"
