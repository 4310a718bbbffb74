// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/charts/figure_files.h"

#include <cmath>
#include <optional>

#include <QFile>
#include <QImage>
#include <QImageReader>
#include <QProcess>
#include <QRegularExpression>
#include <QStandardPaths>
#include <QTest>
#include <QTransform>
#include <QXmlStreamReader>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_view.h"
#include "core/base/json.h"

namespace crest::test {
namespace {

QByteArray read(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

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

/// One point as a line: panel, curve, x, y, the band, counts.
QString pointLine(const QString& panel, const QString& curve, double x, double y, const QStringList& rest) {
    return QStringLiteral("%1|%2|%3|%4|%5").arg(panel, curve).arg(x, 0, 'g', 17).arg(y, 0, 'g', 17).arg(rest.join(u'|'));
}

QStringList plottedPoints(const analysis::Figure& figure) {
    const auto number = [](const std::optional<double>& value) { return value ? QString::number(*value, 'g', 17) : QString(); };
    const auto count = [](std::int64_t value) { return value > 0 ? QString::number(value) : QString(); };
    QStringList points;
    for (std::size_t p = 0; p < figure.panels.size(); ++p)
        for (const auto& curve : figure.panels[p].curves)
            for (const auto& segment : curve.segments)
                for (const auto& point : segment)
                    if (curve.visible && point.x >= figure.panels[p].x.low)
                        points << pointLine(QString::number(p + 1), QString::fromStdString(curve.label), point.x, point.y,
                                            {number(point.low), number(point.high), count(point.n), count(point.runs), count(point.draws)});
    return points;
}

QString missing(const QString& wanted, const QString& text) {
    return wanted + QStringLiteral(" is missing in\n") + text;
}

} // namespace

QByteArray toolOutput(const QString& tool, const QStringList& arguments) {
    QProcess process;
    process.start(tool, arguments);
    if (!process.waitForFinished(60000) || process.exitStatus() != QProcess::NormalExit || process.exitCode() != 0)
        return "failed: " + tool.toUtf8() + ' ' + process.readAllStandardError() + process.readAllStandardOutput();
    return process.readAllStandardOutput();
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

std::string provenanceOf(const analysis::Figure& figure, const std::string& suffix, const std::string& size) {
    Json provenance = Json::parse(figure.provenance);
    provenance["command"] = provenance["command"].get<std::string>() + size + " -o " + figure.name + "." + suffix +
                            analysis::viewOptions(figure);
    return provenance.dump();
}

void checkSvg(const QString& path, const analysis::Figure& figure, QSizeF mm, const std::string& size) {
    const SvgContent svg = readSvg(read(path));
    QCOMPARE(svg.error, QString());
    QVERIFY2(svg.width.endsWith(u"mm") && std::abs(svg.width.chopped(2).toDouble() - mm.width()) < 0.01, qPrintable(svg.width));
    QVERIFY2(svg.height.endsWith(u"mm") && std::abs(svg.height.chopped(2).toDouble() - mm.height()) < 0.01, qPrintable(svg.height));
    QVERIFY(std::abs(svg.height.chopped(2).toDouble() / mm.width() - svg.viewBox.height() / svg.viewBox.width()) < 1e-3);
    QCOMPARE(svg.images, 0);
    QCOMPARE(svg.nonFinite, 0);
    for (const QString& wanted : wantedTexts(figure))
        QVERIFY2(svg.text.contains(wanted), qPrintable(missing(wanted, svg.text)));
    QCOMPARE(Json::parse(svg.metadata.toStdString())["provenance"].dump(), provenanceOf(figure, "svg", size));
}

void checkPdf(const QString& path, const analysis::Figure& figure, QSizeF mm, const std::string& size) {
    for (const char* tool : {"pdfinfo", "pdftotext", "pdfimages", "pdffonts"})
        QVERIFY2(!QStandardPaths::findExecutable(QString::fromLatin1(tool)).isEmpty(),
                 "install poppler-utils: this test reads the PDF with it");
    const QString text = // ligatures taken apart
        QString::fromUtf8(toolOutput(QStringLiteral("pdftotext"), {QStringLiteral("-layout"), path, QStringLiteral("-")}))
            .replace(QChar(0xfb01), QStringLiteral("fi"))
            .replace(QChar(0xfb02), QStringLiteral("fl"));
    for (const QString& wanted : wantedTexts(figure))
        if (!wanted.startsWith(u"loss (") && !wanted.startsWith(u"increase")) // turned text is laid out letter by letter
            QVERIFY2(text.contains(wanted), qPrintable(missing(wanted, text)));
    const QString raw =
        QString::fromUtf8(toolOutput(QStringLiteral("pdftotext"), {QStringLiteral("-raw"), path, QStringLiteral("-")}));
    QVERIFY2(raw.simplified().contains(u"loss (nats/token)"), qPrintable(raw)); // a word a line
    QCOMPARE(toolOutput(QStringLiteral("pdfimages"), {QStringLiteral("-list"), path}).trimmed().split('\n').size(),
             2); // the two lines of heading
    const QString fonts = QString::fromUtf8(toolOutput(QStringLiteral("pdffonts"), {path}));
    const QStringList rows = fonts.trimmed().split(u'\n').mid(2);
    QVERIFY(!rows.isEmpty());
    for (const QString& row : rows)
        QVERIFY2(row.contains(QRegularExpression(QStringLiteral("Identity-H +yes"))), qPrintable(fonts));
    const QString info = QString::fromUtf8(toolOutput(QStringLiteral("pdfinfo"), {path}));
    const auto points = QRegularExpression(QStringLiteral("Page size: +([0-9.]+) x ([0-9.]+) pts")).match(info);
    QVERIFY2(std::abs(points.captured(1).toDouble() - mm.width() / 25.4 * 72) <= 1, qPrintable(info));
    QVERIFY2(std::abs(points.captured(2).toDouble() - mm.height() / 25.4 * 72) <= 1, qPrintable(info));
    QVERIFY(info.contains(QString::fromStdString(figure.title)));
    QXmlStreamReader xmp(toolOutput(QStringLiteral("pdfinfo"), {QStringLiteral("-meta"), path}));
    QString record;
    while (!xmp.atEnd())
        if (xmp.readNext(); xmp.isStartElement() && xmp.name() == u"figure")
            record = xmp.readElementText();
    QVERIFY2(!xmp.hasError(), qPrintable(xmp.errorString()));
    QCOMPARE(Json::parse(record.toStdString())["provenance"].dump(), provenanceOf(figure, "pdf", size));
}

void checkPng(const QString& path, const analysis::Figure& figure, double widthMm, double dpi, const std::string& size) {
    const QImage image(path);
    QCOMPARE(image.width(), static_cast<int>(std::lround(widthMm / 25.4 * dpi)));
    QCOMPARE(image.dotsPerMeterX(), static_cast<int>(std::lround(dpi / 0.0254)));
    QCOMPARE(Json::parse(QImageReader(path).text(QStringLiteral("crest-figure")).toStdString())["provenance"].dump(),
             provenanceOf(figure, "png", size));
}

void checkCsv(const QString& path, const analysis::Figure& figure) {
    QStringList found;
    bool heading = false;
    for (const QString& line : QString::fromUtf8(read(path)).split(u'\n', Qt::SkipEmptyParts)) {
        if (line.startsWith(u'#'))
            continue;
        const QStringList fields = csvFields(line);
        QCOMPARE(fields.size(), 11);
        if (!heading) {
            heading = true;
            QCOMPARE(line, QStringLiteral("panel,title,role,curve,x,y,low,high,n,runs,draws"));
            continue;
        }
        const auto number = [&](int column) {
            return fields[column].isEmpty() ? QString() : QString::number(fields[column].toDouble(), 'g', 17);
        };
        found << pointLine(fields[0], fields[3], fields[4].toDouble(), fields[5].toDouble(),
                           QStringList{number(6), number(7)} + fields.mid(8));
    }
    QCOMPARE(found, plottedPoints(figure));
}

void checkTex(const QString& path, const analysis::Figure& figure) {
    const QString tex = QString::fromUtf8(read(path));
    for (const char* environment : {"document", "tikzpicture", "groupplot"})
        for (const char* command : {"begin", "end"}) // the record in the first line may name them, too
            QCOMPARE(tex.mid(tex.indexOf(u'\n'))
                         .count(QStringLiteral("\\%1{%2}").arg(QString::fromLatin1(command), QString::fromLatin1(environment))),
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
}

} // namespace crest::test
