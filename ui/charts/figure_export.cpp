// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/figure_export.h"

#include <cmath>

#include <QBuffer>
#include <QFileInfo>
#include <QImageWriter>
#include <QPainter>
#include <QPdfWriter>
#include <QSvgGenerator>

#include <fmt/format.h>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_record.h"
#include "core/base/version.h"
#include "core/io/files.h"
#include "ui/charts/figure_origin.h"

namespace crest::ui {
namespace {

constexpr double kMostPixels = 200e6;

QString creator() {
    return QStringLiteral("Crest ") + QString::fromLatin1(version());
}

QString titleOf(const analysis::Figure& figure) {
    return QString::fromStdString(figure.title.empty() ? figure.name : figure.title);
}

QString description(const analysis::Figure& figure) {
    QStringList panels;
    for (const analysis::FigurePanel& panel : figure.panels)
        panels << QString::fromStdString(panel.title + (panel.badge.empty() ? "" : " (" + panel.badge + ")") + ": " +
                                         panel.y.title + " over " + panel.x.title);
    return panels.join(QStringLiteral("; "));
}

ExportOptions resolved(ExportOptions options) {
    switch (options.columnPreset) {
    case ColumnPreset::Custom:
        break;
    case ColumnPreset::SingleColumn:
        options.widthMm = 84;
        options.fontPt = 8;
        break;
    case ColumnPreset::DoubleColumn:
        options.widthMm = 174;
        options.fontPt = 8;
        break;
    case ColumnPreset::Slide:
        options.widthMm = 280;
        options.fontPt = 14;
        break;
    }
    return options;
}

Result<void> checkRange(const char* what, double value, double low, double high, const char* unit) {
    if (value >= low && value <= high) // false for NaN
        return {};
    return fail(ErrorKind::OutOfRange, std::string(what) + " must lie between " + QString::number(low).toStdString() +
                                           " and " + QString::number(high).toStdString() + " " + unit);
}

Result<void> check(const ExportOptions& options) {
    CREST_CHECK(checkRange("the width of a figure", options.widthMm, 20, 2000, "mm"));
    CREST_CHECK(checkRange("the height of a panel", options.panelHeightMm, 15, 1000, "mm"));
    CREST_CHECK(checkRange("the font size", options.fontPt, 3, 72, "pt"));
    CREST_CHECK(checkRange("the resolution", options.dpi, 30, 2400, "dpi"));
    return {};
}

/// The record as XMP: pdfinfo -meta and any XML reader find it.
QByteArray xmpMetadata(const QString& title, const QString& record) {
    return (u"<?xpacket begin=\"\uFEFF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
            u"<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
            u"<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
            u"xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" "
            u"xmlns:crest=\"" +
            QString::fromLatin1(kRecordNamespace) + u"\">\n<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">" +
            title.toHtmlEscaped() + u"</rdf:li></rdf:Alt></dc:title>\n<xmp:CreatorTool>" + creator().toHtmlEscaped() +
            u"</xmp:CreatorTool>\n<crest:figure>" + record.toHtmlEscaped() +
            u"</crest:figure>\n</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>")
        .toUtf8();
}

QByteArray toPdf(const analysis::Figure& figure, FigurePainter& painter, const QString& record) {
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    QPdfWriter writer(&buffer);
    writer.setResolution(static_cast<int>(72 * FigurePainter::kUnitsPerPoint));
    writer.setPageMargins(QMarginsF(0, 0, 0, 0));
    writer.setPageSize(QPageSize(painter.sizeMm(), QPageSize::Millimeter, {}, QPageSize::ExactMatch));
    writer.setTitle(titleOf(figure));
    writer.setCreator(creator());
    writer.setDocumentXmpMetadata(xmpMetadata(titleOf(figure), record));
    QPainter paint(&writer);
    painter.paint(&paint, QRectF(QPointF(0, 0), painter.sizeUnits()));
    paint.end();
    return bytes;
}

QByteArray toSvg(const analysis::Figure& figure, FigurePainter& painter, const QString& record) {
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setResolution(2540); // the size is then in hundredths of a millimetre
    generator.setSize((painter.sizeMm() * 100).toSize());
    generator.setViewBox(QRectF(QPointF(0, 0), painter.sizeUnits()));
    generator.setTitle(titleOf(figure).toHtmlEscaped()); // Qt 6.4 writes both as they are
    generator.setDescription(description(figure).toHtmlEscaped());
    QPainter paint(&generator);
    painter.paint(&paint, QRectF(QPointF(0, 0), painter.sizeUnits()));
    paint.end();
    const QString metadata = u"<metadata><crest:figure xmlns:crest=\"" + QString::fromLatin1(kRecordNamespace) +
                             u"\">" + record.toHtmlEscaped() + u"</crest:figure></metadata>\n";
    const qsizetype place = bytes.indexOf("<defs>");
    return place < 0 ? QByteArray() : bytes.insert(place, metadata.toUtf8());
}

Result<QImage> toImage(const analysis::Figure& figure, FigurePainter& painter, const QString& record, double dpi) {
    const QSizeF size = painter.sizeMm() / 25.4 * dpi;
    if (size.width() * size.height() > kMostPixels)
        return fail(ErrorKind::OutOfRange,
                    "the picture would have more than 200 million pixels; choose a lower resolution or a smaller size");
    QImage image(std::max(1, static_cast<int>(std::lround(size.width()))),
                 std::max(1, static_cast<int>(std::lround(size.height()))), QImage::Format_RGB32);
    if (image.isNull())
        return fail(ErrorKind::OutOfRange, "there is not enough memory for a picture of this size");
    image.fill(lightTheme().ground);
    QPainter paint(&image);
    painter.paint(&paint, QRectF(image.rect()));
    paint.end();
    image.setDotsPerMeterX(static_cast<int>(std::lround(dpi / 0.0254)));
    image.setDotsPerMeterY(image.dotsPerMeterX());
    image.setText(QStringLiteral("Title"), titleOf(figure));
    image.setText(QStringLiteral("Description"), description(figure));
    image.setText(QStringLiteral("Software"), creator());
    image.setText(QString::fromLatin1(kPngRecordKey), record);
    return image;
}

/// What `crest export` needs beside the figure's own options: paper, file, view.
std::string commandOptions(const analysis::Figure& figure, const ExportOptions& options) {
    const ExportOptions usual;
    std::string text;
    const auto add = [&](const char* name, double value, double without) {
        if (value != without)
            text += fmt::format(" --{} {}", name, value);
    };
    add("width-mm", options.widthMm, usual.widthMm);
    add("panel-height-mm", options.panelHeightMm, usual.panelHeightMm);
    add("font-pt", options.fontPt, usual.fontPt);
    if (options.format == FigureFormat::Png)
        add("dpi", options.dpi, usual.dpi);
    return text + " -o " + figure.name + "." + formatSuffix(options.format).toStdString() +
           analysis::viewOptions(figure);
}

} // namespace

Result<FigureFormat> formatFromPath(const QString& path) {
    const QString suffix = QFileInfo(path).suffix().toLower();
    for (const FigureFormat format :
         {FigureFormat::Pdf, FigureFormat::Svg, FigureFormat::Png, FigureFormat::Csv, FigureFormat::Tex})
        if (suffix == formatSuffix(format))
            return format;
    return fail(ErrorKind::Unsupported, "a figure is written as .pdf, .svg, .png, .csv or .tex", path.toStdString());
}

QString formatSuffix(FigureFormat format) {
    switch (format) {
    case FigureFormat::Pdf:
        return QStringLiteral("pdf");
    case FigureFormat::Svg:
        return QStringLiteral("svg");
    case FigureFormat::Png:
        return QStringLiteral("png");
    case FigureFormat::Csv:
        return QStringLiteral("csv");
    case FigureFormat::Tex:
        return QStringLiteral("tex");
    }
    return {};
}

Result<QByteArray> renderFigure(const analysis::Figure& asSeen, const ExportOptions& asked) {
    const ExportOptions options = resolved(asked);
    CREST_CHECK(check(options));
    const analysis::Figure figure = analysis::withCommandOptions(asSeen, commandOptions(asSeen, options));
    if (options.format == FigureFormat::Csv)
        return QByteArray::fromStdString(analysis::figureToCsv(figure));
    const PaperSize paper{options.widthMm, options.panelHeightMm, options.fontPt, options.columns};
    if (options.format == FigureFormat::Tex) {
        analysis::Figure shaped = figure;
        shaped.columns = columnsOnPaper(figure, paper);
        return QByteArray::fromStdString(analysis::figureToTex(shaped, options.widthMm, options.panelHeightMm));
    }
    if (options.format == FigureFormat::Png) {
        CREST_TRY(image, figureImage(asSeen, asked));
        return pngBytes(image);
    }
    FigurePainter painter(figure, paper);
    const QString record = QString::fromStdString(analysis::figureRecord(figure));
    QByteArray bytes =
        options.format == FigureFormat::Pdf ? toPdf(figure, painter, record) : toSvg(figure, painter, record);
    if (bytes.isEmpty())
        return fail(ErrorKind::Internal, "the figure could not be drawn");
    return bytes;
}

Result<QImage> figureImage(const analysis::Figure& asSeen, const ExportOptions& asked) {
    ExportOptions options = resolved(asked);
    options.format = FigureFormat::Png;
    CREST_CHECK(check(options));
    const analysis::Figure figure = analysis::withCommandOptions(asSeen, commandOptions(asSeen, options));
    FigurePainter painter(figure, {options.widthMm, options.panelHeightMm, options.fontPt, options.columns});
    return toImage(figure, painter, QString::fromStdString(analysis::figureRecord(figure)), options.dpi);
}

namespace {

/// Refuses further bytes once the job is to stop, which ends an encoder in the middle of a picture.
class StoppableBuffer : public QBuffer {
public:
    StoppableBuffer(QByteArray* bytes, const JobContext& job)
        : QBuffer(bytes)
        , m_job(job) {}

protected:
    qint64 writeData(const char* data, qint64 size) override { return m_job.stopRequested() ? -1 : QBuffer::writeData(data, size); }

private:
    const JobContext& m_job;
};

} // namespace

Result<QByteArray> pngBytes(const QImage& image, const JobContext& job) {
    QByteArray bytes;
    StoppableBuffer buffer(&bytes, job);
    buffer.open(QIODevice::WriteOnly);
    QImageWriter writer(&buffer, "png");
    const bool whole = writer.write(image);
    if (job.stopRequested())
        return stopped();
    if (!whole)
        return fail(ErrorKind::Internal, "the picture could not be encoded: " + writer.errorString().toStdString());
    return bytes;
}

Result<void> writeFigureFile(const QByteArray& bytes, const QString& path) {
    const QFileInfo there(path); // a link keeps pointing to the file, which keeps its permissions
    const QString target = there.isSymLink() ? there.symLinkTarget() : path;
    const bool known = QFileInfo::exists(target);
    const QFile::Permissions permissions = known ? QFile::permissions(target) : QFile::Permissions();
    CREST_CHECK(io::writeFileAtomic(target.toStdString(), {bytes.constData(), static_cast<std::size_t>(bytes.size())}));
    if (known)
        QFile::setPermissions(target, permissions);
    return {};
}

Result<void> exportFigure(const analysis::Figure& figure, const ExportOptions& options, const QString& path) {
    auto bytes = renderFigure(figure, options);
    if (!bytes) {
        Error error = bytes.error();
        error.where = path.toStdString();
        return fail(std::move(error));
    }
    return writeFigureFile(*bytes, path);
}

std::vector<analysis::Figure> singlePanels(const analysis::Figure& figure) {
    std::vector<analysis::Figure> out;
    for (std::size_t i = 0; i < figure.panels.size(); ++i) {
        analysis::Figure one = figure;
        one.panels = {figure.panels[i]};
        one.columns = 1;
        one.name = figure.name + "-" + std::to_string(i + 1);
        one.title = figure.panels[i].title;
        out.push_back(analysis::withCommandOptions(one, " --panel " + std::to_string(i + 1)));
    }
    return out;
}

} // namespace crest::ui
