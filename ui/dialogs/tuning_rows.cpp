// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/tuning_rows.h"

#include <QLabel>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"
#include "ui/data/format.h"
#include "ui/dialogs/length_bars.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr std::int64_t kShownExamples = 12, kAllRows = 0;

QString escapedRow(const std::string& text) {
    return toQString(text).toHtmlEscaped().replace(u'\n', QStringLiteral("&crarr;<br>"));
}

/// Learned text on a ground of its own, the rest muted, what is cut off struck through.
QString exampleHtml(const data::PreviewExample& example, const QPalette& palette) {
    const QString muted = palette.color(QPalette::PlaceholderText).name(), plain = palette.color(QPalette::Text).name();
    const QString ground = palette.color(QPalette::AlternateBase).name();
    QString html = QStringLiteral("<p style=\"margin:2px\"><b>%1</b> <span style=\"color:%2\">%3</span></p><p "
                                  "style=\"white-space:pre-wrap; margin:2px\">")
                       .arg(QObject::tr("Row %1").arg(example.row + 1), muted,
                            example.leftOut ? QObject::tr("left out: too long, or nothing is left to learn")
                                            : QObject::tr("%1, %2 learned").arg(countText(example.tokens, "token")).arg(example.learnedTokens));
    for (const data::PreviewSegment& segment : example.segments) {
        const bool learned = segment.learned && !segment.truncated;
        html += QStringLiteral("<span style=\"color:%1;%2%3\">%4</span>")
                    .arg(learned ? plain : muted, learned ? QStringLiteral("background-color:%1;").arg(ground) : QString(),
                         segment.truncated ? QStringLiteral("text-decoration:line-through;") : QString(),
                         segment.isEndToken ? QStringLiteral("&lt;end&gt;") : escapedRow(segment.text));
    }
    return html + QStringLiteral("</p>");
}

QString headText(const data::TuningPreview& preview, const data::TuningDataSettings& settings) {
    const QString rows = countText(preview.counts.rows, "row");
    QString head = preview.whole ? QObject::tr("%1.").arg(rows) : QObject::tr("The first %1, the others are being counted.").arg(rows);
    head += QObject::tr(" Form: %1. What is learned stands on a ground of its own; the rest is only read.").arg(toQString(settings.form));
    const data::LengthHistogram& lengths = preview.lengths;
    if (!lengths.counts.empty())
        head += QObject::tr(" Tokens: %1 to %2, median %3.").arg(lengths.shortest).arg(lengths.longest).arg(lengths.median);
    if (preview.tokenCounts.tooLong > 0)
        head += (settings.tooLong == data::TooLong::Drop ? QObject::tr(" Longer than %1 and left out: %2.")
                                                         : QObject::tr(" Longer than %1 and cut: %2."))
                    .arg(settings.maxTokens)
                    .arg(countText(preview.tokenCounts.tooLong, "row"));
    if (preview.counts.blankRows > 0)
        head += QObject::tr(" Left out, with nothing to learn: %1.").arg(countText(preview.counts.blankRows, "row"));
    if (preview.counts.badRows > 0) {
        head += QObject::tr(" Cannot be used: %1:").arg(countText(preview.counts.badRows, "row"));
        for (const std::string& example : preview.counts.badExamples)
            head += u'\n' + toQString(example);
    }
    return head;
}

/// Of data that would be refused when they are planned; "" of others, and where not all rows were read.
QString refusal(const data::TuningPreview& preview, const data::TuningDataSettings& settings) {
    const auto rows = static_cast<double>(preview.counts.rows), bad = static_cast<double>(preview.counts.badRows);
    if (!preview.whole || bad <= settings.maxBadShare * rows)
        return {};
    return QObject::tr("%1 of %2 cannot be used, and at most %3 % may be left out: mend the file, or choose another form.")
        .arg(preview.counts.badRows)
        .arg(countText(preview.counts.rows, "row"))
        .arg(100 * settings.maxBadShare);
}

} // namespace

TuningRows::TuningRows(QWidget* parent)
    : QWidget(parent)
    , m_head(new QLabel)
    , m_lengths(new LengthBars)
    , m_text(new QTextBrowser)
    , m_reading(this) {
    m_head->setWordWrap(true);
    m_head->setTextFormat(Qt::PlainText);
    m_text->setOpenLinks(false);
    m_text->setAccessibleName(tr("Rows as the model sees them"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm);
    column->addWidget(m_head);
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
                        m_head->setText(toQString(content.error().text()));
                        m_text->clear();
                        m_shown.clear();
                        m_lengths->hide();
                        Q_EMIT settled({}, m_head->text());
                    });
}

void TuningRows::show(const Content& content) {
    const QString problem = refusal(content.preview, content.resolved);
    m_head->setText(headText(content.preview, content.resolved).append(problem.isEmpty() ? problem : u'\n' + problem));
    m_lengths->setLengths(content.preview.lengths, content.resolved.maxTokens);
    QString html;
    for (const data::PreviewExample& example : content.preview.examples)
        html += (html.isEmpty() ? QString() : QStringLiteral("<hr>")) + exampleHtml(example, palette());
    if (html != m_shown) { // what is read on stays where it is
        m_shown = html;
        m_text->setHtml(html);
    }
    Q_EMIT settled(content.resolved, problem);
}

} // namespace crest::ui
