// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/inflection_page.h"

#include <algorithm>

#include <QAction>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QTableView>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

QString summaryOf(const std::vector<analysis::InflectionRow>& rows) {
    if (rows.empty())
        return QObject::tr("No inflection has been looked for: a run with results is needed.");
    const auto supported = std::count_if(rows.begin(), rows.end(),
                                         [](const analysis::InflectionRow& row) { return row.inflection.supported; });
    const bool base = std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row.strength == 0; });
    if (supported == 0 && base)
        return QObject::tr(
            "These data support no inflection point: the checkpoints either still get better at the last budget, or "
            "what they lose lies within the error. More items, more budgets or more pretraining runs can decide it. "
            "Select a row to see why.");
    if (supported == 0)
        return QObject::tr(
            "These data support no inflection point. Either the loss still falls at the last budget, or the rise lies "
            "within the error: more "
            "draws, more windows, a larger gamma or more budgets can decide it. Select a row to see why.");
    return QObject::tr("%1 of %2 %3 an inflection point that the data support. Select a row for the method and the "
                       "evidence.")
        .arg(supported)
        .arg(countText(rows.size(), "row"), supported == 1 ? QObject::tr("has") : QObject::tr("have"));
}

} // namespace

InflectionPage::InflectionPage(StudySession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_table(new QTableView)
    , m_summary(new QLabel)
    , m_detail(new QLabel) {
    setAccessibleName(tr("Inflection"));
    setupTable();
    setupLayout();
    connect(&m_session, &StudySession::probeChanged, this, &InflectionPage::showRows);
    connect(&m_session, &StudySession::closed, this, &InflectionPage::showRows);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &InflectionPage::showDetail);
    showRows();
}

void InflectionPage::setupTable() {
    m_sorted.setSourceModel(&m_model);
    m_sorted.setSortRole(SortRole);
    m_table->setModel(&m_sorted);
    m_table->setAccessibleName(tr("Inflection points"));
    m_table->setSortingEnabled(true);
    m_table->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder); // as the model has it: ID first
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->verticalHeader()->setDefaultSectionSize(3 * kRhythm);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    auto* copy = new QAction(icon(QStringLiteral("copy")), tr("&Copy table"), m_table);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    m_table->addAction(copy);
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    connect(copy, &QAction::triggered, this, &InflectionPage::copyTable);
}

void InflectionPage::setupLayout() {
    for (QLabel* label : {m_summary, m_detail}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    }
    m_detail->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    m_detail->setMinimumHeight(10 * kRhythm);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(2 * kRhythm, 2 * kRhythm, 2 * kRhythm, kRhythm);
    column->setSpacing(kRhythm);
    column->addWidget(m_summary);
    column->addWidget(m_table, 1);
    column->addWidget(m_detail);
}

void InflectionPage::showRows() {
    const ProbeView& view = m_session.probeView();
    if (view.version == m_version && m_session.isOpen() && m_model.rowCount() > 0)
        return;
    m_version = view.version;
    const int row = std::max(0, m_table->currentIndex().row());
    m_model.setRows(view.inflections);
    m_summary->setText(summaryOf(view.inflections));
    m_table->setVisible(!view.inflections.empty());
    m_table->resizeColumnsToContents();
    m_table->setCurrentIndex(m_sorted.index(row, 0)); // nothing where there is no row
    showDetail();
}

void InflectionPage::showDetail() {
    const int row = m_sorted.mapToSource(m_table->currentIndex()).row();
    const auto& rows = m_session.probeView().inflections;
    if (row < 0 || row >= static_cast<int>(rows.size())) {
        m_detail->clear();
        return;
    }
    const analysis::InflectionRow& chosen = rows[static_cast<std::size_t>(row)];
    m_detail->setText(tr("%1, %2: %3\n%4\n%5")
                          .arg(toQString(chosen.task),
                               toQString(chosen.modified),
                               toQString(analysis::inflectionLabel(chosen.inflection)),
                               toQString(chosen.inflection.evidence), toQString(chosen.inflection.method)));
}

void InflectionPage::copyTable() {
    QStringList lines;
    for (int row = -1; row < m_sorted.rowCount(); ++row) {
        QStringList cells;
        for (int column = 0; column < m_sorted.columnCount(); ++column)
            cells << (row < 0 ? m_sorted.headerData(column, Qt::Horizontal) : m_sorted.index(row, column).data())
                         .toString();
        lines << cells.join(u'\t');
    }
    QGuiApplication::clipboard()->setText(lines.join(u'\n'));
}

} // namespace crest::ui
