// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/figure_origin.h"

#include <algorithm>

#include <QFile>
#include <QFileInfo>
#include <QImageReader>

#include <fmt/format.h>

#include "core/analysis/figure_record.h"
#include "core/base/counted.h"
#include "core/base/units.h"

namespace crest::ui {
namespace {

constexpr qint64 kMostBytes = 256'000'000;

/// Undoes QString::toHtmlEscaped (and the XML names for the same characters).
QString unescaped(QString text) {
    return text.replace(QStringLiteral("&lt;"), QStringLiteral("<"))
        .replace(QStringLiteral("&gt;"), QStringLiteral(">"))
        .replace(QStringLiteral("&quot;"), QStringLiteral("\""))
        .replace(QStringLiteral("&amp;"), QStringLiteral("&"));
}

Result<std::string> recordFromXml(const QByteArray& content, const std::string& where) {
    // XMP stands uncompressed in a PDF, so that one search serves both.
    const qsizetype open = content.indexOf("<crest:figure");
    const qsizetype start = open < 0 ? -1 : content.indexOf('>', open) + 1;
    const qsizetype end = start <= 0 ? -1 : content.indexOf("</crest:figure>", start);
    if (end < 0)
        return fail(ErrorKind::NotFound, "this file carries no record of a Crest figure", where);
    return unescaped(QString::fromUtf8(content.mid(start, end - start))).toStdString();
}

Result<std::string> recordFromPng(const QString& path, const std::string& where) {
    const QString text = QImageReader(path, "png").text(QString::fromLatin1(kPngRecordKey));
    if (text.isEmpty())
        return fail(ErrorKind::NotFound, "this picture carries no record of a Crest figure", where);
    return text.toStdString();
}

std::string text(const Json& object, const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>()
                                                                                 : std::string();
}

/// A number in words; "?" where it is none.
std::string count(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_number() ? formatNumber(object[key].get<double>(), 5) : "?";
}

/// `between`: labels and notes may hold commas themselves.
std::string joined(const Json& list, const char* key, const char* between = ", ") {
    std::string out;
    if (list.is_array())
        for (const Json& each : list)
            out += (out.empty() ? "" : between) + (key                ? text(each, key)
                                                : each.is_string() ? each.get<std::string>()
                                                                   : each.dump());
    return out;
}

void appendPanel(std::string& out, const Json& panel) {
    const std::string role = text(panel, "role");
    out += fmt::format("  {}{}\n", text(panel, "title"), role.empty() ? "" : " [" + role + "]");
    if (panel.contains("x") && panel.contains("y"))
        out += fmt::format("    {} ({}) over {} ({})\n", text(panel["y"], "title"), text(panel["y"], "scale"),
                           text(panel["x"], "title"), text(panel["x"], "scale"));
    if (panel.contains("curves") && !panel["curves"].empty())
        out += "    curves: " + joined(panel["curves"], "label", "; ") + "\n";
    if (panel.contains("map") && panel["map"].is_object())
        out += fmt::format("    map: {}, {} to {}; {} fields, {} of them with values that are not finite, {} not measured\n",
                           text(panel["map"], "title"), count(panel["map"], "low"), count(panel["map"], "high"),
                           count(panel["map"], "fields"), count(panel["map"], "not_finite"), count(panel["map"], "not_measured"));
    if (panel.contains("lines") && panel["lines"].is_array())
        for (const Json& line : panel["lines"])
            out += fmt::format("    line: {}\n", text(line, "label"));
    if (panel.contains("marks") && panel["marks"].is_array())
        for (const Json& mark : panel["marks"])
            out += fmt::format("    inflection of {}: {}\n", text(mark, "curve"), text(mark, "label"));
    if (panel.contains("notes") && !panel["notes"].empty())
        out += "    notes: " + joined(panel["notes"], nullptr, "; ") + "\n";
}

std::string shortened(std::string words) {
    constexpr std::size_t kLongest = 400;
    if (words.size() <= kLongest)
        return words;
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xc0) == 0x80)
        --end; // not in the middle of a character
    return words.substr(0, end) + "...";
}

std::string plainWords(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_array() ? joined(value, nullptr) : value.dump();
}

bool isTable(const Json& value) {
    return value.is_array() && !value.empty() &&
           std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object() && !row.empty(); });
}

/// One line for each: "name seed-1/tokens-1M, weights 0f3c".
void appendTable(std::string& out, const std::string& name, const Json& rows) {
    out += fmt::format("  {} ({}):\n", name, rows.size());
    for (const Json& row : rows) {
        std::string line;
        for (const auto& [key, each] : row.items())
            line += (line.empty() ? "" : ", ") + key + " " + plainWords(each);
        out += "    " + shortened(line) + "\n";
    }
}

/// "settings": {"gammas": [0.1]} as "  settings.gammas: 0.1", whatever the provenance holds.
void appendFacts(std::string& out, const std::string& name, const Json& value, int depth) {
    if (value.is_object() && depth < 4)
        for (const auto& [key, each] : value.items())
            appendFacts(out, name.empty() ? key : name + "." + key, each, depth + 1);
    else if (isTable(value))
        appendTable(out, name, value);
    else
        out += fmt::format("  {}: {}\n", name, shortened(plainWords(value)));
}

} // namespace

Result<Json> readFigureRecord(const QString& path) {
    const std::string where = path.toStdString();
    QFile file(path);
    if (!file.exists())
        return fail(ErrorKind::NotFound, "there is no such file", where);
    if (!QFileInfo(path).isFile()) // a device or a pipe could be read for ever
        return fail(ErrorKind::Io, "this is no regular file", where);
    if (!file.open(QIODevice::ReadOnly))
        return fail(ErrorKind::Io, "the file cannot be read", where);
    if (file.size() > kMostBytes)
        return fail(ErrorKind::OutOfRange, "the file is larger than any figure Crest writes (256 MB)", where);
    const QByteArray content = file.readAll();
    const bool xml = content.startsWith("%PDF-") || content.startsWith("<?xml") || content.startsWith("<svg");
    CREST_TRY(record, content.startsWith("\x89PNG") ? recordFromPng(path, where)
                      : xml                         ? recordFromXml(content, where)
                                                    : analysis::recordFromText(content.toStdString(), where));
    return analysis::parseFigureRecord(record, where);
}

std::string explainRecord(const Json& record, const std::string& fileName) {
    const Json& figure = record.at("figure");
    const Json& provenance = record.at("provenance");
    const std::size_t panels = figure.contains("panels") && figure["panels"].is_array() ? figure["panels"].size() : 0;
    std::string title = text(figure, "title");
    if (title.empty())
        title = text(figure, "name");
    std::string out = fmt::format("{}: {}, made by Crest {}\n\nIt shows {}:\n", fileName, title,
                                  text(record, "crest"), counted(static_cast<std::int64_t>(panels), "panel"));
    for (std::size_t i = 0; i < panels; ++i)
        appendPanel(out, figure["panels"][i]);
    if (figure.contains("keys") && !figure["keys"].empty())
        out += "  " + joined(figure["keys"], nullptr) + "\n";
    out += "\nMade from:\n";
    if (provenance.is_object())
        appendFacts(out, "", provenance, 0);
    else
        out += "  " + (provenance.is_string() ? provenance.get<std::string>() : provenance.dump()) + "\n";
    const std::string command = text(provenance, "command");
    out += command.empty() ? "\nThe file names no command that makes it again.\n"
                           : "\nTo make it again:\n  " + command + "\n";
    return out;
}

} // namespace crest::ui
