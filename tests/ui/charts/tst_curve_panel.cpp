// SPDX-License-Identifier: GPL-3.0-or-later
// One panel on the offscreen platform: what mouse and keys do, and what is drawn.
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>

#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/panel_grid.h"

using namespace crest;
using analysis::AxisScale;
using analysis::Dimension;

class TestCurvePanel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void grabs() {
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
            QTRY_VERIFY(grid.isUpToDate());
            QTest::qWait(50);
            const QByteArray path = qgetenv("CREST_LOOK");
            if (!path.isEmpty())
                QVERIFY(grid.grab().save(QString::fromLocal8Bit(path) + (dark ? "-dark.png" : "-light.png")));
        }
    }
};

QTEST_MAIN(TestCurvePanel)
#include "tst_curve_panel.moc"
