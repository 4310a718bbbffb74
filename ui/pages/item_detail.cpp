// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/item_detail.h"

#include <cmath>

#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/data/items_model.h"
#include "ui/window/icons.h"

namespace crest::ui {
namespace {

QString paragraph(const QString& text) {
    return QStringLiteral("<p style=\"white-space:pre-wrap; margin-top:4px; margin-bottom:4px\">%1</p>")
        .arg(text.toHtmlEscaped());
}

/// The mean over the rows of minus a request's nats; NaN where nothing is stored.
double logLikelihood(const std::vector<analysis::RowPointer>& rows, std::int64_t request) {
    double sum = 0;
    int count = 0;
    for (const analysis::RowPointer& row : rows)
        if (row && static_cast<std::size_t>(request) < row->outcome.details.requestNats.size()) {
            sum -= static_cast<double>(row->outcome.details.requestNats[static_cast<std::size_t>(request)]);
            ++count;
        }
    return count > 0 ? sum / count : std::nan("");
}

QString numberCell(double value, bool strong) {
    const QString text = std::isfinite(value) ? toQString(formatNumber(value, 5)) : QString();
    return QStringLiteral("<td align=\"right\" style=\"padding-left:16px\">%1</td>")
        .arg(strong ? QStringLiteral("<b>%1</b>").arg(text) : text);
}

struct Sides {
    std::vector<analysis::RowPointer> base, modified;
    int answer = -1, modifiedAnswer = -1;
};

Sides sidesOf(const analysis::ItemTable& table, int item, int checkpoint) {
    Sides sides;
    if (checkpoint < 0)
        return sides;
    const analysis::ItemColumn& column = table.columns[static_cast<std::size_t>(checkpoint)];
    const std::size_t at = table.at(static_cast<std::size_t>(item), static_cast<std::size_t>(checkpoint));
    if (column.base)
        sides.base = {column.base};
    sides.modified = column.modified;
    sides.answer = table.baseAnswers[at];
    if (!table.modifiedAnswers.empty())
        sides.modifiedAnswer = table.modifiedAnswers[at];
    return sides;
}

/// The text of a request beside its letter: the choice, else its continuation.
QString choiceText(const data::TaskItem* one, std::size_t request) {
    if (!one)
        return {};
    if (request < one->choices.size())
        return toQString(one->choices[request]);
    return request < one->requests.size() ? toQString(one->requests[request].continuation).trimmed() : QString();
}

QString requestsTable(const analysis::ItemTable& table, int item, const Sides& sides, const data::TaskItem* one) {
    const auto index = static_cast<std::size_t>(item);
    const bool compared = !sides.modified.empty();
    QString html = QStringLiteral("<table cellpadding=\"2\"><tr><th align=\"left\">%1</th><th></th>"
                                  "<th align=\"right\" style=\"padding-left:16px\">%2</th>%3<th></th></tr>")
                       .arg(QObject::tr("Choice"), QObject::tr("log-likelihood (nats)"),
                            compared ? QStringLiteral("<th align=\"right\" style=\"padding-left:16px\">%1</th>")
                                           .arg(QObject::tr("modified"))
                                     : QString());
    for (std::int32_t k = 0; k < table.requests[index]; ++k) {
        const std::int64_t request = table.firstRequest[index] + k;
        QStringList words;
        if (table.gold[index] == k)
            words << QObject::tr("right");
        if (sides.answer == k)
            words << QObject::tr("answered");
        if (compared && sides.modifiedAnswer == k)
            words << QObject::tr("answered by the modified one");
        const QString letter = table.requests[index] > 1 ? choiceLetter(k) : QString();
        html += QStringLiteral("<tr><td>%1</td><td>%2</td>%3%4<td style=\"padding-left:16px\">%5</td></tr>")
                    .arg(letter, choiceText(one, static_cast<std::size_t>(k)).left(600).toHtmlEscaped(),
                         numberCell(logLikelihood(sides.base, request), sides.answer == k),
                         compared ? numberCell(logLikelihood(sides.modified, request), sides.modifiedAnswer == k)
                                  : QString(),
                         words.join(QStringLiteral(", ")));
    }
    return html + QStringLiteral("</table>");
}

QString writtenText(const Sides& sides, int item) {
    const auto textOf = [item](const std::vector<analysis::RowPointer>& rows) {
        return !rows.empty() && static_cast<std::size_t>(item) < rows.front()->outcome.details.texts.size()
                   ? toQString(rows.front()->outcome.details.texts[static_cast<std::size_t>(item)])
                   : QString();
    };
    QString html;
    if (const QString text = textOf(sides.base); !text.isEmpty())
        html += QObject::tr("<b>Written:</b>") + paragraph(text);
    if (const QString text = textOf(sides.modified); !text.isEmpty())
        html += QObject::tr("<b>Written by the modified one (first draw):</b>") + paragraph(text);
    return html;
}

} // namespace

QString itemDetailHtml(const analysis::ItemTable& table, int item, int checkpoint, const ItemTexts* texts,
                       const QPalette& palette) {
    const auto index = static_cast<std::size_t>(item);
    const data::TaskItem* one = texts ? texts->item(index, table.documents[index]) : nullptr;
    QString html;
    const QString muted = stateColors(palette).muted.name();
    if (texts && !texts->problem.isEmpty())
        html += QStringLiteral("<p style=\"color:%1\">%2</p>").arg(muted, texts->problem.toHtmlEscaped());
    else if (!texts)
        html += QStringLiteral("<p style=\"color:%1\">%2</p>").arg(muted, QObject::tr("Reading the task's data..."));
    if (one && !one->requests.empty()) {
        constexpr qsizetype kMost = 4000;
        QString context = toQString(one->requests.front().context);
        if (context.isEmpty())
            context = toQString(one->requests.front().continuation);
        if (context.size() > kMost)
            context = QStringLiteral("... ") + context.right(kMost);
        html += paragraph(context);
        for (const std::string& reference : one->references)
            html += QObject::tr("<b>Counts as right:</b>") + paragraph(toQString(reference).left(1000));
    }
    const Sides sides = sidesOf(table, item, checkpoint);
    if (checkpoint >= 0)
        html += QStringLiteral("<p style=\"margin-bottom:2px\"><b>%1</b></p>")
                    .arg(QObject::tr("At %1 (%2)")
                             .arg(toQString(placeText(table.columns[static_cast<std::size_t>(checkpoint)].checkpoint)),
                                  toQString(table.columns[static_cast<std::size_t>(checkpoint)].checkpoint.name)
                                      .toHtmlEscaped()));
    if (checkpoint >= 0 && table.requests[index] > 0)
        html += requestsTable(table, item, sides, one);
    return html + writtenText(sides, item);
}

} // namespace crest::ui
