// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/samples_page.h"

#include <QAction>
#include <QCheckBox>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QSplitter>
#include <QTableView>
#include <QTextBrowser>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/pages/choice_box.h"
#include "ui/window/flow_layout.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kLinesShown = 7; ///< of each text; all of it stands below the table

QString marked(const std::string& before, const std::string& text, const SampleColors& colors) {
    QString html;
    for (const analysis::DiffPart& part : analysis::diffWords(before, text)) {
        const QString escaped = toQString(part.text).toHtmlEscaped();
        html += part.same ? escaped
                          : QStringLiteral("<span style=\"background-color:%1\">%2</span>").arg(colors.mark, escaped);
    }
    return html;
}

SampleColors sampleColors(const QPalette& palette) {
    const bool dark = palette.color(QPalette::Base).lightnessF() < 0.5;
    return {stateColors(palette).muted.name(),
            dark ? QStringLiteral("#4a3a12") : QStringLiteral("#fdeec3")};
}

} // namespace

QString samplesHtml(const analysis::SampleTable& table, int row, const QString& prompt, bool diff,
                    const SampleColors& colors) {
    if (row < 0 || static_cast<std::size_t>(row) >= table.documents.size())
        return {};
    QString html;
    if (!prompt.isEmpty())
        html += QStringLiteral("<p style=\"white-space:pre-wrap; color:%1\">%2</p>")
                    .arg(colors.muted, prompt.toHtmlEscaped());
    html += QStringLiteral("<table cellspacing=\"0\" cellpadding=\"5\" width=\"100%\">");
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const std::string& text = table.text(static_cast<std::size_t>(row), c);
        const QString shown = diff && c > 0 ? marked(table.text(static_cast<std::size_t>(row), c - 1), text, colors)
                                            : toQString(text).toHtmlEscaped();
        html += QStringLiteral("<tr><td align=\"right\" valign=\"top\" width=\"64\"><b>%1</b></td>"
                               "<td style=\"white-space:pre-wrap\">%2</td></tr>")
                    .arg(toQString(placeHeading(table.columns[c].checkpoint)),
                         text.empty() ? QStringLiteral("<span style=\"color:%1\">%2</span>")
                                            .arg(colors.muted, QObject::tr("nothing written"))
                                      : shown);
    }
    return html + QStringLiteral("</table>");
}

SamplesPage::SamplesPage(StudySession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_reading(this)
    , m_rendering(this)
    , m_bar(new QWidget)
    , m_task(choiceBox(tr("Task whose samples are shown")))
    , m_strength(choiceBox(tr("Modification whose samples are shown")))
    , m_run(choiceBox(tr("Pretraining run of the samples")))
    , m_diff(new QCheckBox(tr("Mark &differences to the checkpoint before")))
    , m_table(new QTableView)
    , m_text(new QTextBrowser)
    , m_empty(new QLabel)
    , m_content(new QWidget) {
    setAccessibleName(tr("Samples"));
    setupBar();
    setupTable();
    setupLayout();
    connectSession();
    fillChoices();
    take({});
}

void SamplesPage::setupBar() {
    auto* row = new FlowLayout(m_bar);
    row->addField(tr("&Prompts"), m_task);
    m_strengthLabel = row->addField(tr("&Written by"), m_strength);
    m_runLabel = row->addField(tr("&Run"), m_run);
    row->addWidget(m_diff);
    auto* copy = new QToolButton;
    copy->setIcon(icon(QStringLiteral("copy")));
    copy->setToolTip(tr("Copy this prompt with all continuations"));
    copy->setAccessibleName(copy->toolTip());
    copy->setAutoRaise(true);
    row->addWidget(copy);
    for (QComboBox* box : {m_task, m_strength, m_run})
        connect(box, &QComboBox::activated, this, &SamplesPage::ask);
    connect(m_diff, &QCheckBox::toggled, this, &SamplesPage::showReading);
    connect(copy, &QToolButton::clicked, this, &SamplesPage::copyReading);
}

void SamplesPage::setupTable() {
    m_table->setModel(&m_model);
    m_table->setAccessibleName(tr("Continuations by checkpoint"));
    m_table->setWordWrap(true);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_table->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    // Whole lines and the grid's: of a line that is cut Qt draws a part below its own ellipsis.
    m_table->verticalHeader()->setDefaultSectionSize(kLinesShown * m_table->fontMetrics().lineSpacing() + 1);
    m_table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setDefaultSectionSize(28 * kRhythm);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    auto* copy = new QAction(icon(QStringLiteral("copy")), tr("&Copy text"), m_table);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    m_table->addAction(copy);
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    connect(copy, &QAction::triggered, this, &SamplesPage::copyCell);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &SamplesPage::showReading);
}

void SamplesPage::setupLayout() {
    m_text->setAccessibleName(tr("One prompt, from checkpoint to checkpoint"));
    m_text->setFrameShape(QFrame::NoFrame);
    m_text->setOpenLinks(false);
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setMargin(4 * kRhythm);
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(m_table);
    splitter->addWidget(m_text);
    splitter->setChildrenCollapsible(false);
    auto* below = new QVBoxLayout(m_content);
    below->setContentsMargins(0, 0, 0, 0);
    below->addWidget(splitter);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_bar);
    column->addWidget(m_empty, 1);
    column->addWidget(m_content, 1);
}

void SamplesPage::connectSession() {
    connect(&m_session, &StudySession::probeChanged, this, [this] {
        fillChoices();
        if (isVisible())
            ask();
    });
    connect(&m_session, &StudySession::samplesChanged, this, &SamplesPage::take);
    connect(&m_session, &StudySession::closed, this, [this] {
        m_reading.cancel();
        m_wanted.reset();
        m_textsOf.clear();
        m_texts.reset();
        fillChoices();
        take({});
    });
}

void SamplesPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_texts && !m_texts->problem.isEmpty())
        m_textsOf.clear(); // the data may be there now
    ask();
}

void SamplesPage::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    m_wanted.reset();
    m_session.watchSamples(std::nullopt);
}

QString SamplesPage::strengthChoice(const study::Probe& probe, double strength) {
    const study::ProbeKind& kind = study::probeKind(probe.kind);
    const QString label = toQString(study::strengthLabel(kind, strength));
    return kind.isDrawn() ? tr("%1, first draw").arg(label) : label;
}

void SamplesPage::fillChoices() {
    Choices tasks, strengths{{tr("the base"), 0.0}};
    for (const std::string& task : m_session.probeView().textTasks)
        tasks.append({toQString(task), toQString(task)});
    if (const auto& results = m_session.probeView().results) {
        for (const double strength : results->plan.probe.strengths)
            strengths.append({strengthChoice(results->plan.probe, strength), strength});
    }
    refill(m_task, tasks);
    refill(m_strength, strengths);
    m_bar->setEnabled(!tasks.isEmpty());
    m_strength->setVisible(strengths.size() > 1);
    m_strengthLabel->setVisible(strengths.size() > 1);
    if (tasks.isEmpty())
        take({});
}

void SamplesPage::ask() {
    if (m_task->currentIndex() < 0)
        return;
    analysis::ItemTableOptions wanted;
    wanted.task = m_task->currentData().toString().toStdString();
    wanted.strength = m_strength->currentData().toDouble();
    if (m_run->count() > 0)
        wanted.pretrainSeed = m_run->currentData().toLongLong();
    if (wanted != m_wanted) { // what is watched comes again by itself with every result
        m_wanted = wanted;
        m_session.watchSamples(wanted);
    }
    readTexts();
}

void SamplesPage::take(const std::shared_ptr<const SamplesView>& view) {
    const int row = std::max(0, m_table->currentIndex().row());
    m_view = view;
    m_model.setView(view);
    const analysis::SampleTable* table = m_model.table();
    m_content->setVisible(table != nullptr);
    m_empty->setVisible(table == nullptr);
    if (!table) {
        m_empty->setText(view ? view->problem
                         : m_task->count() > 0
                             ? tr("Reading the samples...")
                             : tr("The shown run writes no text.\nAdd prompts to a base evaluation, on the right, and run "
                                  "it: what every checkpoint writes after them is kept and shown here."));
        return;
    }
    Choices runs;
    for (const std::int64_t seed : table->pretrainSeeds)
        runs.append({tr("seed %1").arg(seed), static_cast<qlonglong>(seed)});
    refill(m_run, runs);
    m_run->setVisible(runs.size() > 1);
    m_runLabel->setVisible(runs.size() > 1);
    showPrompts();
    m_table->setCurrentIndex(m_model.index(std::min(row, m_model.rowCount() - 1), 0));
    showReading();
}

void SamplesPage::readTexts() {
    const auto& results = m_session.probeView().results;
    const QString wanted = m_session.shownRun() + u'/' + m_task->currentData().toString();
    if (!results || wanted == m_textsOf)
        return;
    for (const study::Task& task : results->plan.tasks)
        if (toQString(task.name) == m_task->currentData().toString()) {
            m_textsOf = wanted;
            m_texts.reset();
            m_reading.start(
                [task, folder = std::filesystem::path(m_session.folder().toStdString())](const JobContext& job) {
                    return std::make_shared<const ItemTexts>(readItemTexts(task, folder, job));
                },
                [this](const std::shared_ptr<const ItemTexts>& texts) {
                    m_texts = texts;
                    showPrompts();
                    showReading();
                });
        }
}

void SamplesPage::showPrompts() {
    if (!m_model.table() || !m_texts)
        return;
    QStringList prompts;
    for (std::size_t i = 0; i < m_model.table()->documents.size(); ++i) {
        const data::TaskItem* one = m_texts->item(i, m_model.table()->documents[i]);
        prompts << (one && !one->requests.empty() ? toQString(one->requests.front().context) : QString());
    }
    m_model.setPrompts(prompts);
}

/// Differences of long texts take their time: made beside the window.
void SamplesPage::showReading() {
    const int row = m_table->currentIndex().row();
    if (!m_view || !m_view->table || row < 0)
        return m_text->clear();
    m_rendering.start(
        [view = m_view, row, prompt = m_model.prompt(row), diff = m_diff->isChecked(), colors = sampleColors(palette()),
         problem = m_texts ? m_texts->problem : QString()](const JobContext&) {
            const QString html = samplesHtml(*view->table, row, prompt, diff, colors);
            return problem.isEmpty() ? html
                                     : QStringLiteral("<p style=\"color:%1\">%2</p>").arg(colors.muted, problem.toHtmlEscaped()) + html;
        },
        [this](const QString& html) { m_text->setHtml(html); });
}

void SamplesPage::copyCell() {
    const QModelIndex at = m_table->currentIndex();
    const QString text = at.column() == SamplesModel::Prompt ? at.data(Qt::DisplayRole).toString()
                                                             : m_model.text(at.row(), m_model.checkpointAt(at.column()));
    if (at.isValid() && !text.isEmpty())
        QGuiApplication::clipboard()->setText(text);
}

void SamplesPage::copyReading() {
    const int row = m_table->currentIndex().row();
    if (!m_model.table() || row < 0)
        return;
    QStringList lines;
    if (const QString prompt = m_model.prompt(row); !prompt.isEmpty())
        lines << prompt << QString();
    for (int c = 0; c < static_cast<int>(m_model.table()->columns.size()); ++c)
        lines << m_model.checkpointText(c) + QStringLiteral(": ") + m_model.text(row, c);
    QGuiApplication::clipboard()->setText(lines.join(u'\n'));
}

} // namespace crest::ui
