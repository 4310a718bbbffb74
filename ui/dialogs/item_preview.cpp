// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/item_preview.h"

#include <QDialogButtonBox>
#include <QLabel>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "core/base/json.h"
#include "core/study/chat_tasks.h"
#include "ui/data/format.h"
#include "ui/data/items_model.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr std::size_t kShown = 5;
constexpr qsizetype kMostText = 8000;

QString escaped(const std::string& text) {
    QString shown = toQString(text);
    if (shown.size() > kMostText)
        shown = QStringLiteral("... ") + shown.right(kMostText);
    return shown.toHtmlEscaped();
}

/// Context, then each continuation on its own line; the right one named.
QString itemHtml(const data::TaskItem& item, const QPalette& palette) {
    const QString muted = stateColors(palette).muted.name();
    const QString ground = accentGround(palette).name();
    QString html = QStringLiteral("<p style=\"margin-bottom:2px\"><b>%1</b></p>").arg(QObject::tr("Row %1").arg(item.document));
    for (std::size_t k = 0; k < item.requests.size(); ++k) {
        const data::ItemRequest& request = item.requests[k];
        if (k == 0 || request.context != item.requests[k - 1].context)
            html += QStringLiteral("<p style=\"white-space:pre-wrap; margin:2px\">%1</p>").arg(escaped(request.context));
        if (!request.continuation.empty())
            html += QStringLiteral("<p style=\"white-space:pre-wrap; margin:2px\">%1 <span style=\"background-color:%2\">"
                                   "%3</span> <span style=\"color:%4\">%5</span></p>")
                        .arg(item.requests.size() > 1 ? choiceLetter(static_cast<int>(k)) : QString(), ground,
                             escaped(request.continuation), muted,
                             item.gold == static_cast<int>(k) ? QObject::tr("right") : QString());
    }
    for (const std::string& reference : item.references)
        html += QStringLiteral("<p style=\"white-space:pre-wrap; margin:2px; color:%1\">%2 %3</p>")
                    .arg(muted, QObject::tr("counts as right:"), escaped(reference));
    return html;
}

} // namespace

Result<ItemPreview::Made> ItemPreview::make(const study::Task& task, const std::filesystem::path& studyFolder,
                                            const std::filesystem::path& checkpoint, const JobContext& job) {
    CREST_TRY(json, parseJson(task.definition, "task " + task.name));
    CREST_TRY(definition, data::parseTask(json, "task " + task.name));
    data::ItemOptions options;
    options.shots = static_cast<int>(task.shots);
    options.limit = task.limit;
    const auto chat = checkpoint.empty() ? Result<std::optional<data::ChatTemplate>>() : study::chatTemplateOf(definition, checkpoint);
    options.chat = chat && *chat ? &**chat : nullptr;
    options.withoutChat = definition.chat.on && !options.chat;
    CREST_TRY(items, data::makeItems(definition, studyFolder / task.textsPath, options, job));
    Made made{std::move(items), {}};
    if (options.withoutChat)
        made.note = chat ? tr("The task is asked as a chat; these are its texts without the template of a tokenizer.")
                         : tr("The task is asked as a chat; these are its texts without the template: %1").arg(toQString(chat.error().text()));
    else if (made.items.withoutSystem > 0)
        made.note = tr("The chat template refuses a message of the system, so it is left out.");
    return made;
}

ItemPreview::ItemPreview(const study::Task& task, const std::filesystem::path& studyFolder,
                         const std::filesystem::path& checkpoint, QWidget* parent)
    : QDialog(parent)
    , m_head(new QLabel(tr("Reading...")))
    , m_text(new QTextBrowser)
    , m_reading(this) {
    setWindowTitle(tr("First items of %1").arg(toQString(task.name)));
    setAttribute(Qt::WA_DeleteOnClose);
    resize(88 * kRhythm, 64 * kRhythm);
    m_head->setWordWrap(true);
    m_head->setTextFormat(Qt::PlainText);
    m_text->setAccessibleName(windowTitle());
    m_text->setOpenLinks(false);
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    column->addWidget(m_head);
    column->addWidget(m_text, 1);
    column->addWidget(buttons);
    m_reading.start([task, studyFolder, checkpoint](const JobContext& job) { return make(task, studyFolder, checkpoint, job); },
                    [this](const Result<Made>& made) {
                        if (made)
                            show(*made);
                        else
                            m_head->setText(toQString(made.error().text()));
                    });
}

void ItemPreview::show(const Made& shown) {
    const data::TaskItems& made = shown.items;
    QString head = tr("%1 of %2. What is scored after the context stands on a ground of its own.")
                       .arg(countText(made.items.size(), "item"), countText(made.rows, "row"));
    if (made.badRows > 0) {
        head += tr(" %1 cannot be used:").arg(countText(made.badRows, "row"));
        for (const std::string& example : made.badExamples)
            head += u'\n' + toQString(example);
    }
    m_head->setText(shown.note.isEmpty() ? head : head + u'\n' + shown.note);
    QString html;
    for (std::size_t i = 0; i < std::min(kShown, made.items.size()); ++i)
        html += (i > 0 ? QStringLiteral("<hr>") : QString()) + itemHtml(made.items[i], palette());
    m_text->setHtml(html);
}

} // namespace crest::ui
