// SPDX-License-Identifier: GPL-3.0-or-later
// Every export is parsed back by something else than what wrote it.
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/figure_export.h"
#include "ui/charts/figure_origin.h"

using namespace crest;
using ui::FigureFormat;

class TestFigureExport : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void look() {
        const QString folder = qEnvironmentVariable("CREST_LOOK");
        if (folder.isEmpty())
            return;
        for (const auto format : {FigureFormat::Pdf, FigureFormat::Svg, FigureFormat::Png, FigureFormat::Csv, FigureFormat::Tex}) {
            ui::ExportOptions options;
            options.format = format;
            const auto done = ui::exportFigure(test::trialFigure(), options, folder + "/fig." + ui::formatSuffix(format));
            QVERIFY2(done, done ? "" : done.error().text().c_str());
        }
    }
};

QTEST_MAIN(TestFigureExport)
#include "tst_figure_export.moc"
