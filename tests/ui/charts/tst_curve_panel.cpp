// SPDX-License-Identifier: GPL-3.0-or-later
// One panel on the offscreen platform: what mouse and keys do, and what is drawn.
#include <cmath>

#include <QMouseEvent>
#include <QRegularExpression>
#include <QRubberBand>
#include <QSignalSpy>
#include <QTest>
#include <QToolTip>
#include <QWheelEvent>

#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/curve_panel.h"
#include "ui/charts/panel_items.h"

using namespace crest;
using analysis::AxisScale;
using analysis::Dimension;

class TestCurvePanel : public QObject {
    Q_OBJECT
    std::unique_ptr<ui::CurvePanel> m_panel;

    QPoint pixelOf(double x, double y) const {
        const auto& shown = m_panel->panel();
        return m_panel->mapFromScene(
            m_panel->chart()->toItem({analysis::axisPosition(shown.x, x), analysis::axisPosition(shown.y, y)}));
    }
    void moveTo(const QPoint& at, Qt::MouseButtons buttons = Qt::NoButton) {
        QMouseEvent event(QEvent::MouseMove, at, m_panel->viewport()->mapToGlobal(at), Qt::NoButton, buttons,
                          Qt::NoModifier);
        QCoreApplication::sendEvent(m_panel->viewport(), &event);
    }
    void drag(const QPoint& from, const QPoint& to) {
        QTest::mousePress(m_panel->viewport(), Qt::LeftButton, {}, from);
        moveTo((from + to) / 2, Qt::LeftButton);
        moveTo(to, Qt::LeftButton);
        QTest::mouseRelease(m_panel->viewport(), Qt::LeftButton, {}, to);
    }
    void wheel(const QPoint& at, int notches, Qt::KeyboardModifiers modifiers = {}) {
        QWheelEvent event(at, m_panel->viewport()->mapToGlobal(at), {}, QPoint(0, 120 * notches), Qt::NoButton,
                          modifiers, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(m_panel->viewport(), &event);
    }

private Q_SLOTS:
    void init() {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".*(NaN|nan|invalid|Inf).*")));
        m_panel = std::make_unique<ui::CurvePanel>();
        m_panel->resize(520, 360);
        m_panel->setPanel(test::trialFigure().panels[3]);
        m_panel->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_panel.get()));
    }
    void cleanup() { m_panel.reset(); }

    void hoverSaysExactValuesOfAllCurves() {
        moveTo(pixelOf(8e6, 5.193));
        const QString text = m_panel->hoverText();
        QVERIFY2(text.startsWith(u"8M (8000000) pretraining tokens\n"), qPrintable(text));
        QVERIFY2(text.contains(u"rate 0.004: 4.696 (4.685 to 4.707), N 3\n"), qPrintable(text));
        QVERIFY2(text.contains(u"rate 0.008: 5.193 (5.159 to 5.227), N 3"), qPrintable(text));
        QVERIFY2(text.contains(u"rate 0.012: 5.462 (5.437 to 5.487), N 3"), qPrintable(text));
        moveTo({1, 1});
        QCOMPARE(m_panel->hoverText(), QString());
    }

    /// A label above right of its point would lie on a line that rises, or on the error bar of a neighbour.
    void labelsKeepClearOfLinesAndErrorBars() {
        analysis::FigurePanel panel;
        panel.x.high = panel.y.high = 10;
        m_panel->setPanel(panel);
        const auto at = [this](double x, double y) { return m_panel->chart()->toItem({x, y}); };
        auto* marks = new ui::PanelMarks(m_panel->chart());
        marks->setShape(m_panel->rect(), {{analysis::Marker::Circle, Qt::red, {{1, 2}, {3, 4}, {5, 6}}, {}, {"0.25", "0.5", "0.75"}},
                                          {analysis::Marker::Circle, Qt::blue, {{8, 3}}, {{{7, 3.4}, {9, 3.4}}}, {"1"}}});
        const auto labels = marks->placedLabels();
        QCOMPARE(labels.size(), 4u);
        for (const auto& label : labels) {
            for (double t = 1; t <= 5; t += 0.01)
                QVERIFY2(!label.box.contains(at(t, t + 1)), qPrintable(label.text));
            QVERIFY2(!label.box.intersects(QRectF(at(7, 3.42), at(9, 3.38))), qPrintable(label.text));
        }
        QVERIFY(QLineF(labels[3].box.center(), at(8, 3)).length() < 3 * m_panel->chart()->style().em); // still beside its point
    }

    void hoverStaysWhileNumbersComeIn() {
        moveTo(pixelOf(8e6, 5.193));
        QVERIFY(QToolTip::isVisible());
        analysis::FigurePanel fresh = test::trialFigure().panels[3];
        for (analysis::FigureCurve& curve : fresh.curves)
            for (auto& segment : curve.segments)
                for (analysis::FigurePoint& point : segment)
                    point.y += 0.001;
        QToolTip::hideText(); // as a change of the layout does
        m_panel->setPanel(fresh);
        QTRY_VERIFY(m_panel->hoverText().contains(u"rate 0.008: 5.194 "));
        QTRY_VERIFY(QToolTip::isVisible() && QToolTip::text().contains(u"5.194"));
        fresh.curves.clear(); // another run is shown: nothing is left to say
        m_panel->setPanel(fresh);
        QTRY_COMPARE(m_panel->hoverText(), QString());
    }

    void hoverOnAMarkSaysItsInterval() {
        const auto marks = ui::visibleMarks(m_panel->panel());
        QCOMPARE(marks.size(), std::size_t(3));
        moveTo(ui::markBar(*m_panel->chart(), *marks[0], 0).center().toPoint());
        QCOMPARE(m_panel->hoverText(), QStringLiteral("16M (8M to 32M)"));
    }

    void clickPinsAndEscapeReleases() {
        QSignalSpy pinned(m_panel.get(), &ui::CurvePanel::pointPinned),
            released(m_panel.get(), &ui::CurvePanel::pointReleased);
        QTest::mouseClick(m_panel->viewport(), Qt::LeftButton, {}, pixelOf(32e6, 5.548));
        QCOMPARE(pinned.size(), 1);
        QCOMPARE(pinned[0][0].toString(), QStringLiteral("rate 0.012 at 32M"));
        QTest::keyClick(m_panel.get(), Qt::Key_Escape);
        QCOMPARE(released.size(), 1);
    }

    void keysWalkThePoints() {
        QSignalSpy pinned(m_panel.get(), &ui::CurvePanel::pointPinned);
        QTest::keyClick(m_panel.get(), Qt::Key_Right);
        QVERIFY(m_panel->hoverText().startsWith(u"0.5M"));
        QTest::keyClick(m_panel.get(), Qt::Key_Right);
        QVERIFY(m_panel->hoverText().startsWith(u"1M"));
        QTest::keyClick(m_panel.get(), Qt::Key_Down);
        QTest::keyClick(m_panel.get(), Qt::Key_Return);
        QCOMPARE(pinned.size(), 1);
        QCOMPARE(pinned[0][0].toString(), QStringLiteral("rate 0.008 at 1M"));
    }

    void dragZoomsIntoTheBox() {
        QSignalSpy ranges(m_panel.get(), &ui::CurvePanel::xRangeChanged);
        const analysis::FigurePanel home = m_panel->panel();
        drag(pixelOf(2e6, 5.6), pixelOf(32e6, 5.0));
        QVERIFY(m_panel->isZoomed());
        QCOMPARE(ranges.size(), 1);
        // One pixel of the box is about 1.5 % of the tokens.
        QVERIFY(std::abs(std::log(m_panel->panel().x.low / 2e6)) < 0.03);
        QVERIFY(std::abs(std::log(m_panel->panel().x.high / 32e6)) < 0.03);
        QVERIFY(std::abs(m_panel->panel().y.low - 5.0) < 0.01 && std::abs(m_panel->panel().y.high - 5.6) < 0.01);
        drag(pixelOf(5e6, 5.5), pixelOf(20e6, 5.1));
        QTest::keyClick(m_panel.get(), Qt::Key_R);
        QVERIFY(std::abs(std::log(m_panel->panel().x.low / 2e6)) < 0.03);
        QTest::mouseDClick(m_panel->viewport(), Qt::LeftButton, {}, pixelOf(8e6, 5.3));
        QVERIFY(!m_panel->isZoomed());
        QCOMPARE(m_panel->panel().x.low, home.x.low);
        QCOMPARE(m_panel->panel().y.high, home.y.high);
    }

    void wheelZoomsAtTheCursor() {
        const QPoint at = pixelOf(8e6, 5.193);
        const double before = std::log(m_panel->panel().x.high / m_panel->panel().x.low);
        wheel(at, 1);
        QVERIFY(std::abs(std::log(m_panel->panel().x.high / m_panel->panel().x.low) / before - 0.8) < 1e-9);
        QVERIFY((pixelOf(8e6, 5.193) - at).manhattanLength() <= 2); // what is under the cursor stays there
        const double yHigh = m_panel->panel().y.high;
        wheel(at, -1, Qt::ShiftModifier);
        QCOMPARE(m_panel->panel().y.high, yHigh);
        QTest::keyClick(m_panel.get(), Qt::Key_0, Qt::ControlModifier);
        QVERIFY(!m_panel->isZoomed());
    }

    void updatesKeepTheZoom() {
        m_panel->zoomTo(2e6, 32e6, 4.8, 5.6);
        analysis::FigurePanel more = test::trialFigure().panels[3];
        more.curves[0].segments[0].pop_back();
        m_panel->setPanel(more);
        QCOMPARE(m_panel->panel().x.low, 2e6);
        QCOMPARE(m_panel->panel().curves[0].segments[0].size(), std::size_t(7));
        m_panel->resetZoom();
        QCOMPARE(m_panel->panel().x.low, more.x.low);
    }

    void seriesAreKeptOverUpdates() {
        const QList<QAbstractSeries*> before = m_panel->chart()->series();
        QCOMPARE(before.size(), 6); // three lines, three bands
        analysis::FigurePanel moved = test::trialFigure().panels[3];
        moved.curves[1].segments[0][2].y += 0.1;
        m_panel->setPanel(moved);
        QCOMPARE(m_panel->chart()->series(), before);
        const auto* line = qobject_cast<QLineSeries*>(before[4]);
        QVERIFY(line);
        QCOMPARE(line->count(), 8);
    }

    void logAxisNeverSeesZeroOrLess() {
        analysis::FigurePanel panel = test::trialFigure().panels[0];
        panel.curves[1].segments[0][3].y = 0;
        panel.curves[1].segments[0][4].y = -2;
        m_panel->setPanel(panel);
        m_panel->setScale(Dimension::Y, AxisScale::Log);
        QCOMPARE(m_panel->panel().y.scale, AxisScale::Log);
        QVERIFY(m_panel->panel().y.low > 0);
        for (const QAbstractSeries* series : m_panel->chart()->series())
            if (const auto* line = qobject_cast<const QLineSeries*>(series))
                for (const QPointF& point : line->points())
                    QVERIFY(std::isfinite(point.y()));
        QCOMPARE(analysis::panelNotes(m_panel->panel()).back(),
                 std::string("2 points at or below 0: not on a log axis"));
        QVERIFY(m_panel->accessibleDescription().isEmpty() ||
                m_panel->accessibleName() == QStringLiteral("Gaussian noise: GCIDE loss"));
    }

    void gapsAndSinglePoints() {
        analysis::FigurePanel panel = test::trialFigure().panels[3];
        auto& first = panel.curves[0].segments[0];
        panel.curves[0].segments.push_back({first.begin() + 4, first.end()});
        panel.curves[0].segments[0].resize(3); // the fourth budget is missing
        panel.curves[1].segments[0].resize(1);
        panel.curves.resize(2);
        m_panel->setPanel(panel);
        int lines = 0;
        for (const QAbstractSeries* series : m_panel->chart()->series())
            lines += qobject_cast<const QLineSeries*>(series) != nullptr;
        QCOMPARE(lines, 2); // both parts of the first curve; the single point is a marker
        const QImage image = m_panel->grab().toImage();
        const QPoint at = pixelOf(5e5, 5.580);
        QCOMPARE(image.pixelColor(at), ui::curveColor(panel.curves[1], m_panel->chart()->style().theme));
    }

    void darkPaletteGivesADarkPanel() {
        QPalette palette;
        palette.setColor(QPalette::Window, QColor(0x232629));
        palette.setColor(QPalette::WindowText, QColor(0xeceff1));
        m_panel->setPalette(palette);
        QTRY_VERIFY(m_panel->chart()->style().theme.dark);
        QVERIFY(m_panel->grab().toImage().pixelColor(2, m_panel->height() - 3).lightness() < 80);
    }

    void anEmptyPanelIsDrawn() {
        analysis::FigurePanel empty;
        empty.title = "nothing yet";
        m_panel->setPanel(empty);
        m_panel->setScale(Dimension::X, AxisScale::Log);
        QVERIFY(!m_panel->grab().isNull());
        moveTo({100, 100});
        wheel({260, 180}, 1);
        QTest::keyClick(m_panel.get(), Qt::Key_Right);
    }
};

QTEST_MAIN(TestCurvePanel)
#include "tst_curve_panel.moc"
