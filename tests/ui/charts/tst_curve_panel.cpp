// SPDX-License-Identifier: GPL-3.0-or-later
// One panel on the offscreen platform: what mouse and keys do, and what is drawn.
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>

#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/curve_panel.h"

using namespace crest;
using analysis::AxisScale;
using analysis::Dimension;

class TestCurvePanel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void grabs() {
        ui::CurvePanel panel;
        panel.resize(500, 350);
        panel.setPanel(test::trialFigure().panels.front());
        panel.show();
        QVERIFY(QTest::qWaitForWindowExposed(&panel));
        const QByteArray path = qgetenv("CREST_LOOK");
        if (!path.isEmpty())
            QVERIFY(panel.grab().save(QString::fromLocal8Bit(path)));
    }
};

QTEST_MAIN(TestCurvePanel)
#include "tst_curve_panel.moc"
