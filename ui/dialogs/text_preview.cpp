// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/text_preview.h"

#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QLabel>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "core/data/texts.h"
#include "core/series/tokenizer_files.h"
#include "core/text/tokenizer.h"
#include "ui/data/format.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

/// The first window needs no more of the text than this many bytes for each of its tokens.
constexpr std::int64_t kBytesPerToken = 64;

void keepBeginning(data::Texts& texts, std::int64_t bytes) {
    std::int64_t kept = 0;
    text::TextList first;
    while (first.size() < texts.documents.size() && kept < bytes) {
        first.push_back(std::string(texts.documents[first.size()]));
        kept += static_cast<std::int64_t>(first[first.size() - 1].size());
    }
    texts.documents = std::move(first);
}

QString visibleText(const PreviewToken& token) {
    if (token.end)
        return QStringLiteral("&lt;end&gt;");
    return token.text.toHtmlEscaped()
        .replace(u' ', QStringLiteral("&middot;"))
        .replace(u'\n', QStringLiteral("&crarr;"));
}

} // namespace

Result<TextPreviewContent> readTextPreview(const study::Task& task, const std::filesystem::path& text,
                                           const std::filesystem::path& checkpoint, const JobContext& job) {
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(checkpoint)));
    CREST_TRY(texts, data::readTexts(text));
    TextPreviewContent content;
    content.documents = static_cast<qint64>(texts.documents.size());
    content.bytes = texts.bytes;
    keepBeginning(texts, task.windowTokens * kBytesPerToken);
    const auto end = tokenizer.eosId() ? tokenizer.eosId() : tokenizer.bosId();
    if (!end)
        return fail(ErrorKind::Unsupported, "The tokenizer names no end token.", checkpoint.string());
    CREST_TRY(tokens, data::tokenizeTexts(texts, tokenizer, *end, job));
    data::WindowOptions options;
    options.context = static_cast<std::int32_t>(task.windowTokens);
    options.stride = static_cast<std::int32_t>(task.strideTokens);
    options.fullOnly = true;
    CREST_TRY(plan, data::cutWindows(tokens, options));
    if (plan.windows.empty())
        return fail(ErrorKind::Malformed, "The text is too short for one window.", text.string());
    const data::Window& first = plan.windows.front();
    for (std::int32_t i = 0; i < first.length; ++i) {
        const std::int32_t id = tokens.ids[static_cast<std::size_t>(first.begin + i)];
        content.tokens.push_back({toQString(tokenizer.decode({&id, 1})), id, i >= first.firstScored, id == *end});
    }
    return content;
}

TextPreview::TextPreview(const study::Task& task, const std::filesystem::path& text,
                         const std::filesystem::path& checkpoint, QWidget* parent)
    : QDialog(parent)
    , m_task(task)
    , m_head(new QLabel(tr("Reading...")))
    , m_text(new QTextBrowser)
    , m_reading(this) {
    setWindowTitle(tr("First window of %1").arg(toQString(task.name)));
    setAttribute(Qt::WA_DeleteOnClose);
    resize(80 * kRhythm, 52 * kRhythm);
    m_head->setWordWrap(true);
    m_text->setAccessibleName(windowTitle());
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    column->addWidget(m_head);
    column->addWidget(m_text, 1);
    column->addWidget(buttons);
    m_reading.start(
        [task, text, checkpoint](const JobContext& job) { return readTextPreview(task, text, checkpoint, job); },
        [this](const Result<TextPreviewContent>& content) {
            if (content)
                showContent(*content);
            else
                m_head->setText(toQString(content.error().text()));
        });
}

void TextPreview::showContent(const TextPreviewContent& content) {
    m_head->setText(tr("%1, %2. A window has %3 input tokens, the next one starts %4 later. Tokens change "
                       "shade; the first one is context only; a "
                       "dot is a blank.")
                        .arg(countText(content.documents, "document"))
                        .arg(bytesText(static_cast<std::uint64_t>(content.bytes)))
                        .arg(m_task.windowTokens)
                        .arg(m_task.strideTokens));
    const QString shades[] = {
        palette().color(QPalette::AlternateBase).name(),
        palette().color(QPalette::Mid).lighter(palette().color(QPalette::Base).lightnessF() > 0.5 ? 135 : 100).name()};
    const QString muted = stateColors(palette()).muted.name();
    QString html;
    int shade = 0;
    for (const PreviewToken& token : content.tokens) {
        const QString color = token.scored && !token.end ? palette().color(QPalette::Text).name() : muted;
        html += QStringLiteral("<span style=\"background-color:%1;color:%2\">%3</span>&#8203;")
                    .arg(shades[shade ^= 1], color, visibleText(token));
        if (token.end || token.text.endsWith(u'\n'))
            html += QStringLiteral("<br>");
    }
    m_text->setHtml(html);
}

} // namespace crest::ui
