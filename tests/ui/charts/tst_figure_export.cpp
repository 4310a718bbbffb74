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
#include <QImageReader>
#include <QProcess>
#include <QRegularExpression>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>
#include <QTransform>
#include <QXmlStreamReader>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_view.h"
#include "tests/ui/charts/sample_figure.h"
#include "ui/charts/figure_export.h"
#include "ui/charts/figure_origin.h"

using namespace crest;
using ui::FigureFormat;

namespace {

const FigureFormat kFormats[] = {FigureFormat::Pdf, FigureFormat::Svg, FigureFormat::Png, FigureFormat::Csv,
                                 FigureFormat::Tex};

/// Standard output of a tool that must be there.
QByteArray toolOutput(const QString& tool, const QStringList& arguments) {
    QProcess process;
    process.start(tool, arguments);
    if (!process.waitForFinished(60000) || process.exitStatus() != QProcess::NormalExit || process.exitCode() != 0)
        return "failed: " + tool.toUtf8() + ' ' + process.readAllStandardError() + process.readAllStandardOutput();
    return process.readAllStandardOutput();
}

struct SvgContent {
    QString error, width, height, text, metadata;
    int images = 0, shapes = 0, nonFinite = 0;
    QRectF viewBox, extent; ///< of all drawn coordinates
};

void addPath(SvgContent& svg, const QString& d, const QTransform& transform) {
    svg.nonFinite += d.contains(u"nan") || d.contains(u"inf");
    static const QRegularExpression pair(QStringLiteral("(-?[0-9.]+(?:e-?[0-9]+)?)[ ,](-?[0-9.]+(?:e-?[0-9]+)?)"));
    auto match = pair.globalMatch(d);
    while (match.hasNext()) {
        const auto found = match.next();
        const QPointF at = transform.map(QPointF(found.captured(1).toDouble(), found.captured(2).toDouble()));
        const QRectF dot(at - QPointF(0.01, 0.01), QSizeF(0.02, 0.02));
        svg.extent = svg.extent.isNull() ? dot : svg.extent | dot;
        ++svg.shapes;
    }
}

SvgContent readSvg(const QByteArray& bytes) {
    SvgContent svg;
    QTransform transform;
    QXmlStreamReader reader(bytes);
    while (!reader.atEnd()) {
        reader.readNext();
        if (!reader.isStartElement())
            continue;
        const auto name = reader.name();
        const auto attributes = reader.attributes();
        if (name == u"svg") {
            svg.width = attributes.value("width").toString();
            svg.height = attributes.value("height").toString();
            const QStringList box = attributes.value("viewBox").toString().split(u' ');
            if (box.size() == 4)
                svg.viewBox = QRectF(box[0].toDouble(), box[1].toDouble(), box[2].toDouble(), box[3].toDouble());
        } else if (name == u"image") {
            ++svg.images;
        } else if (name == u"g" && attributes.hasAttribute("transform")) {
            static const QRegularExpression number(QStringLiteral("-?[0-9.]+(?:e-?[0-9]+)?"));
            QList<double> m;
            auto match = number.globalMatch(attributes.value("transform").toString());
            while (match.hasNext())
                m << match.next().captured().toDouble();
            transform = m.size() == 6 ? QTransform(m[0], m[1], m[2], m[3], m[4], m[5]) : QTransform();
        } else if (name == u"text") {
            svg.text += reader.readElementText(QXmlStreamReader::IncludeChildElements).simplified() + u'\n';
        } else if (name == u"figure") {
            svg.metadata = reader.readElementText();
        } else if (name == u"path") {
            addPath(svg, attributes.value("d").toString(), transform);
        } else if (name == u"polyline" || name == u"polygon") {
            addPath(svg, attributes.value("points").toString(), transform);
        }
    }
    svg.error = reader.hasError() ? reader.errorString() : QString();
    return svg;
}

/// What a reader must find in any export of a figure.
QStringList wantedTexts(const analysis::Figure& figure) {
    QStringList wanted;
    for (const auto& panel : figure.panels) {
        wanted << QString::fromStdString(panel.title) << QString::fromStdString(panel.y.title)
               << QString::fromStdString(panel.badge);
        for (const auto& note : analysis::panelNotes(panel))
            wanted << QString::fromStdString(note);
        for (const auto& curve : panel.curves)
            if (curve.visible)
                wanted << QString::fromStdString(curve.label);
    }
    for (const auto& key : figure.keys)
        wanted << QString::fromStdString(key.text);
    wanted << QString::fromStdString(figure.panels.front().x.title);
    wanted.removeDuplicates();
    return wanted;
}

/// What a file must carry: the figure's own provenance, its command completed with the file's name and the view.
std::string provenanceOf(const analysis::Figure& figure, const std::string& suffix, const std::string& size = {}) {
    Json provenance = Json::parse(figure.provenance);
    provenance["command"] = provenance["command"].get<std::string>() + size + " -o " + figure.name + "." + suffix +
                            analysis::viewOptions(figure);
    return provenance.dump();
}

/// One line of CSV with quoted fields.
QStringList csvFields(const QString& line) {
    QStringList fields{QString()};
    bool quoted = false;
    for (qsizetype i = 0; i < line.size(); ++i) {
        if (line[i] == u'"' && quoted && i + 1 < line.size() && line[i + 1] == u'"')
            fields.last() += line[++i];
        else if (line[i] == u'"')
            quoted = !quoted;
        else if (line[i] == u',' && !quoted)
            fields << QString();
        else
            fields.last() += line[i];
    }
    return fields;
}

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
    static QByteArray read(const QString& path) {
        QFile file(path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".*(NaN|nan|invalid|QPainter|QFont).*"))); }

    void svgHoldsTextAndVectorsOnly() {
        const analysis::Figure figure = test::trialFigure();
        const QString path = write(figure, FigureFormat::Svg);
        const QByteArray bytes = read(path);
        const SvgContent svg = readSvg(bytes);
        QCOMPARE(svg.error, QString());
        QCOMPARE(svg.width, QStringLiteral("174mm"));
        const QString height = svg.height.chopped(2);
        QVERIFY(svg.height.endsWith(u"mm"));
        QVERIFY(std::abs(height.toDouble() / 174 - svg.viewBox.height() / svg.viewBox.width()) < 1e-3);
        QCOMPARE(svg.images, 0);
        QCOMPARE(svg.nonFinite, 0);
        for (const QString& wanted : wantedTexts(figure))
            QVERIFY2(svg.text.contains(wanted), qPrintable(wanted + QStringLiteral(" is missing in\n") + svg.text));
        for (const char* tick : {"0.5M", "64M", "5.4"})
            QVERIFY2(svg.text.contains(QString::fromLatin1(tick)), tick);
        QVERIFY(bytes.size() < 1'000'000);
        QCOMPARE(Json::parse(svg.metadata.toStdString())["provenance"].dump(), provenanceOf(figure, "svg"));
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
        const SvgContent svg = readSvg(read(write(figure, FigureFormat::Svg)));
        const QStringList lines = svg.text.split(u'\n');
        QCOMPARE(lines.count(QStringLiteral("64M")), labelled);
        QCOMPARE(lines.count(QString::fromStdString(figure.panels[0].x.title)), labelled);
    }

    void legendWrapsItsKeysOnNarrowPaper() {
        analysis::Figure figure = test::trialFigure();
        figure.keys[0].text =
            "95 % CI over 3 pretraining runs, 16 noise draws, 32 sequences, for these checkpoints only";
        ui::ExportOptions options;
        options.columnPreset = ui::ColumnPreset::SingleColumn;
        const SvgContent svg = readSvg(read(write(figure, FigureFormat::Svg, options)));
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
        const SvgContent svg = readSvg(read(write(figure, FigureFormat::Svg)));
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
        for (const char* tool : {"pdfinfo", "pdftotext", "pdfimages", "pdffonts"})
            QVERIFY2(!QStandardPaths::findExecutable(QString::fromLatin1(tool)).isEmpty(),
                     "install poppler-utils: this test reads the PDF with it");
        const analysis::Figure figure = test::trialFigure();
        const QString path = write(figure, FigureFormat::Pdf);
        const QString text = // ligatures taken apart
            QString::fromUtf8(
                toolOutput(QStringLiteral("pdftotext"), {QStringLiteral("-layout"), path, QStringLiteral("-")}))
                .replace(QChar(0xfb01), QStringLiteral("fi"))
                .replace(QChar(0xfb02), QStringLiteral("fl"));
        for (const QString& wanted : wantedTexts(figure))
            if (!wanted.startsWith(u"loss (") &&
                !wanted.startsWith(u"increase")) // turned text is laid out letter by letter
                QVERIFY2(text.contains(wanted), qPrintable(wanted + QStringLiteral(" is missing in\n") + text));
        const QString raw = QString::fromUtf8(
            toolOutput(QStringLiteral("pdftotext"), {QStringLiteral("-raw"), path, QStringLiteral("-")}));
        QVERIFY2(raw.simplified().contains(u"loss (nats/token)"), qPrintable(raw)); // a word a line
        QCOMPARE(toolOutput(QStringLiteral("pdfimages"), {QStringLiteral("-list"), path}).trimmed().split('\n').size(),
                 2); // the two lines of heading
        const QString fonts = QString::fromUtf8(toolOutput(QStringLiteral("pdffonts"), {path}));
        const QStringList rows = fonts.trimmed().split(u'\n').mid(2);
        QVERIFY(!rows.isEmpty());
        for (const QString& row : rows)
            QVERIFY2(row.contains(QRegularExpression(QStringLiteral("Identity-H +yes"))), qPrintable(fonts));
        const QString info = QString::fromUtf8(toolOutput(QStringLiteral("pdfinfo"), {path}));
        const auto size = QRegularExpression(QStringLiteral("Page size: +([0-9.]+) x ([0-9.]+) pts")).match(info);
        QVERIFY2(std::abs(size.captured(1).toDouble() - 174 / 25.4 * 72) <= 1, qPrintable(info));
        ui::FigurePainter painter(figure, {});
        QVERIFY(std::abs(size.captured(2).toDouble() - painter.sizeMm().height() / 25.4 * 72) <= 1);
        QVERIFY(info.contains(QString::fromStdString(figure.title)));
        const QByteArray meta = toolOutput(QStringLiteral("pdfinfo"), {QStringLiteral("-meta"), path});
        QXmlStreamReader xmp(meta);
        QString record;
        while (!xmp.atEnd())
            if (xmp.readNext(); xmp.isStartElement() && xmp.name() == u"figure")
                record = xmp.readElementText();
        QVERIFY2(!xmp.hasError(), qPrintable(xmp.errorString()));
        QCOMPARE(Json::parse(record.toStdString())["provenance"].dump(), provenanceOf(figure, "pdf"));
    }

    void pngHasSizeResolutionAndRecord() {
        const analysis::Figure figure = test::trialFigure();
        ui::ExportOptions options;
        options.dpi = 200;
        options.columnPreset = ui::ColumnPreset::SingleColumn;
        const QString path = write(figure, FigureFormat::Png, options);
        const QImage image(path);
        QCOMPARE(image.width(), static_cast<int>(std::lround(84 / 25.4 * 200)));
        QCOMPARE(image.dotsPerMeterX(), static_cast<int>(std::lround(200 / 0.0254)));
        QVERIFY(image.height() > image.width()); // one column: four panels below each other
        QCOMPARE(image.pixelColor(0, image.height() - 1), QColor(Qt::white));
        QCOMPARE(
            Json::parse(QImageReader(path).text(QStringLiteral("crest-figure")).toStdString())["provenance"].dump(),
            provenanceOf(figure, "png", " --width-mm 84 --dpi 200"));
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
        const auto count = [](std::int64_t number) { return number > 0 ? QString::number(number) : QString(); };
        QStringList expected;
        for (std::size_t p = 0; p < figure.panels.size(); ++p)
            for (const auto& curve : figure.panels[p].curves)
                for (const auto& point : curve.segments[0])
                    if (curve.visible && point.x >= figure.panels[p].x.low)
                        expected << QStringLiteral("%1|%2|%3|%4|%5|%6|%7|%8")
                                        .arg(p + 1)
                                        .arg(QString::fromStdString(curve.label))
                                        .arg(point.x, 0, 'g', 17)
                                        .arg(point.y, 0, 'g', 17)
                                        .arg(point.low ? QString::number(*point.low, 'g', 17) : QString())
                                        .arg(count(point.n), count(point.runs), count(point.draws));
        QStringList found;
        const QStringList lines =
            QString::fromUtf8(read(write(figure, FigureFormat::Csv))).split(u'\n', Qt::SkipEmptyParts);
        bool heading = false;
        for (const QString& line : lines) {
            if (line.startsWith(u'#'))
                continue;
            const QStringList fields = csvFields(line);
            QCOMPARE(fields.size(), 11);
            if (!heading) {
                heading = true;
                QCOMPARE(line, QStringLiteral("panel,title,role,curve,x,y,low,high,n,runs,draws"));
                continue;
            }
            found << QStringLiteral("%1|%2|%3|%4|%5|%6|%7|%8")
                         .arg(fields[0], fields[3])
                         .arg(fields[4].toDouble(), 0, 'g', 17)
                         .arg(fields[5].toDouble(), 0, 'g', 17)
                         .arg(fields[6].isEmpty() ? QString() : QString::number(fields[6].toDouble(), 'g', 17),
                              fields[8], fields[9], fields[10]);
        }
        QCOMPARE(found, expected);
    }

    void texCompiles_data() {
        QTest::addColumn<int>("which");
        QTest::newRow("trial") << 0;
        QTest::newRow("hostile titles") << 1;
        QTest::newRow("odd values") << 2;
    }
    void texCompiles() {
        QFETCH(int, which);
        const analysis::Figure figure = which == 0 ? test::trialFigure() : which == 1 ? hostileFigure() : oddFigure();
        const QString path = write(figure, FigureFormat::Tex);
        const QString tex = QString::fromUtf8(read(path));
        for (const char* environment : {"document", "tikzpicture", "groupplot"})
            for (const char* command : {"begin", "end"}) // the record in the first line may name them, too
                QCOMPARE(tex.mid(tex.indexOf(u'\n'))
                             .count(QStringLiteral("\\%1{%2}")
                                        .arg(QString::fromLatin1(command), QString::fromLatin1(environment))),
                         1);
        QCOMPARE(tex.count(QStringLiteral("\\nextgroupplot")), static_cast<qsizetype>(figure.panels.size()));
        QVERIFY(!tex.contains(QRegularExpression(QStringLiteral("[(,=]-?(nan|inf)"))));
        int depth = 0;
        for (const QString& line : tex.split(u'\n')) {
            if (line.startsWith(u'%'))
                continue;
            for (qsizetype i = 0; i < line.size(); ++i)
                if (i == 0 || line[i - 1] != u'\\')
                    depth += line[i] == u'{' ? 1 : line[i] == u'}' ? -1 : 0;
            QVERIFY2(depth >= 0, qPrintable(line));
        }
        QCOMPARE(depth, 0);
        if (QStandardPaths::findExecutable(QStringLiteral("pdflatex")).isEmpty())
            return; // the structure is checked; compiling needs TeX Live
        QProcess process;
        process.setWorkingDirectory(m_folder.path());
        process.start(QStringLiteral("pdflatex"),
                      {QStringLiteral("-interaction=nonstopmode"), QStringLiteral("-halt-on-error"),
                       QStringLiteral("-jobname=compiled"), path});
        QVERIFY(process.waitForFinished(60000));
        const QByteArray log = process.readAllStandardOutput();
        if (log.contains("pgfplots.sty' not found"))
            return;
        QVERIFY2(process.exitCode() == 0, log.right(2000).constData());
    }

    void everyFormatTellsItsOrigin() {
        const analysis::Figure figure = hostileFigure();
        for (const FigureFormat format : kFormats) {
            const QString path = write(figure, format);
            const auto record = ui::readFigureRecord(path);
            QVERIFY2(record, record ? "" : record.error().text().c_str());
            QCOMPARE((*record)["provenance"].dump(), provenanceOf(figure, ui::formatSuffix(format).toStdString()));
            const std::string words = ui::explainRecord(*record, "figure");
            QVERIFY(words.find(figure.title) != std::string::npos);
            QVERIFY(words.find("crest export STUDY --figure curves") != std::string::npos);
            QVERIFY(words.find("settings.gammas: 0.1, 0.15, 0.2, 0.3") != std::string::npos);
            QVERIFY(words.find("Fine-tuned on Bible: GCIDE loss [OOD]") != std::string::npos);
        }
        QCOMPARE(readSvg(read(m_folder.filePath(QStringLiteral("figure.svg")))).error, QString());
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
        const SvgContent svg = readSvg(read(write(figure, FigureFormat::Svg)));
        QCOMPARE(svg.error, QString());
        QVERIFY(svg.text.contains(u"chance 4.5") && svg.text.contains(u"theirs"));
        const QByteArray pdf = toolOutput(QStringLiteral("pdftotext"),
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
        QVERIFY(!readSvg(read(write(figure, FigureFormat::Svg))).text.contains(u"chance"));
    }

    void stageBordersAreInEveryFormat() {
        analysis::Figure figure = test::trialFigure();
        figure.panels[0].borders.push_back({6e6, "stage 2", "stage 2 begins between 4M and 8M tokens"});
        const auto inPdf = [&] {
            return toolOutput(QStringLiteral("pdftotext"),
                              {QStringLiteral("-layout"), write(figure, FigureFormat::Pdf), QStringLiteral("-")})
                .contains("stage 2");
        };
        const auto inSvg = [&] { return readSvg(read(write(figure, FigureFormat::Svg))).text.contains(u"stage 2"); };
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
                    QVERIFY(readSvg(*bytes).error.isEmpty() && readSvg(*bytes).nonFinite == 0);
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
