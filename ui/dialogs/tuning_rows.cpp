// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/tuning_rows.h"

#include <QEvent>
#include <QLabel>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"
#include "ui/data/format.h"
#include "ui/dialogs/length_bars.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr std::int64_t kShownExamples = 12, kAllRows = 0;
constexpr qsizetype kShownLetters = 5000; ///< of one stretch of a row

/// Line feeds are seen; of a very long text only its front.
QString escapedRow(const std::string& text) {
    const QString whole = toQString(text), front = whole.left(kShownLetters);
    const QString more = whole.size() > front.size()
                             ? QStringLiteral(" <i>%1</i>").arg(QObject::tr("... and %1 more").arg(countText(whole.size() - front.size(), "character")))
                             : QString();
    return front.toHtmlEscaped().replace(u'\n', QStringLiteral("&crarr;<br>")) + more;
}

/// Where the row stands, and what becomes of it.
QString titleHtml(const data::PreviewExample& example, const QPalette& palette) {
    const QString row = QObject::tr("Row %1").arg(example.row);
    const QString place = example.file.empty() ? row : toQString(example.file) + QStringLiteral(", ") + row;
    const QString fate = example.leftOut.empty() ? QObject::tr("%1, %2 learned").arg(countText(example.tokens, "token")).arg(example.learnedTokens)
                                                 : QObject::tr("left out: %1").arg(toQString(example.leftOut));
    const QColor color = example.leftOut.empty() ? stateColors(palette).muted : stateColors(palette).warning;
    return QStringLiteral("<p style=\"margin:2px\"><b>%1</b> <span style=\"color:%2\">%3</span></p>")
        .arg(place.toHtmlEscaped(), color.name(), fate.toHtmlEscaped());
}

/// Learned text on a ground of its own, the rest muted, what is cut off struck through.
QString exampleHtml(const data::PreviewExample& example, const QPalette& palette) {
    const QString muted = stateColors(palette).muted.name(), plain = palette.color(QPalette::Text).name();
    const QString ground = accentGround(palette).name();
    QString html = titleHtml(example, palette) + QStringLiteral("<p style=\"white-space:pre-wrap; margin:2px\">");
    for (const data::PreviewSegment& segment : example.segments) {
        const bool learned = segment.learned && !segment.truncated && example.leftOut.empty();
        html += QStringLiteral("<span style=\"color:%1;%2%3\">%4</span>")
                    .arg(learned ? plain : muted, learned ? QStringLiteral("background-color:%1;").arg(ground) : QString(),
                         segment.truncated ? QStringLiteral("text-decoration:line-through;") : QString(),
                         segment.isEndToken ? QStringLiteral("&lt;end&gt;") : escapedRow(segment.text));
    }
    return html + QStringLiteral("</p>");
}

/// The front of the data, then rows further back that are left out.
QString rowsHtml(const data::TuningPreview& preview, const QPalette& palette) {
    QString html;
    for (std::size_t i = 0; i < preview.examples.size(); ++i) {
        html += html.isEmpty() ? QString() : QStringLiteral("<hr>");
        if (i == preview.front)
            html += QStringLiteral("<p style=\"margin:2px\"><i>%1</i></p>").arg(QObject::tr("Further back, left out:"));
        html += exampleHtml(preview.examples[i], palette);
    }
    return html;
}

/// Every row in one of them.
QString leftOutText(const data::TuningPreview& preview, const data::TuningDataSettings& settings) {
    const data::TuningTokenCounts& tokens = preview.tokenCounts;
    const bool drops = settings.tooLong == data::TooLong::Drop;
    QString text;
    if (tokens.tooLong > 0)
        text += (drops ? QObject::tr(" Longer than %1 and left out: %2.") : QObject::tr(" Longer than %1 and cut: %2."))
                    .arg(countText(settings.maxTokens, "token"), countText(tokens.tooLong, "row"));
    if (tokens.emptied > 0)
        text += QObject::tr(" Left out, with nothing learned in their first %1: %2.")
                    .arg(countText(settings.maxTokens, "token"), countText(tokens.emptied, "row"));
    if (preview.counts.blankRows > 0)
        text += QObject::tr(" Left out, without an answer: %1.").arg(countText(preview.counts.blankRows, "row"));
    if (preview.counts.badRows > 0)
        text += QObject::tr(" Cannot be used: %1.").arg(countText(preview.counts.badRows, "row"));
    return text;
}

QString headText(const data::TuningPreview& preview, const data::TuningDataSettings& settings) {
    const QString rows = countText(preview.counts.rows, "row");
    QString head = preview.whole ? QObject::tr("%1.").arg(rows) : QObject::tr("The first %1, the others are being counted.").arg(rows);
    if (preview.whole && preview.problem.empty())
        head += QObject::tr(" Trained on: %1, held out: %2.").arg(preview.trainExamples).arg(preview.heldOutExamples);
    head += leftOutText(preview, settings);
    if (preview.counts.outOfTurnRows > 0)
        head += QObject::tr(" An answer follows no question, used as it stands: %1.").arg(countText(preview.counts.outOfTurnRows, "row"));
    const data::LengthHistogram& lengths = preview.lengths;
    if (!lengths.counts.empty())
        head += QObject::tr(" Tokens: %1 to %2, median %3.").arg(lengths.shortest).arg(lengths.longest).arg(lengths.median);
    return head + QObject::tr(" Form: %1. What is learned stands on a coloured ground; grey is only read.").arg(toQString(settings.form));
}

/// Of data that would be refused when they are planned; "" of others, and where not all rows were read.
QString refusal(const data::TuningPreview& preview, const data::TuningDataSettings& settings) {
    const auto rows = static_cast<double>(preview.counts.rows), bad = static_cast<double>(preview.counts.badRows);
    if (!preview.whole || bad <= settings.maxBadShare * rows)
        return preview.problem.empty() ? QString() : QObject::tr("These data cannot be used: %1.").arg(toQString(preview.problem));
    return QObject::tr("%1 of %2 cannot be used, and at most %3 % may be left out: mend the file, or choose another form.")
        .arg(preview.counts.badRows)
        .arg(countText(preview.counts.rows, "row"))
        .arg(100 * settings.maxBadShare);
}

} // namespace

TuningRows::TuningRows(QWidget* parent)
    : QWidget(parent)
    , m_head(new QLabel)
    , m_problem(new QLabel)
    , m_lengths(new LengthBars)
    , m_text(new QTextBrowser)
    , m_reading(this) {
    for (QLabel* label : {m_head, m_problem}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    showProblem({});
    m_text->setOpenLinks(false);
    m_text->setAccessibleName(tr("Rows as the model sees them"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm);
    column->addWidget(m_head);
    column->addWidget(m_problem);
    column->addWidget(m_lengths);
    m_lengths->hide();
    column->addWidget(m_text, 1);
}

Result<TuningRows::Content> TuningRows::readContent(const Source& source, std::int64_t rows, const JobContext& job) {
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(source.checkpoint)));
    CREST_TRY(resolved, data::resolveTuningData(source.settings, source.templates, job));
    data::PreviewOptions options;
    options.examples = kShownExamples;
    options.maxRows = rows;
    CREST_TRY(preview, data::previewTuningRows(resolved, tokenizer, options, job));
    return Content{std::move(resolved), std::move(preview)};
}

void TuningRows::read(const data::TuningDataSettings& settings, const std::filesystem::path& templates,
                      const std::filesystem::path& checkpoint) {
    m_head->setText(tr("Reading..."));
    showProblem({});
    read({settings, templates, checkpoint}, data::PreviewOptions().maxRows);
}

void TuningRows::read(const Source& source, std::int64_t rows) {
    m_reading.start([source, rows](const JobContext& job) { return readContent(source, rows, job); },
                    [this, source, rows](const Result<Content>& content) {
                        if (content) {
                            show(*content);
                            if (rows != kAllRows && !content->preview.whole)
                                read(source, kAllRows);
                            return;
                        }
                        m_head->clear();
                        showProblem(toQString(content.error().text()));
                        m_preview = {};
                        showRows();
                        m_lengths->hide();
                        Q_EMIT settled({}, m_problem->text());
                    });
}

void TuningRows::showProblem(const QString& problem) {
    m_head->setVisible(!m_head->text().isEmpty());
    QPalette colored = palette();
    colored.setColor(QPalette::WindowText, stateColors(palette()).bad);
    m_problem->setPalette(colored);
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
}

void TuningRows::show(const Content& content) {
    const QString problem = refusal(content.preview, content.resolved);
    m_head->setText(headText(content.preview, content.resolved));
    showProblem(problem);
    m_lengths->setLengths(content.preview.lengths, content.resolved.maxTokens);
    m_preview = content.preview;
    showRows();
    Q_EMIT settled(content.resolved, problem);
}

void TuningRows::showRows() {
    const QString html = rowsHtml(m_preview, palette());
    if (html == m_shown)
        return; // what is read on stays where it is
    m_shown = html;
    m_text->setHtml(html);
}

/// Rows and problem have colours of their own.
void TuningRows::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() != QEvent::PaletteChange)
        return;
    showProblem(m_problem->text());
    showRows();
}

} // namespace crest::ui
