// SPDX-License-Identifier: GPL-3.0-or-later
// Every export is parsed back by something else than what wrote it.
#include <chrono>
#include <cmath>
#include <csignal>
#include <limits>
#include <stop_token>
#include <thread>

#include <sys/resource.h>

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QProcess>
#include <QRegularExpression>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/charts/figure_files.h"
#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/figure_export.h"
#include "ui/charts/figure_origin.h"

using namespace crest;
using ui::FigureFormat;

namespace {

const FigureFormat kFormats[] = {FigureFormat::Pdf, FigureFormat::Svg, FigureFormat::Png, FigureFormat::Csv,
                                 FigureFormat::Tex};

analysis::Figure hostileFigure() {
    analysis::Figure figure = test::trialFigure();
    figure.title = R"(50 % of <b>A & B</b> "quoted" ]]> $x_1^2$ #{~}\)";
    figure.panels[0].title = figure.title;
    figure.panels[0].curves[0].label = R"(a, "b" & <c> _^)";
    figure.panels[0].notes = {"100 % <&> \\end{document}"};
    return figure;
}

analysis::Figure oddFigure() {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    analysis::Figure figure = test::trialFigure();
    figure.panels[0].curves[1].segments[0][3].y = kNan;
    figure.panels[0].hiddenNonFinite = 1;
    figure.panels[1].curves[0].segments[0][2].y = -1; // on a log axis
    figure.panels[2].curves.clear();
    figure.panels[3].curves.resize(1);
    figure.panels[3].curves[0].segments = {{figure.panels[3].curves[0].segments[0][4]}};
    figure.panels[3].marks.clear();
    return figure;
}

} // namespace

class TestFigureExport : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;

    QString write(const analysis::Figure& figure, FigureFormat format, ui::ExportOptions options = {}) {
        options.format = format;
        const QString path = m_folder.filePath(QStringLiteral("figure.") + ui::formatSuffix(format));
        const auto done = ui::exportFigure(figure, options, path);
        if (!done)
            qWarning("%s", done.error().text().c_str());
        return done ? path : QString();
    }
    static QSizeF paperSize(const analysis::Figure& figure) { return {174, ui::FigurePainter(figure, {}).sizeMm().height()}; }
    static void addTexFigures() {
        QTest::addColumn<int>("which");
        QTest::newRow("trial") << 0;
        QTest::newRow("hostile titles") << 1;
        QTest::newRow("odd values") << 2;
    }
    static analysis::Figure texFigure() {
        QFETCH(int, which);
        return which == 0 ? test::trialFigure() : which == 1 ? hostileFigure() : oddFigure();
    }
    static QByteArray read(const QString& path) {
        QFile file(path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".*(NaN|nan|invalid|QPainter|QFont).*"))); }

    void svgHoldsTextAndVectorsOnly() {
        const analysis::Figure figure = test::trialFigure();
        const QString path = write(figure, FigureFormat::Svg);
        test::checkSvg(path, figure, paperSize(figure));
        const QByteArray bytes = read(path);
        for (const char* tick : {"0.5M", "64M", "5.4"})
            QVERIFY2(test::readSvg(bytes).text.contains(QString::fromLatin1(tick)), tick);
        QVERIFY(bytes.size() < 1'000'000);
    }

    void tokenLabelsStandWhereNothingIsBelow_data() {
        QTest::addColumn<int>("panels");
        QTest::addColumn<int>("labelled");
        QTest::newRow("full grid: the lower row") << 4 << 2;
        QTest::newRow("a gap in the lower row: all") << 3 << 3;
        QTest::newRow("one row") << 2 << 2;
        QTest::newRow("one panel") << 1 << 1;
    }
    void tokenLabelsStandWhereNothingIsBelow() {
        QFETCH(int, panels);
        QFETCH(int, labelled);
        analysis::Figure figure = test::trialFigure();
        figure.panels.resize(static_cast<std::size_t>(panels));
        const test::SvgContent svg = test::readSvg(read(write(figure, FigureFormat::Svg)));
        const QStringList lines = svg.text.split(u'\n');
        QCOMPARE(lines.count(QStringLiteral("64M")), labelled);
        QCOMPARE(lines.count(QString::fromStdString(figure.panels[0].x.title)), labelled);
    }

    void anAxisTitleGivesUpItsLastClauseFirst() {
        analysis::Figure figure = test::trialFigure();
        figure.panels.resize(1);
        figure.panels[0].y.title = "loss (nats/token), lower is better";
        ui::ExportOptions options;
        options.panelHeightMm = 60;
        QVERIFY(test::readSvg(read(write(figure, FigureFormat::Svg, options))).text.contains(QStringLiteral("loss (nats/token), lower is better")));
        options.panelHeightMm = 32;
        const QString low = test::readSvg(read(write(figure, FigureFormat::Svg, options))).text;
        QVERIFY2(low.contains(QStringLiteral("loss (nats/token)\n")) || low.endsWith(QStringLiteral("loss (nats/token)")), qPrintable(low));
    }

    void legendWrapsItsKeysOnNarrowPaper() {
        analysis::Figure figure = test::trialFigure();
        figure.keys[0].text =
            "95 % CI over 3 pretraining runs, 16 noise draws, 32 sequences, for these checkpoints only";
        ui::ExportOptions options;
        options.columnPreset = ui::ColumnPreset::SingleColumn;
        const test::SvgContent svg = test::readSvg(read(write(figure, FigureFormat::Svg, options)));
        QVERIFY2(svg.text.simplified().contains(QString::fromStdString(figure.keys[0].text)), qPrintable(svg.text));
        QVERIFY(svg.viewBox.adjusted(-1, -1, 1, 1).contains(svg.extent));
    }

    void zoomedSvgIsCutToTheRange() {
        analysis::Figure figure = test::trialFigure();
        figure.panels = {figure.panels[3]};
        figure.panels[0].x.low = 3e6;
        figure.panels[0].x.high = 20e6;
        figure.panels[0].y.low = 4.7;
        figure.panels[0].y.high = 5.3;
        const test::SvgContent svg = test::readSvg(read(write(figure, FigureFormat::Svg)));
        QCOMPARE(svg.error, QString());
        QVERIFY(svg.shapes > 20);
        // Qt's generator ignores clipping: nothing may be drawn outside the page to begin with.
        QVERIFY2(svg.viewBox.adjusted(-1, -1, 1, 1).contains(svg.extent), qPrintable(QStringLiteral("%1 %2 %3 %4")
                                                                                         .arg(svg.extent.left())
                                                                                         .arg(svg.extent.top())
                                                                                         .arg(svg.extent.right())
                                                                                         .arg(svg.extent.bottom())));
    }

    void pdfHoldsTextAndVectorsOnly() {
        const analysis::Figure figure = test::trialFigure();
        test::checkPdf(write(figure, FigureFormat::Pdf), figure, paperSize(figure));
    }

    void pngHasSizeResolutionAndRecord() {
        const analysis::Figure figure = test::trialFigure();
        ui::ExportOptions options;
        options.dpi = 200;
        options.columnPreset = ui::ColumnPreset::SingleColumn;
        const QString path = write(figure, FigureFormat::Png, options);
        test::checkPng(path, figure, 84, 200, " --width-mm 84 --dpi 200");
        const QImage image(path);
        QVERIFY(image.height() > image.width()); // one column: four panels below each other
        QCOMPARE(image.pixelColor(0, image.height() - 1), QColor(Qt::white));
        const QColor lightest = ui::curveColor(figure.panels[0].curves.back(), ui::lightTheme());
        int found = 0;
        for (int y = 0; y < image.height(); ++y)
            for (int x = 0; x < image.width(); ++x)
                found += image.pixelColor(x, y) == lightest;
        QVERIFY2(found > 50, "the curve's colour is not in the picture");
    }

    void csvEqualsTheFigure() {
        analysis::Figure figure = test::trialFigure();
        figure.panels[0].curves[2].visible = false;
        figure.panels[3].x.low = 3e6; // a zoom: points left of it are not plotted
        std::int64_t draws = 0; // from point to point another number
        for (auto& curve : figure.panels[1].curves)
            for (auto& point : curve.segments[0]) {
                point.runs = 3;
                point.draws = ++draws;
            }
        test::checkCsv(write(figure, FigureFormat::Csv), figure);
    }

    void texIsWellFormed_data() { addTexFigures(); }
    void texIsWellFormed() {
        const analysis::Figure figure = texFigure();
        test::checkTex(write(figure, FigureFormat::Tex), figure);
    }

    void texCompiles_data() { addTexFigures(); }
    void texCompiles() {
        if (QStandardPaths::findExecutable(QStringLiteral("pdflatex")).isEmpty())
            QSKIP("pdflatex is not installed (TeX Live): that the file compiles is not seen here");
        QProcess process;
        process.setWorkingDirectory(m_folder.path());
        process.start(QStringLiteral("pdflatex"),
                      {QStringLiteral("-interaction=nonstopmode"), QStringLiteral("-halt-on-error"),
                       QStringLiteral("-jobname=compiled"), write(texFigure(), FigureFormat::Tex)});
        QVERIFY(process.waitForFinished(60000));
        const QByteArray log = process.readAllStandardOutput();
        if (log.contains("pgfplots.sty' not found"))
            QSKIP("TeX Live has no pgfplots here: that the file compiles is not seen");
        QVERIFY2(process.exitCode() == 0, log.right(2000).constData());
    }

    void everyFormatTellsItsOrigin() {
        const analysis::Figure figure = hostileFigure();
        for (const FigureFormat format : kFormats) {
            const QString path = write(figure, format);
            const auto record = ui::readFigureRecord(path);
            QVERIFY2(record, record ? "" : record.error().text().c_str());
            QCOMPARE((*record)["provenance"].dump(), test::provenanceOf(figure, ui::formatSuffix(format).toStdString()));
            const std::string words = ui::explainRecord(*record, "figure");
            QVERIFY(words.find(figure.title) != std::string::npos);
            QVERIFY(words.find("crest export STUDY --figure curves") != std::string::npos);
            QVERIFY(words.find("settings.gammas: 0.1, 0.15, 0.2, 0.3") != std::string::npos);
            QVERIFY(words.find("Fine-tuned on Bible: GCIDE loss [OOD]") != std::string::npos);
            QVERIFY2(words.find("curves: " + figure.panels[0].curves[0].label + "; " + figure.panels[0].curves[1].label) != std::string::npos,
                     words.c_str()); // labels have commas of their own
        }
        QCOMPARE(test::readSvg(read(m_folder.filePath(QStringLiteral("figure.svg")))).error, QString());
    }

    void otherFilesAreRefusedInWords() {
        QVERIFY(ui::readFigureRecord(m_folder.filePath(QStringLiteral("absent.pdf"))).error().kind ==
                ErrorKind::NotFound);
        for (const char* odd : {"/dev/null", "/tmp"})
            QVERIFY(ui::readFigureRecord(QString::fromLatin1(odd)).error().kind == ErrorKind::Io);
        const auto refuse = [this](const QByteArray& content, ErrorKind kind) {
            const QString path = m_folder.filePath(QStringLiteral("other"));
            QFile file(path);
            if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
                return false;
            file.close();
            const auto record = ui::readFigureRecord(path);
            return !record && record.error().kind == kind && record.error().where == path.toStdString();
        };
        QVERIFY(refuse("a,b\n1,2\n", ErrorKind::NotFound));
        QVERIFY(refuse("", ErrorKind::NotFound));
        QVERIFY(refuse("%PDF-1.4 and no more", ErrorKind::NotFound));
        QVERIFY(refuse(QByteArray("\x89PNG\r\n\x1a\n", 8) + "cut short", ErrorKind::NotFound));
        QVERIFY(refuse("# crest-figure: {\"crest_figure\":", ErrorKind::Malformed));
        QVERIFY(refuse("# crest-figure: {\"crest_figure\":1}", ErrorKind::Malformed));
        QVERIFY(refuse("# crest-figure: {\"crest_figure\":7,\"figure\":{},\"provenance\":{}}", ErrorKind::Unsupported));
    }

    void levelsAndGuestsAreInEveryFormat() {
        analysis::Figure figure = test::trialFigure();
        figure.panels[0].lines.push_back({4.5, "chance 4.5"});
        analysis::FigureCurve guest = figure.panels[0].curves[1];
        guest.id = "overlay=paper: theirs";
        guest.label = "theirs";
        guest.dotted = true;
        guest.marker = analysis::Marker::Cross;
        figure.panels[0].curves.push_back(guest);
        const test::SvgContent svg = test::readSvg(read(write(figure, FigureFormat::Svg)));
        QCOMPARE(svg.error, QString());
        QVERIFY(svg.text.contains(u"chance 4.5") && svg.text.contains(u"theirs"));
        const QByteArray pdf = test::toolOutput(QStringLiteral("pdftotext"),
                                          {QStringLiteral("-layout"), write(figure, FigureFormat::Pdf), QStringLiteral("-")});
        QVERIFY(pdf.contains("chance 4.5") && pdf.contains("theirs"));
        QVERIFY(read(write(figure, FigureFormat::Csv)).contains("# panel 1: line at y 4.5: chance 4.5"));
        const QByteArray tex = read(write(figure, FigureFormat::Tex));
        QVERIFY(tex.contains("{chance 4.5}") && tex.contains("densely dotted") && tex.contains("mark=x"));
        const auto record = ui::readFigureRecord(write(figure, FigureFormat::Png));
        QVERIFY(record.has_value());
        QVERIFY(ui::explainRecord(*record, "figure.png").find("line: chance 4.5") != std::string::npos);
        // Out of the visible range it is not drawn.
        figure.panels[0].y.low = 5;
        QVERIFY(!test::readSvg(read(write(figure, FigureFormat::Svg))).text.contains(u"chance"));
    }

    void stageBordersAreInEveryFormat() {
        analysis::Figure figure = test::trialFigure();
        figure.panels[0].borders.push_back({6e6, "stage 2", "stage 2 begins between 4M and 8M tokens"});
        const auto inPdf = [&] {
            return test::toolOutput(QStringLiteral("pdftotext"),
                              {QStringLiteral("-layout"), write(figure, FigureFormat::Pdf), QStringLiteral("-")})
                .contains("stage 2");
        };
        const auto inSvg = [&] { return test::readSvg(read(write(figure, FigureFormat::Svg))).text.contains(u"stage 2"); };
        const auto png = [&] { return QImage(write(figure, FigureFormat::Png)); };
        QVERIFY(inPdf() && inSvg());
        const QByteArray csv = read(write(figure, FigureFormat::Csv)), tex = read(write(figure, FigureFormat::Tex));
        QVERIFY(csv.contains("# panel 1: stage border at x 6000000.0: stage 2 begins between 4M and 8M tokens") ||
                csv.contains("# panel 1: stage border at x 6000000: stage 2 begins between 4M and 8M tokens"));
        QVERIFY(tex.contains("{stage 2}"));
        const QImage with = png();
        figure.panels[0].borders[0].x = 1e9; // out of the visible range it is not drawn
        QVERIFY(!inPdf() && !inSvg());
        QVERIFY(!read(write(figure, FigureFormat::Tex)).contains("{stage 2}"));
        QVERIFY(with != png());
    }

    void oddFiguresAreDrawn() {
        analysis::Figure empty;
        empty.name = "empty";
        for (const analysis::Figure& figure : {oddFigure(), empty, test::largeFigure(2, 8, 3000)})
            for (const FigureFormat format : kFormats) {
                ui::ExportOptions options;
                options.format = format;
                options.dpi = 60;
                const auto bytes = ui::renderFigure(figure, options);
                QVERIFY2(bytes, bytes ? "" : bytes.error().text().c_str());
                QVERIFY(!bytes->isEmpty());
                if (format == FigureFormat::Svg)
                    QVERIFY(test::readSvg(*bytes).error.isEmpty() && test::readSvg(*bytes).nonFinite == 0);
            }
    }

    void wrongSettingsAndPathsAreErrors() {
        const analysis::Figure figure = test::trialFigure();
        ui::ExportOptions options;
        options.widthMm = 5;
        QVERIFY(ui::renderFigure(figure, options).error().kind == ErrorKind::OutOfRange);
        options = {};
        options.fontPt = std::numeric_limits<double>::quiet_NaN();
        QVERIFY(ui::renderFigure(figure, options).error().kind == ErrorKind::OutOfRange);
        options = {};
        options.format = FigureFormat::Png;
        options.dpi = 2400;
        options.widthMm = 1500;
        QVERIFY(ui::renderFigure(figure, options).error().kind == ErrorKind::OutOfRange);
        const auto lost = ui::exportFigure(figure, {}, m_folder.filePath(QStringLiteral("no/such/folder.pdf")));
        QVERIFY(!lost && lost.error().kind == ErrorKind::NotFound);
        QVERIFY(QString::fromStdString(lost.error().where).endsWith(u"no/such/folder.pdf"));
        QVERIFY(ui::formatFromPath(QStringLiteral("a.JPG")).error().kind == ErrorKind::Unsupported);
        QVERIFY(*ui::formatFromPath(QStringLiteral("a.b.PDF")) == FigureFormat::Pdf);
    }

    void aRefusedSettingKeepsTheOldFile() {
        const QString path = write(test::trialFigure(), FigureFormat::Csv);
        const QByteArray before = read(path);
        ui::ExportOptions wrong;
        wrong.format = FigureFormat::Csv;
        wrong.widthMm = -1;
        QVERIFY(!ui::exportFigure(test::trialFigure(), wrong, path));
        QCOMPARE(read(path), before);
    }

    /// The kernel writes a part and refuses the rest, as on a full disk.
    void aFailedWriteKeepsTheOldFile() {
        const QString path = write(test::trialFigure(), FigureFormat::Svg);
        const QByteArray before = read(path);
        QVERIFY(before.size() > 8000);
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit usual{};
        QCOMPARE(::getrlimit(RLIMIT_FSIZE, &usual), 0);
        const rlimit small{4096, usual.rlim_max};
        QCOMPARE(::setrlimit(RLIMIT_FSIZE, &small), 0);
        const auto written = ui::writeFigureFile(before + "more", path);
        QCOMPARE(::setrlimit(RLIMIT_FSIZE, &usual), 0);
        QVERIFY(!written);
        QVERIFY2(written.error().message.find("grow beyond the size") != std::string::npos, written.error().text().c_str());
        QVERIFY2(written.error().text().find(path.toStdString()) != std::string::npos, written.error().text().c_str());
        QCOMPARE(read(path), before);
        QCOMPARE(QDir(m_folder.path()).entryList({QFileInfo(path).fileName() + u'*'}, QDir::Files | QDir::Hidden).size(), 1); // nothing temporary is left
    }

    void aPictureIsGivenUpWhileItIsEncoded() {
        QImage picture(3000, 3000, QImage::Format_RGB32);
        for (int y = 0; y < picture.height(); ++y) {
            auto* row = reinterpret_cast<QRgb*>(picture.scanLine(y));
            for (int x = 0; x < picture.width(); ++x)
                row[x] = qRgb(x * y % 251, (x + 3 * y) % 241, x * x % 239); // takes long to pack
        }
        QElapsedTimer timer;
        timer.start();
        const auto whole = ui::pngBytes(picture);
        const qint64 whileAll = timer.restart();
        QVERIFY(whole && QImage::fromData(*whole) == picture);
        std::stop_source stop;
        std::jthread later([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(whileAll / 10));
            stop.request_stop();
        });
        const auto part = ui::pngBytes(picture, JobContext(stop.get_token()));
        QVERIFY(!part && part.error().kind == ErrorKind::Stopped);
        QVERIFY2(timer.elapsed() < whileAll / 2, qPrintable(QStringLiteral("%1 of %2 ms").arg(timer.elapsed()).arg(whileAll)));
    }

    void singlePanelsAreWholeFigures() {
        const auto singles = ui::singlePanels(test::trialFigure());
        QCOMPARE(singles.size(), std::size_t(4));
        QCOMPARE(singles[3].name, std::string("curves-4"));
        QCOMPARE(singles[3].panels.size(), std::size_t(1));
        QCOMPARE(singles[3].panels[0].title, std::string("Fine-tuned on Bible: GCIDE loss"));
        QVERIFY(singles[3].provenance.find("crest export STUDY --figure curves --panel 4\"") != std::string::npos);
    }
};

QTEST_MAIN(TestFigureExport)
#include "tst_figure_export.moc"
