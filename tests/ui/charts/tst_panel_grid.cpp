// SPDX-License-Identifier: GPL-3.0-or-later
// A whole figure on screen: legend, linked axes, updates, and how long a turn of the event loop takes.
#include <ctime>

#include <QElapsedTimer>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/panel_grid.h"
#include "ui/charts/panel_items.h"

using namespace crest;
using analysis::AxisScale;

namespace {

/// Processor time of this thread in ms: what a turn costs, whatever else the machine does.
double threadMs() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

/// The longest turn of the event loop in ms, until `done` and a quarter of a second more (aligning, painting).
template<class Done> double longestTurn(Done done) {
    double longest = 0;
    QElapsedTimer all, after;
    all.start();
    while (all.elapsed() < 20000 && (!after.isValid() || after.elapsed() < 250)) {
        const double before = threadMs();
        QCoreApplication::processEvents();
        longest = std::max(longest, threadMs() - before);
        if (done() && !after.isValid())
            after.start();
    }
    return longest;
}

} // namespace

class TestPanelGrid : public QObject {
    Q_OBJECT
    std::unique_ptr<ui::PanelGrid> m_grid;

    void shown(const analysis::Figure& figure) {
        m_grid->setFigure(figure);
        QTRY_VERIFY(m_grid->isUpToDate());
    }

private Q_SLOTS:
    void init() {
        m_grid = std::make_unique<ui::PanelGrid>();
        m_grid->resize(1000, 700);
        m_grid->show();
        shown(test::trialFigure());
        QCOMPARE(m_grid->panels().size(), std::size_t(4));
    }
    void cleanup() { m_grid.reset(); }

    void noPanelBeforeTheFirstPaint() {
        ui::PanelGrid hidden;
        hidden.resize(900, 600);
        hidden.setFigure(test::trialFigure());
        QTest::qWait(150);
        QVERIFY(hidden.panels().empty());
        hidden.show();
        QTRY_COMPARE(hidden.panels().size(), std::size_t(4));
    }

    void clickHidesAndAltClickShowsAlone() {
        QSignalSpy changed(m_grid.get(), &ui::PanelGrid::figureChanged);
        const auto visible = [this](const std::string& id) { return m_grid->legend()->button(id)->curve().visible; };
        QTest::mouseClick(m_grid->legend()->button("gamma=0.2"), Qt::LeftButton);
        QVERIFY(!visible("gamma=0.2") && visible("gamma=0.1"));
        QVERIFY(!changed.isEmpty());
        for (const auto& curve : m_grid->figure().panels[0].curves)
            QCOMPARE(curve.visible, curve.id != "gamma=0.2"); // what is exported
        for (const auto& curve : m_grid->panels()[1]->panel().curves)
            QCOMPARE(curve.visible, curve.id != "gamma=0.2"); // what is seen
        shown(test::trialFigure());
        QVERIFY2(!visible("gamma=0.2"), "an update must not bring a hidden curve back");
        QTest::mouseClick(m_grid->legend()->button("base"), Qt::LeftButton, Qt::AltModifier);
        QVERIFY(visible("base") && !visible("gamma=0.1") && !visible("rate=0.004"));
        QTest::keyClick(m_grid->legend()->button("base"), Qt::Key_S); // again: all
        QVERIFY(visible("base") && visible("gamma=0.1") && visible("gamma=0.2"));
        QTest::mouseClick(m_grid->legend()->button("base"), Qt::LeftButton, Qt::ControlModifier);
        QVERIFY(visible("base") && !visible("gamma=0.1") && !visible("rate=0.004"));
        QTest::mouseClick(m_grid->legend()->button("base"), Qt::LeftButton, Qt::ControlModifier);
        QVERIFY(visible("base") && visible("gamma=0.1") && visible("gamma=0.2"));
        QTest::keyClick(m_grid->legend()->button("base"), Qt::Key_Space);
        QVERIFY(!visible("base"));
        QCOMPARE(m_grid->legend()->button("base")->accessibleDescription(), QStringLiteral("hidden"));
    }

    void keysSwitchScales() {
        QTest::keyClick(m_grid.get(), Qt::Key_G);
        QTRY_VERIFY(m_grid->isUpToDate());
        for (const auto* panel : m_grid->panels())
            QCOMPARE(panel->panel().x.scale, AxisScale::Linear);
        QCOMPARE(m_grid->figure().panels[2].x.scale, AxisScale::Linear);
        QTest::keyClick(m_grid->panels()[2], Qt::Key_G); // from a panel as well
        QTRY_VERIFY(m_grid->isUpToDate());
        QCOMPARE(m_grid->figure().panels[2].x.scale, AxisScale::Log);
        QTest::keyClick(m_grid.get(), Qt::Key_L);
        QTRY_VERIFY(m_grid->isUpToDate());
        for (const auto& panel : m_grid->figure().panels)
            QVERIFY(panel.y.scale == AxisScale::Log && panel.y.low > 0);
        QTest::keyClick(m_grid.get(), Qt::Key_L);
        QTRY_VERIFY(m_grid->isUpToDate());
        QCOMPARE(m_grid->figure().panels[0].y.scale, AxisScale::Linear);
        QCOMPARE(m_grid->figure().panels[1].y.scale, AxisScale::Log); // as given
    }

    void zoomLinksTheTokenAxis() {
        const double yHigh = m_grid->figure().panels[1].y.high;
        m_grid->panels()[0]->zoomTo(2e6, 32e6, 3, 4);
        for (const auto& panel : m_grid->figure().panels) {
            QCOMPARE(panel.x.low, 2e6);
            QCOMPARE(panel.x.high, 32e6);
        }
        QCOMPARE(m_grid->figure().panels[1].y.high, yHigh);
        QCOMPARE(m_grid->figure().panels[0].y.high, 4.0);
        m_grid->panels()[0]->resetZoom();
        QCOMPARE(m_grid->figure().panels[3].x.low, test::trialFigure().panels[3].x.low);
        QVERIFY(!m_grid->panels()[3]->isZoomed());
    }

    void plotsOfARowAndColumnAreAligned() {
        QTest::qWait(20);
        const auto plot = [this](std::size_t i) { return m_grid->panels()[i]->chart()->plotRect(); };
        QCOMPARE(plot(0).left(), plot(2).left());
        QCOMPARE(plot(2).top(), plot(3).top());
        QCOMPARE(plot(2).bottom(), plot(3).bottom());
        QCOMPARE(plot(0).width(), plot(2).width());
    }

    void pinsReachTheGrid() {
        QSignalSpy pinned(m_grid.get(), &ui::PanelGrid::pointPinned);
        QTest::keyClick(m_grid->panels()[0], Qt::Key_Right);
        QTest::keyClick(m_grid->panels()[0], Qt::Key_Return);
        QCOMPARE(pinned.size(), 1);
        QCOMPARE(pinned[0][0].toString(), QStringLiteral("base at 0.5M"));
    }

    void updatesComeAtMostTenTimesASecond() {
        QSignalSpy changed(m_grid.get(), &ui::PanelGrid::figureChanged);
        QElapsedTimer time;
        time.start();
        analysis::Figure figure = test::trialFigure();
        int sent = 0;
        while (time.elapsed() < 1000) {
            figure.panels[0].curves[0].segments[0][0].y = 4 + 0.001 * ++sent;
            m_grid->setFigure(figure);
            QTest::qWait(5);
        }
        QTRY_VERIFY(m_grid->isUpToDate());
        QVERIFY(sent > 20);
        QVERIFY2(changed.size() <= 12, qPrintable(QString::number(changed.size())));
        QCOMPARE(m_grid->panels()[0]->panel().curves[0].segments[0][0].y, 4 + 0.001 * sent); // the latest wins
    }

    void fewerAndMorePanels() {
        shown(test::largeFigure(7, 3, 8));
        QCOMPARE(m_grid->panels().size(), std::size_t(7));
        shown(test::largeFigure(1, 2, 8));
        QCOMPARE(m_grid->panels().size(), std::size_t(1));
        shown({});
        QVERIFY(m_grid->panels().empty());
        QVERIFY(!m_grid->legend()->isVisible());
        m_grid->toggleLog(analysis::Dimension::X);
        shown(test::trialFigure());
        QCOMPARE(m_grid->panels().size(), std::size_t(4));
    }

    void manyNotesLeaveThePlotItsHeight() {
        analysis::Figure figure = test::trialFigure();
        figure.panels.front().notes.assign(12, "a sentence that a reader of this panel must know before the curves say anything");
        m_grid->resize(700, 420);
        shown(figure);
        QTRY_VERIFY(m_grid->panels()[0]->chart()->plotRect().height() >= 85);
        // Aligning the plots of a row and moving the next row down take their turns of the event loop.
        QTRY_VERIFY(m_grid->panels()[1]->chart()->plotRect().height() >= 85);
        QTRY_VERIFY(m_grid->panels()[2]->y() >= m_grid->panels()[0]->geometry().bottom());
    }

    /// Titles and notes end above the plot, whatever width, and however wide the tick labels of another panel are.
    void notesHaveRoomAtEveryWidth() {
        analysis::Figure figure = test::trialFigure();
        figure.panels[0].notes = {"below the line: modes that cost more under noise than they gain"};
        figure.panels[3].y.low = -1234567.25;
        figure.panels[3].y.high = 1234567.25;
        figure.panels[3].y.ticks = {{-1234567.25, "-1,234,567.25"}, {1234567.25, "1,234,567.25"}};
        shown(figure);
        const auto overlaps = [this] {
            for (const ui::CurvePanel* panel : m_grid->panels()) {
                const QRectF plot = panel->chart()->plotRect();
                if (ui::panelHeading(panel->panel(), panel->chart()->style(), plot.width()).height() > plot.top())
                    return true;
            }
            return false;
        };
        for (int width = 420; width <= 900; width += 15) {
            m_grid->resize(width, 700);
            QTRY_VERIFY2(!overlaps(), qPrintable(QString::number(width)));
        }
    }

    /// Also where its last row is a sentence that wraps.
    void theLegendHasAllItsHeight() {
        analysis::Figure figure = test::trialFigure();
        figure.keys[0].text = "the stop with the least loss, its neighbours; a line alone: theory, by the closed form, where it has one";
        shown(figure);
        for (const int width : {260, 330, 380, 420, 900}) {
            m_grid->resize(width, 700);
            const ui::Legend* legend = m_grid->legend();
            QTRY_COMPARE(legend->width(), width - 16);
            QTRY_COMPARE(legend->height(), legend->heightForWidth(width - 16));
        }
    }

    void narrowWindowsTakeFewerColumns() {
        m_grid->resize(420, 900);
        QTest::qWait(30);
        QVERIFY(m_grid->panels()[1]->y() > m_grid->panels()[0]->y());
    }

    /// Panels that are there already stand where the next figure, or a width that came while they were made, wants them.
    void panelsFollowTheColumns() {
        m_grid->resize(1000, 900);
        analysis::Figure figure = test::largeFigure(4, 2, 8);
        const auto inRows = [&](int columns) {
            const auto& panels = m_grid->panels();
            for (std::size_t i = 0; i < panels.size(); ++i) {
                const bool sameRow = i % static_cast<std::size_t>(columns) != 0;
                if (i > 0 && (panels[i]->y() == panels[i - 1]->y()) != sameRow)
                    return false;
            }
            return panels.size() == 4;
        };
        for (const int columns : {1, 2, 3, 1}) {
            figure.columns = columns;
            shown(figure);
            QTRY_VERIFY2(inRows(columns), qPrintable(QString::number(columns)));
            figure.columns = 4 - columns;
            m_grid->showNow(figure);
            QTRY_VERIFY(inRows(figure.columns));
        }
        shown({});
        figure.columns = 2;
        m_grid->resize(420, 900);
        m_grid->setFigure(figure);
        QTRY_VERIFY(m_grid->panels().size() >= 1);
        m_grid->resize(1000, 900); // before all are made
        QTRY_VERIFY(m_grid->isUpToDate() && inRows(2));
    }

    void twelvePanelsOfEightCurvesStayUnder50MsATurn() {
        analysis::Figure next = test::largeFigure(12, 8, 12);
        for (auto& panel : next.panels)
            for (auto& curve : panel.curves)
                curve.segments[0][3].y += 0.1;
        // The least of three times the same: load beside it can only lengthen one.
        double building = 1e9, updating = 1e9;
        for (int i = 0; i < 3; ++i) {
            shown({});
            m_grid->setFigure(test::largeFigure(12, 8, 12));
            building = std::min(building, longestTurn([this] { return m_grid->isUpToDate(); }));
            m_grid->setFigure(next);
            updating = std::min(updating, longestTurn([this] { return m_grid->isUpToDate(); }));
        }
        qInfo("longest turn: %.1f ms building, %.1f ms updating 12 panels x 8 curves", building, updating);
        QVERIFY2(building < 50 && updating < 50, "a turn of the event loop took too long");
    }

    void lookLightAndDark() {
        for (const bool dark : {false, true}) {
            ui::PanelGrid grid;
            if (dark) {
                QPalette palette;
                palette.setColor(QPalette::Window, QColor(0x232629));
                palette.setColor(QPalette::WindowText, QColor(0xeceff1));
                grid.setPalette(palette);
            }
            grid.resize(1000, 700);
            grid.setFigure(test::trialFigure());
            grid.show();
            QTRY_VERIFY(grid.panels().size() == 4 && grid.isUpToDate());
            QTest::qWait(30);
            const QImage image = grid.grab().toImage();
            QCOMPARE(image.pixelColor(3, 3).lightness() < 128, dark);
            const QString folder = qEnvironmentVariable("CREST_LOOK"); // where someone wants to look
            if (!folder.isEmpty())
                QVERIFY(image.save(folder + (dark ? "/grid-dark.png" : "/grid-light.png")));
        }
    }
};

QTEST_MAIN(TestPanelGrid)
#include "tst_panel_grid.moc"
