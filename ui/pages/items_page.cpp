// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/items_page.h"

#include <QAction>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QSplitter>
#include <QTableView>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/pages/choice_box.h"
#include "ui/pages/item_delegate.h"
#include "ui/pages/item_detail.h"
#include "ui/window/flow_layout.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kFilterDelayMs = 150; ///< after the last keystroke

} // namespace

ItemsPage::ItemsPage(StudySession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_reading(this)
    , m_bar(new QWidget)
    , m_task(choiceBox(tr("Task whose items are shown")))
    , m_metric(choiceBox(tr("Metric of the items")))
    , m_strength(choiceBox(tr("Modification to compare the base with")))
    , m_run(choiceBox(tr("Pretraining run")))
    , m_kind(choiceBox(tr("Which items are shown")))
    , m_search(new QLineEdit)
    , m_table(new QTableView)
    , m_summary(new QLabel)
    , m_empty(new QLabel)
    , m_detail(new QTextBrowser)
    , m_content(new QWidget) {
    setAccessibleName(tr("Items"));
    setupBar();
    setupTable();
    setupLayout();
    connectSession();
    fillChoices();
    take({});
}

void ItemsPage::setupBar() {
    for (const auto& [text, kind] :
         {std::pair{tr("all items"), ItemKind::All}, std::pair{tr("never right"), ItemKind::Never},
          std::pair{tr("learned"), ItemKind::Learned}, std::pair{tr("forgotten"), ItemKind::Forgotten},
          std::pair{tr("changing (2 flips or more)"), ItemKind::Flipping}, std::pair{tr("lost somewhere"), ItemKind::Lost},
          std::pair{tr("gained somewhere"), ItemKind::Gained}})
        m_kind->addItem(text, static_cast<int>(kind));
    m_search->setPlaceholderText(tr("Search questions"));
    m_search->setAccessibleName(tr("Search questions"));
    m_search->setClearButtonEnabled(true);
    m_search->addAction(icon(QStringLiteral("search")), QLineEdit::LeadingPosition);
    m_search->setMinimumWidth(20 * kRhythm);
    m_kind->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_kind->setMinimumContentsLength(9); // the longest of its entries is seldom chosen
    auto* row = new FlowLayout(m_bar);
    row->addField(tr("&Task"), m_task);
    row->addWidget(m_metric);
    m_strengthLabel = row->addField(tr("&Compare"), m_strength);
    m_runLabel = row->addField(tr("&Run"), m_run);
    row->addField(tr("S&how"), m_kind);
    row->addWidget(m_search);
    m_filterTimer.setSingleShot(true);
    m_filterTimer.setInterval(kFilterDelayMs);
    for (QComboBox* box : {m_task, m_metric, m_strength, m_run})
        connect(box, &QComboBox::activated, this, &ItemsPage::ask);
    const auto filter = [this] {
        m_model.setFilter(static_cast<ItemKind>(m_kind->currentData().toInt()), m_search->text().trimmed());
        showSummary();
        showDetail();
    };
    connect(m_kind, &QComboBox::activated, this, filter);
    connect(&m_filterTimer, &QTimer::timeout, this, filter);
    connect(m_search, &QLineEdit::textChanged, this, [this] { m_filterTimer.start(); });
}

void ItemsPage::setupTable() {
    m_table->setModel(&m_model);
    m_table->setItemDelegate(new ItemDelegate(m_table));
    m_table->setAccessibleName(tr("Items by checkpoint"));
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_table->verticalHeader()->setDefaultSectionSize(3 * kRhythm);
    m_table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed); // 10^4 rows: none is measured
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setDefaultSectionSize(7 * kRhythm);
    m_table->setSortingEnabled(true);
    m_table->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    auto* copy = new QAction(icon(QStringLiteral("copy")), tr("&Copy table"), m_table);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    m_table->addAction(copy);
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    connect(copy, &QAction::triggered, this, &ItemsPage::copyTable);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentChanged, this, &ItemsPage::showDetail);
}

void ItemsPage::setupLayout() {
    m_detail->setAccessibleName(tr("The item in full"));
    m_detail->setFrameShape(QFrame::NoFrame);
    m_detail->setOpenLinks(false);
    m_summary->setTextFormat(Qt::PlainText);
    m_summary->setWordWrap(true);
    m_summary->setContentsMargins(kRhythm, 0, kRhythm, 0);
    m_summary->setAccessibleName(tr("Summary of the items"));
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setMargin(4 * kRhythm);
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(m_table);
    splitter->addWidget(m_detail);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setChildrenCollapsible(false);
    auto* below = new QVBoxLayout(m_content);
    below->setContentsMargins(0, 0, 0, 0);
    below->setSpacing(kRhythm / 2);
    below->addWidget(m_summary);
    below->addWidget(splitter, 1);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_bar);
    column->addWidget(m_empty, 1);
    column->addWidget(m_content, 1);
}

void ItemsPage::connectSession() {
    connect(&m_session, &StudySession::probeChanged, this, [this] {
        fillChoices();
        if (isVisible())
            ask();
    });
    connect(&m_session, &StudySession::itemsChanged, this, &ItemsPage::take);
    connect(&m_session, &StudySession::closed, this, [this] {
        m_reading.cancel();
        m_wanted.reset();
        m_textsOf.clear();
        m_texts.reset();
        m_search->clear();
        fillChoices();
        take({});
    });
}

void ItemsPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_texts && !m_texts->problem.isEmpty())
        m_textsOf.clear(); // the data may be there now
    ask();
}

void ItemsPage::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    m_wanted.reset();
    m_session.watchItems(std::nullopt);
}

/// Tasks of suites that the shown run measures, its strengths.
void ItemsPage::fillChoices() {
    Choices tasks, strengths{{tr("base alone"), 0.0}};
    if (const auto& results = m_session.probeView().results) {
        for (const study::Task& task : results->plan.tasks)
            if (task.kind == study::TaskKind::Suite)
                tasks.append({toQString(task.name), toQString(task.name)});
        for (const double strength : results->plan.probe.strengths)
            strengths.append({tr("with %1").arg(toQString(study::strengthLabel(study::probeKind(results->plan.probe.kind), strength))), strength});
    }
    refill(m_task, tasks);
    refill(m_strength, strengths);
    m_bar->setEnabled(!tasks.isEmpty());
    m_strength->setVisible(strengths.size() > 1);
    m_strengthLabel->setVisible(strengths.size() > 1);
    if (tasks.isEmpty())
        take({});
}

void ItemsPage::ask() {
    if (m_task->currentIndex() < 0)
        return;
    analysis::ItemTableOptions wanted;
    wanted.task = m_task->currentData().toString().toStdString();
    wanted.metric = m_metric->currentData().toString().toStdString();
    wanted.strength = m_strength->currentData().toDouble();
    if (m_run->count() > 0)
        wanted.pretrainSeed = m_run->currentData().toLongLong();
    if (wanted != m_wanted) { // what is watched comes again by itself with every result
        m_wanted = wanted;
        m_session.watchItems(wanted);
    }
    readTexts();
}

void ItemsPage::take(const std::shared_ptr<const ItemsView>& view) {
    const QModelIndex current = m_table->currentIndex();
    const int item = m_model.itemAt(current.row());
    const bool noMetric = view && view->table && view->table->metrics.empty();
    m_model.setView(noMetric ? nullptr : view);
    const analysis::ItemTable* table = m_model.table();
    m_content->setVisible(table != nullptr);
    m_empty->setVisible(table == nullptr);
    if (!table) {
        m_empty->setText(noMetric ? tr("This task has no right and wrong: its texts stand in Samples.")
                         : view   ? view->problem
                         : m_task->count() > 0
                             ? tr("Reading the items...")
                             : tr("The shown run measures no task of a suite.\nAdd tasks of a suite to a probe, on the "
                                  "right, and run it: every answer is kept and shown here."));
        return;
    }
    Choices metrics, runs;
    for (const std::string& metric : table->metrics)
        metrics.append({toQString(metric), toQString(metric)});
    for (const std::int64_t seed : table->pretrainSeeds)
        runs.append({tr("seed %1").arg(seed), static_cast<qlonglong>(seed)});
    refill(m_metric, metrics);
    refill(m_run, runs);
    m_metric->setVisible(metrics.size() > 1);
    m_run->setVisible(runs.size() > 1);
    m_runLabel->setVisible(runs.size() > 1);
    if (m_texts) {
        m_model.setQuestions(questionsOf(*table));
    }
    m_table->setColumnWidth(ItemsModel::Item, 7 * kRhythm);
    if (m_table->columnWidth(ItemsModel::Question) < 12 * kRhythm)
        m_table->setColumnWidth(ItemsModel::Question, 30 * kRhythm);
    for (const int column : {ItemsModel::Learned, ItemsModel::Forgotten, ItemsModel::Flips}) {
        m_table->setColumnWidth(column, (column == ItemsModel::Flips ? 7 : 10) * kRhythm);
        m_table->setColumnHidden(column, !table->measure.isShare);
    }
    m_kind->setEnabled(table->measure.isShare);
    // The item that was looked at stays, where it is still there.
    const int column = current.isValid() ? current.column() : static_cast<int>(ItemsModel::Question);
    int row = 0;
    for (int r = 0; item >= 0 && r < m_model.rowCount(); ++r)
        if (m_model.itemAt(r) == item)
            row = r;
    m_table->setCurrentIndex(m_model.index(row, std::min(column, m_model.columnCount() - 1)));
    showSummary();
    showDetail();
}

QStringList ItemsPage::questionsOf(const analysis::ItemTable& table) const {
    QStringList questions;
    for (std::size_t i = 0; i < table.items(); ++i)
        questions << m_texts->shortText(i, table.documents[i]);
    return questions;
}

/// Once for each task of a run: the questions do not change while results come in.
void ItemsPage::readTexts() {
    const auto& results = m_session.probeView().results;
    const std::string name = m_task->currentData().toString().toStdString();
    const QString wanted = m_session.shownRun() + u'/' + m_task->currentData().toString();
    if (!results || wanted == m_textsOf)
        return;
    for (const study::Task& task : results->plan.tasks)
        if (task.name == name) {
            m_textsOf = wanted;
            m_texts.reset();
            m_reading.start(
                [task, folder = std::filesystem::path(m_session.folder().toStdString())](const JobContext& job) {
                    return std::make_shared<const ItemTexts>(readItemTexts(task, folder, job));
                },
                [this](const std::shared_ptr<const ItemTexts>& texts) {
                    m_texts = texts;
                    if (const analysis::ItemTable* table = m_model.table()) {
                        const QModelIndex current = m_table->currentIndex();
                        m_model.setQuestions(questionsOf(*table));
                        m_table->setCurrentIndex(m_model.index(current.row(), current.column()));
                    }
                    showDetail();
                });
        }
}

void ItemsPage::showSummary() {
    const analysis::ItemTable* table = m_model.table();
    if (!table)
        return;
    QString text = tr("%1 of %2 at %3")
                       .arg(m_model.rowCount())
                       .arg(countText(table->items(), "item"), countText(table->columns.size(), "checkpoint"));
    if (table->measure.isShare) {
        text += tr(": %1 learned to the end, %2 forgotten, %3 never right.")
                    .arg(m_model.count(ItemKind::Learned))
                    .arg(m_model.count(ItemKind::Forgotten))
                    .arg(m_model.count(ItemKind::Never));
        if (!table->modified.empty())
            text += tr(" Modified: \u2193 %1 lost and \u2191 %2 gained somewhere.")
                        .arg(m_model.count(ItemKind::Lost))
                        .arg(m_model.count(ItemKind::Gained));
        text += tr(" \u2713 right, \u2717 wrong, with the letter that was answered.");
    }
    m_summary->setText(text);
}

void ItemsPage::showDetail() {
    const analysis::ItemTable* table = m_model.table();
    const int item = m_model.itemAt(m_table->currentIndex().row());
    if (!table || item < 0)
        return m_detail->clear();
    const int checkpoint = m_model.checkpointAt(m_table->currentIndex().column());
    const int shown = checkpoint >= 0 ? checkpoint : static_cast<int>(table->columns.size()) - 1;
    m_detail->setHtml(itemDetailHtml(*table, item, shown, m_texts.get(), palette()));
}

/// What is shown, as tabs and lines; states in words.
void ItemsPage::copyTable() {
    QStringList lines;
    for (int row = -1; row < m_model.rowCount(); ++row) {
        QStringList cells;
        for (int column = 0; column < m_model.columnCount(); ++column) {
            if (row < 0) {
                cells << m_model.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString();
                continue;
            }
            const QModelIndex at = m_model.index(row, column);
            const QVariant state = m_model.data(at, ItemsModel::StateRole);
            QString text = m_model.data(at, Qt::DisplayRole).toString();
            if (state.isValid())
                text = QString(itemStateText(static_cast<ItemState>(state.toInt())) + u' ' + text).trimmed();
            cells << text.replace(u'\t', u' ');
        }
        lines << cells.join(u'\t');
    }
    QGuiApplication::clipboard()->setText(lines.join(u'\n'));
}

} // namespace crest::ui
