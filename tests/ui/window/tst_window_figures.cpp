// SPDX-License-Identifier: GPL-3.0-or-later
// The figures of a fine-tuning sweep on the curves page, on results of the pretending runner: each is chosen, shown, hovered and
// exported; what the shown run cannot give is not offered. An export of all panels is whole, or ends where it is cancelled.
#include <cmath>

#include <QAction>
#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QImage>
#include <QLabel>
#include <QLineEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalSpy>
#include <QSlider>
#include <QTest>
#include <QTimer>

#include "core/run/executor.h"
#include "core/study/runs.h"
#include "tests/support/pretend_runner.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/charts/figure_export.h"
#include "ui/charts/figure_origin.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"

using namespace crest;
using namespace crest::ui;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;

/// Four runs in one study: noise, tuning with a pull to the start, an interpolation, plain tuning; the largest rate diverges.
/// Or `wanted` of them, in this order.
std::string measuredStudy(const QString& path, const std::vector<int>& wanted = {0, 1, 2, 3}) {
    pretend::Shape shape;
    shape.checkpoints = 5;
    const auto folder = study::StudyFolder::create(path.toStdString(), pretend::makeStudy(shape));
    if (!folder)
        return folder.error().text();
    const std::vector<double> ladders[] = {{0.05, 0.1}, {0.1, 0.2}, {0.25, 0.5, 1}, {0.1, 0.2, 0.4}};
    for (const int i : wanted) {
        shape.tuning = i > 0;
        shape.pull = i == 1 ? 0.5 : 0;
        shape.mixedRate = i == 2 ? 0.2 : 0;
        shape.strengths = ladders[i];
        if (const auto queued = study::queueRun(*folder, pretend::makePlan(shape)); !queued)
            return queued.error().text();
        run::WorkOptions options;
        options.workers = 2;
        options.threadsPerWorker = 1;
        if (const auto done = run::workStudy(*folder, options, pretend::makeFactory({.notFiniteStrength = 0.4}), {}); !done)
            return done.error().text();
    }
    return {};
}

void choose(QComboBox* box, const QString& data) {
    const int at = box->findData(data);
    QVERIFY2(at >= 0, qPrintable(data));
    box->setCurrentIndex(at);
    Q_EMIT box->activated(at);
}

/// On the screen, with the figure and each of its panels to come into `folder`, as PDF and PNG.
std::unique_ptr<ExportDialog> openExport(const analysis::Figure& figure, const QString& folder) {
    auto dialog = std::make_unique<ExportDialog>(figure, QStringLiteral("figure"), folder, nullptr);
    named<QLineEdit>(dialog.get(), QStringLiteral("Folder"))->setText(folder);
    for (QCheckBox* box : dialog->findChildren<QCheckBox*>()) {
        const bool isFormat = box->text().size() == 3; // else: each panel
        box->setChecked(!isFormat || box->text() == QStringLiteral("PDF") || box->text() == QStringLiteral("PNG"));
    }
    dialog->open();
    return dialog;
}

/// What openExport writes of a figure with two panels, in this order.
QStringList exportedNames() {
    QStringList out;
    for (const char* stem : {"figure", "figure-panel1", "figure-panel2"})
        for (const char* ending : {".pdf", ".png"})
            out << QString::fromLatin1(stem) + QString::fromLatin1(ending);
    return out;
}

void press(const QWidget* dialog, const QString& text) {
    for (QPushButton* button : dialog->findChildren<QPushButton*>())
        if (button->text() == text)
            return button->click();
    QFAIL(qPrintable(text));
}

void isWhole(const QString& path) {
    QVERIFY2(readFigureRecord(path).has_value(), qPrintable(path));
    QFile file(path);
    QVERIFY2(file.open(QIODevice::ReadOnly), qPrintable(path));
    const QByteArray bytes = file.readAll();
    if (path.endsWith(QStringLiteral(".png")))
        QVERIFY2(bytes.endsWith(QByteArray::fromHex("49454e44ae426082")) && !QImage::fromData(bytes).isNull(), qPrintable(path));
    else
        QVERIFY2(bytes.startsWith("%PDF") && bytes.trimmed().endsWith("%%EOF"), qPrintable(path));
}

} // namespace

class WindowFiguresTest : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::unique_ptr<MainWindow> m_window;
    CurvesPage* m_page = nullptr;

    QComboBox* figures() const { return named<QComboBox>(m_window.get(), QStringLiteral("Figure that is shown")); }
    QComboBox* strengths() const { return named<QComboBox>(m_window.get(), QStringLiteral("Strength that is shown")); }
    /// True when the figure of this name is on the screen.
    bool isShown(const char* name) const {
        return QTest::qWaitFor([&] { return m_page->figure().name == name && m_page->hasFigure() && m_page->grid()->isUpToDate(); }, kLongMs);
    }
    QComboBox* budgets() const { return named<QComboBox>(m_window.get(), QStringLiteral("Budget that is shown")); }
    QAction* action(ActionId id) const { return m_window->actions().at(id); }

private Q_SLOTS:
    void initTestCase() {
        const QString study = m_dir.filePath(QStringLiteral("study"));
        const std::string problem = measuredStudy(study);
        QVERIFY2(problem.empty(), problem.c_str());
        m_window = std::make_unique<MainWindow>();
        m_window->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
        m_page = m_window->findChild<CurvesPage*>();
        m_window->session().open(study);
        QVERIFY(isShown("curves"));
        QTRY_COMPARE_WITH_TIMEOUT(m_window->session().runs().size(), std::size_t(4), kLongMs);
        m_window->session().showRun(QString::fromStdString(m_window->session().runs().back().id));
        QTRY_COMPARE_WITH_TIMEOUT(figures()->count(), 10, kLongMs);
    }
    void cleanupTestCase() { m_window.reset(); }

    void eachIsShownAndExported_data() {
        QTest::addColumn<int>("panels");
        for (const auto& [name, panels] : {std::pair{"envelope", 2}, std::pair{"chosen-rate", 1}, std::pair{"decomposition", 2},
                                           std::pair{"rate-map", 2}, std::pair{"trade-off", 1}, std::pair{"figure-2", 2}, std::pair{"figure-4", 1},
                                           std::pair{"figure-5", 1}, std::pair{"figure-6", 2}, std::pair{"curves", 2}})
            QTest::newRow(name) << panels;
    }
    void eachIsShownAndExported() {
        QFETCH(int, panels);
        const char* name = QTest::currentDataTag();
        QVERIFY(figures()->isVisible());
        choose(figures(), QString::fromLatin1(name));
        QVERIFY2(isShown(name), qPrintable(QString::fromStdString(m_page->figure().name)));
        QCOMPARE(static_cast<int>(m_page->figure().panels.size()), panels);
        QCOMPARE(strengths()->isVisible(), std::string(name) == "decomposition" || std::string(name) == "trade-off");
        QCOMPARE(budgets()->isVisible(), std::string(name) == "trade-off");
        QCOMPARE(named<QComboBox>(m_window.get(), QStringLiteral("Quantity on the x axis"))->isVisible(), std::string(name) != "trade-off");
        QVERIFY(!m_window->grab().isNull());
        for (const FigureFormat format : {FigureFormat::Pdf, FigureFormat::Svg}) {
            ExportOptions options;
            options.format = format;
            const auto bytes = renderFigure(m_page->figureForExport(), options);
            QVERIFY2(bytes.has_value(), name);
            QVERIFY(bytes->size() > 2000 && !bytes->contains("<image")); // vectors only
            QVERIFY2(bytes->contains(QByteArray("--figure ") + name), name);
        }
    }

    /// Also while a run is shown that nothing else can be drawn with.
    void runsOfAnotherKindSayWhatTellsThemApart() {
        const QString study = m_dir.filePath(QStringLiteral("noise last"));
        const std::string problem = measuredStudy(study, {1, 3, 0});
        QVERIFY2(problem.empty(), problem.c_str());
        MainWindow window;
        window.show();
        window.session().open(study);
        const auto* runs = named<QComboBox>(&window, QStringLiteral("Run whose curves are shown"));
        QTRY_COMPARE_WITH_TIMEOUT(runs->count(), 3, kLongMs);
        QVERIFY(runs->itemText(0).startsWith(QStringLiteral("noise, ")));
        QTRY_VERIFY_WITH_TIMEOUT(runs->itemText(1).startsWith(QStringLiteral("task 0: plain fine-tuning (tuning, ")), kLongMs);
        QVERIFY2(runs->itemText(2).startsWith(QStringLiteral("task 0: L2 to the start 0.5 (tuning, ")), qPrintable(runs->itemText(2)));
    }

    /// What one panel says at length stands below all, so that no row of plots is lower than another; on paper it stays in its panel.
    void longNotesStandBelow() {
        choose(figures(), QStringLiteral("envelope"));
        QVERIFY(isShown("envelope"));
        const auto* below = named<QLabel>(m_window.get(), QStringLiteral("What the curves show"));
        QVERIFY2(below && below->text().contains(QStringLiteral("\ntask 0: ")), qPrintable(below->text()));
        for (const analysis::FigurePanel& panel : m_page->figure().panels)
            QVERIFY(panel.notes.size() <= 1);
        const analysis::Figure paper = m_page->figureForExport();
        QVERIFY(paper.panels.front().notes.size() > 1);
        for (const std::string& note : paper.panels.front().notes)
            QVERIFY2(below->text().contains(QString::fromStdString(note)), note.c_str());
    }

    /// Where their place alone gets narrower, too: none of their lines is cut off.
    void theNotesHaveRoomForTheirLines() {
        choose(figures(), QStringLiteral("envelope"));
        QVERIFY(isShown("envelope"));
        auto* below = named<QLabel>(m_window.get(), QStringLiteral("What the curves show"));
        auto* area = qobject_cast<QScrollArea*>(below->parentWidget()->parentWidget());
        QVERIFY(area && area->isVisible());
        const QString whole = below->text();
        below->setText(QStringLiteral("some words"));
        area->resize(area->width() - 1, area->height());
        const int oneLine = area->height();
        QCOMPARE(oneLine, below->heightForWidth(area->width()));
        area->resize(below->fontMetrics().horizontalAdvance(QStringLiteral("some wor")), oneLine);
        QVERIFY2(area->maximumHeight() >= oneLine + below->fontMetrics().height(), qPrintable(QString::number(area->maximumHeight())));
        below->setText(whole);
        area->resize(m_page->width(), area->height());
    }

    void theMapIsHoveredByMouseAndKeys() {
        choose(figures(), QStringLiteral("rate-map"));
        QVERIFY(isShown("rate-map"));
        QVERIFY(action(ActionId::ShowChange)->isChecked());
        CurvePanel* panel = m_page->grid()->panels().at(1);
        const auto& fields = panel->panel().cells;
        QCOMPARE(fields.size(), std::size_t(15));
        const PanelChart* chart = panel->chart();
        QVERIFY(chart->margins().right > 3 * chart->style().em); // the scale of the colours has its room
        panel->setFocus();
        QTest::keyClick(panel, Qt::Key_Right); // the first field, then on from there
        QVERIFY2(panel->hoverText().contains(QStringLiteral("change from base")), qPrintable(panel->hoverText()));
        for (const int key : {Qt::Key_Up, Qt::Key_Up, Qt::Key_Right})
            QTest::keyClick(panel, static_cast<Qt::Key>(key));
        QVERIFY2(panel->hoverText().contains(QStringLiteral("= 0.4, 2M tokens")), qPrintable(panel->hoverText()));
        QVERIFY(panel->hoverText().contains(QStringLiteral("no finite value"))); // and no number
        QSignalSpy pinned(panel, &CurvePanel::pointPinned);
        QTest::keyClick(panel, Qt::Key_Return);
        QCOMPARE(pinned.count(), 1);
        QVERIFY(pinned.front().front().toString().contains(QStringLiteral("learning rate 0.4")));
        // A finite field has its colour on the screen, one that diverged the ground beside its cross.
        const auto colorAt = [&](const analysis::FigureCell& field) {
            const analysis::XY at{analysis::axisPosition(panel->panel().x, std::sqrt(field.left * field.point.x)),
                                  analysis::axisPosition(panel->panel().y, std::sqrt(field.bottom * field.point.y))};
            const QPoint place = panel->mapFromScene(chart->toItem(at));
            return panel->viewport()->grab().toImage().pixelColor(place * panel->devicePixelRatioF());
        };
        const auto isGround = [&](const QColor& color) { return color == chart->style().theme.ground || color == chart->style().theme.tint; };
        for (const analysis::FigureCell& field : fields)
            QVERIFY2(isGround(colorAt(field)) == !field.value.has_value(), qPrintable(colorAt(field).name()));
        QTest::keyClick(panel, Qt::Key_Escape);
        // The other figures keep what they showed.
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves") && action(ActionId::ShowValue)->isChecked());
    }

    void oneStrengthIsDecomposed() {
        choose(figures(), QStringLiteral("decomposition"));
        QVERIFY(isShown("decomposition"));
        QCOMPARE(strengths()->currentData().toDouble(), 0.2); // the middle
        QVERIFY(m_page->figure().panels.front().title.find("learning rate 0.2") != std::string::npos);
        strengths()->setCurrentIndex(0);
        Q_EMIT strengths()->activated(0);
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().panels.front().title.find("learning rate 0.1") != std::string::npos, kLongMs);
    }

    void tradeOffAtARateAndABudget() {
        choose(figures(), QStringLiteral("trade-off"));
        QVERIFY(isShown("trade-off"));
        // Runs say what tells them apart.
        const auto* runs = named<QComboBox>(m_window.get(), QStringLiteral("Run whose curves are shown"));
        QCOMPARE(runs->count(), 4);
        QVERIFY2(runs->itemText(0).startsWith(QStringLiteral("task 0: plain fine-tuning (tuning, ")), qPrintable(runs->itemText(0)));
        QVERIFY2(runs->itemText(1).startsWith(QStringLiteral("task 0: interpolation, tuned at 0.2 (interpolation, ")), qPrintable(runs->itemText(1)));
        QVERIFY(runs->itemText(2).startsWith(QStringLiteral("task 0: L2 to the start 0.5 (tuning, ")));
        QVERIFY(runs->itemText(3).startsWith(QStringLiteral("noise, ")));
        // Each at its own best rate, or where two settings were tried: 0.4 was tuned plainly only.
        QCOMPARE(strengths()->count(), 3);
        QCOMPARE(strengths()->currentText(), QStringLiteral("each setting's rate best in ID"));
        QCOMPARE(budgets()->count(), 5);
        QCOMPARE(budgets()->currentText(), QStringLiteral("16M tokens")); // the largest
        const auto titled = [this](const char* end) {
            return QTest::qWaitFor([&] { return QString::fromStdString(m_page->figure().panels.front().title).endsWith(QLatin1String(end)); }, kLongMs);
        };
        QVERIFY(titled("at rates best in ID, 16M tokens"));
        strengths()->setCurrentIndex(2);
        Q_EMIT strengths()->activated(2);
        QVERIFY(titled("at rate 0.2, 16M tokens"));
        budgets()->setCurrentIndex(0);
        Q_EMIT budgets()->activated(0);
        QVERIFY(titled("at rate 0.2, 1M tokens"));
        strengths()->setCurrentIndex(1);
        Q_EMIT strengths()->activated(1);
        QVERIFY(titled("at rate 0.1, 1M tokens"));
        // Dots are hovered like points; one that is pinned tells its own run.
        QTRY_VERIFY(m_page->grid()->isUpToDate());
        CurvePanel* panel = m_page->grid()->panels().at(0);
        panel->setFocus();
        QTest::keyClick(panel, Qt::Key_Right);
        QTest::keyClick(panel, Qt::Key_Escape);
        const auto& curves = panel->panel().curves;
        const auto pulled = std::find_if(curves.begin(), curves.end(), [](const auto& curve) { return curve.id == "l2"; });
        QVERIFY(pulled != curves.end());
        const analysis::FigurePoint& dot = pulled->segments.front().front();
        QCOMPARE(dot.label, std::string("0.5"));
        QVERIFY(dot.xLow && dot.low);
        const QPoint place = panel->mapFromScene(panel->chart()->toItem(
            {analysis::axisPosition(panel->panel().x, dot.x), analysis::axisPosition(panel->panel().y, dot.y)}));
        QTest::mouseMove(panel->viewport(), place);
        QTRY_VERIFY2(panel->hoverText().contains(QStringLiteral("minus plain fine-tuning, paired")), qPrintable(panel->hoverText()));
        // Against plain, which is at 0.
        action(ActionId::ShowChange)->trigger();
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().panels.front().title.find("change from plain") != std::string::npos, kLongMs);
        // What was chosen stays for the next look; the decomposition has its own strength.
        choose(figures(), QStringLiteral("decomposition"));
        QVERIFY(isShown("decomposition"));
        QVERIFY(!budgets()->isVisible());
        choose(figures(), QStringLiteral("trade-off"));
        QVERIFY(isShown("trade-off") && titled("at rate 0.1, 1M tokens"));
        ExportOptions options;
        options.format = FigureFormat::Svg;
        const auto bytes = renderFigure(m_page->figureForExport(), options);
        QVERIFY(bytes && bytes->contains("--figure trade-off --y change --strength 0.1 --budget 1000000"));
        action(ActionId::ShowValue)->trigger();
    }

    /// From the checkpoint to its tuned weights, each stop a share that was measured; what is exported is what is seen.
    void sharesAreWalkedBySlider() {
        auto* slider = named<QSlider>(m_window.get(), QStringLiteral("Share of the tuned weights that is shown"));
        QVERIFY(slider && !slider->isVisible()); // of fine-tuning there are no shares
        m_window->session().showRun(QString::fromStdString(m_window->session().runs()[2].id));
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().title == "mixing", kLongMs);
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves"));
        QTRY_VERIFY(slider->isVisible());
        QCOMPARE(slider->maximum(), 3);
        const auto visible = [this] {
            QStringList ids;
            for (const analysis::FigureCurve& curve : m_page->figure().panels.front().curves)
                if (curve.visible)
                    ids << QString::fromStdString(curve.id);
            return ids.join(u' ');
        };
        QCOMPARE(visible(), QStringLiteral("base alpha=0.25 alpha=0.5 alpha=1"));
        slider->setFocus();
        const char* wanted[] = {"base alpha=0.25", "base alpha=0.5", "base alpha=1"};
        for (const char* one : wanted) {
            QTest::keyClick(slider, Qt::Key_Right);
            QCOMPARE(visible(), QString::fromLatin1(one));
        }
        slider->setValue(2);
        ExportOptions options;
        options.format = FigureFormat::Csv;
        const auto bytes = renderFigure(m_page->figureForExport(), options);
        QVERIFY(bytes && bytes->contains("--hide alpha=0.25 --hide alpha=1"));
        // Results that come in leave it where it is; another run has no use for it, and then all shares are there again.
        m_window->session().showRun(QString::fromStdString(m_window->session().runs().back().id));
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().title == "tuning", kLongMs);
        QVERIFY(!slider->isVisible());
        m_window->session().showRun(QString::fromStdString(m_window->session().runs()[2].id));
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().title == "mixing" && slider->isVisible(), kLongMs);
        QTRY_COMPARE(visible(), QStringLiteral("base alpha=0.25 alpha=0.5 alpha=1"));
        m_window->session().showRun(QString::fromStdString(m_window->session().runs().back().id));
        QTRY_VERIFY_WITH_TIMEOUT(m_page->figure().title == "tuning", kLongMs);
    }

    /// One file is drawn and written after the other, into a folder that is made for them.
    void everyPanelIsExported() {
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves"));
        QCOMPARE(m_page->figureForExport().panels.size(), std::size_t(2));
        QTemporaryDir dir;
        const QString folder = dir.filePath(QStringLiteral("new/figures"));
        const std::unique_ptr<ExportDialog> dialog = openExport(m_page->figureForExport(), folder);
        QSignalSpy exported(dialog.get(), &ExportDialog::exported);
        press(dialog.get(), QStringLiteral("Export"));
        QVERIFY(exported.wait(kLongMs));
        QVERIFY(!dialog->isVisible());
        QStringList names;
        for (const QString& path : exported.first().first().toStringList()) {
            names << QFileInfo(path).fileName();
            QCOMPARE(QFileInfo(path).path(), folder);
            isWhole(path);
        }
        QCOMPARE(names, exportedNames());
        QCOMPARE(QDir(folder).entryList(QDir::Files | QDir::Hidden).size(), names.size());
    }

    void aCancelledExportEnds_data() {
        QTest::addColumn<bool>("atWork");
        QTest::newRow("between two files") << false;
        QTest::newRow("with the second begun") << true;
    }
    /// At once on the screen; files that are there stay, and none is begun.
    void aCancelledExportEnds() {
        QFETCH(bool, atWork);
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves"));
        QTemporaryDir dir;
        std::unique_ptr<ExportDialog> dialog = openExport(m_page->figureForExport(), dir.path());
        ExportDialog* const shown = dialog.get();
        const auto* progress = shown->findChild<QProgressBar*>();
        QSignalSpy exported(shown, &ExportDialog::exported);
        int written = 0; // when it was cancelled
        const auto cancel = [&written, shown, progress] {
            written = progress->value();
            press(shown, QStringLiteral("Cancel"));
            QVERIFY(!shown->isVisible());
        };
        connect(progress, &QProgressBar::valueChanged, shown, [cancel, shown, atWork](int files) {
            if (files == 1 && atWork)
                QTimer::singleShot(1, shown, cancel);
            else if (files == 1)
                cancel();
        });
        press(shown, QStringLiteral("Export"));
        QTRY_VERIFY_WITH_TIMEOUT(!shown->isVisible(), kLongMs);
        QCOMPARE(shown->result(), static_cast<int>(QDialog::Rejected));
        QVERIFY(!exported.wait(300)); // time to go on, had it not ended
        dialog.reset();               // waits for a file that is being written
        QCOMPARE(exported.count(), 0);
        const QStringList there = QDir(dir.path()).entryList(QDir::Files | QDir::Hidden), all = exportedNames();
        QVERIFY2(written >= 1 && there.size() >= written && there.size() <= (atWork ? written + 1 : 1), qPrintable(there.join(u' ')));
        for (const QString& name : there) {
            QVERIFY2(all.indexOf(name) >= 0 && all.indexOf(name) < there.size(), qPrintable(name)); // the first ones
            isWhole(dir.filePath(name));
        }
    }

    void theXAxisOffersWhatTheRunHas() {
        const auto title = [](const CurvesPage* page) {
            return page->hasFigure() ? QString::fromStdString(page->figure().panels.front().x.title) : QString();
        };
        const QString tokens = QStringLiteral("pretraining tokens"), steps = QStringLiteral("pretraining steps");
        auto* x = named<QComboBox>(m_window.get(), QStringLiteral("Quantity on the x axis"));
        const auto chooseX = [&](analysis::XQuantity quantity) {
            x->setCurrentIndex(x->findData(static_cast<int>(quantity)));
            Q_EMIT x->activated(x->currentIndex());
        };
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves"));
        QCOMPARE(x->count(), 4);
        chooseX(analysis::XQuantity::Steps);
        QTRY_COMPARE_WITH_TIMEOUT(title(m_page), steps, kLongMs);
        choose(figures(), QStringLiteral("envelope"));
        QVERIFY(isShown("envelope"));
        QCOMPARE(title(m_page), steps);
        QCOMPARE(x->count(), 4);
        QCOMPARE(x->currentText(), QStringLiteral("steps"));
        choose(figures(), QStringLiteral("curves"));
        QVERIFY(isShown("curves"));
        QCOMPARE(title(m_page), steps);
        chooseX(analysis::XQuantity::Tokens);
        QTRY_COMPARE_WITH_TIMEOUT(title(m_page), tokens, kLongMs);
    }

    /// A series of steps without token counts: seen at once, without a choice.
    void aRunWithoutTokenCountsIsDrawnOverSteps() {
        const QString path = m_dir.filePath(QStringLiteral("steps"));
        pretend::Shape shape;
        const auto folder = study::StudyFolder::create(path.toStdString(), pretend::makeStudy(shape));
        QVERIFY2(folder.has_value(), folder ? "" : folder.error().text().c_str());
        study::Plan plan = pretend::makePlan(shape);
        for (study::PlannedCheckpoint& checkpoint : plan.checkpoints)
            checkpoint.tokens.reset();
        QVERIFY(study::queueRun(*folder, plan).has_value());
        QVERIFY(run::workStudy(*folder, {}, pretend::makeFactory({}), {}).has_value());
        MainWindow window;
        window.show();
        window.session().open(path);
        auto* page = window.findChild<CurvesPage*>();
        QTRY_VERIFY_WITH_TIMEOUT(page->hasFigure(), kLongMs);
        QCOMPARE(QString::fromStdString(page->figure().panels.front().x.title), QStringLiteral("pretraining steps"));
        QCOMPARE(page->figure().panels.front().curves.front().segments.front().size(), std::size_t(4));
        const auto* x = named<QComboBox>(&window, QStringLiteral("Quantity on the x axis"));
        QCOMPARE(x->count(), 1);
        QCOMPARE(x->currentText(), QStringLiteral("steps"));
    }

    void anotherRunOffersItsOwn() {
        choose(figures(), QStringLiteral("envelope"));
        QVERIFY(isShown("envelope"));
        m_window->session().showRun(QString::fromStdString(m_window->session().runs().front().id));
        QVERIFY(isShown("curves")); // noise has no envelope
        QTRY_COMPARE(figures()->count(), 4);
        QCOMPARE(figures()->currentData().toString(), QStringLiteral("curves"));
        choose(figures(), QStringLiteral("figure-3"));
        QVERIFY(isShown("figure-3"));
        QCOMPARE(m_page->figure().panels.size(), std::size_t(4));
    }
};

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    WindowFiguresTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_figures.moc"
