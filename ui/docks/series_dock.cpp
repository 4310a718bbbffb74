// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/series_dock.h"

#include <algorithm>

#include <QAction>
#include <QApplication>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QScopedValueRollback>
#include <QStyledItemDelegate>
#include <QTreeView>
#include <QVBoxLayout>

#include "core/series/series_rules.h"
#include "ui/data/format.h"
#include "ui/docks/tokens_per_step.h"
#include "ui/window/actions.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kWhenTypedMs = 300;
constexpr int kLeastName = 13 * kRhythm, kEnoughName = 21 * kRhythm; ///< rows can be told apart; "stage1-step100000"
constexpr int kLeastState = 8 * kRhythm, kMostState = 30 * kRhythm;  ///< "readable"

struct StateLook {
    QString icon;
    QColor color;
};

StateLook lookOf(series::CheckpointState state, const StateColors& colors) {
    switch (state) {
    case series::CheckpointState::Ok:
        return {QStringLiteral("state-ok"), colors.good};
    case series::CheckpointState::Suspect:
        return {QStringLiteral("warning"), colors.warning};
    case series::CheckpointState::Broken:
        return {QStringLiteral("state-broken"), colors.bad};
    case series::CheckpointState::Excluded:
        return {QStringLiteral("state-excluded"), colors.muted};
    }
    return {};
}

/// In a narrow column a name first loses the token count that the next column has; then it is cut in its middle, since names differ
/// at their ends more often.
class NameDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override {
        QStyledItemDelegate::initStyleOption(option, index);
        option->textElideMode = Qt::ElideMiddle;
        const QStyle* style = option->widget ? option->widget->style() : QApplication::style();
        const int margins = 2 * (style->pixelMetric(QStyle::PM_FocusFrameHMargin, option, option->widget) + 1);
        const int room = style->subElementRect(QStyle::SE_ItemViewItemText, option, option->widget).width() - margins;
        if (option->rect.isValid() && option->fontMetrics.horizontalAdvance(option->text) > room)
            if (const QVariant brief = index.data(SeriesModel::BriefNameRole); brief.isValid())
                option->text = brief.toString();
    }
};

} // namespace

QVariant SeriesProxy::data(const QModelIndex& index, int role) const {
    if (role != Qt::DecorationRole && role != Qt::ForegroundRole)
        return QSortFilterProxyModel::data(index, role);
    const QVariant state = QSortFilterProxyModel::data(index, SeriesModel::CheckpointStateRole);
    if (!state.isValid())
        return {};
    auto known = static_cast<series::CheckpointState>(state.toInt());
    // Of one that is in order something is to be known: it looks as a suspect does, and is used all the same.
    if (known == series::CheckpointState::Ok && QSortFilterProxyModel::data(index, SeriesModel::HasRemarkRole).toBool())
        known = series::CheckpointState::Suspect;
    const auto* view = qobject_cast<const QWidget*>(parent());
    const StateLook look = lookOf(known, stateColors(view ? view->palette() : QPalette()));
    if (role == Qt::DecorationRole)
        return index.column() == SeriesModel::Name ? QVariant(icon(look.icon, look.color)) : QVariant();
    const bool colored = index.column() == SeriesModel::State && known != series::CheckpointState::Ok;
    return colored || known == series::CheckpointState::Excluded ? QVariant(look.color) : QVariant();
}

/// A series that is named stays whole; of any other stays what matches.
bool SeriesProxy::filterAcceptsRow(int row, const QModelIndex& parent) const {
    if (filterRegularExpression().pattern().isEmpty())
        return true;
    const auto matches = [this](const QModelIndex& cell) { return cell.data().toString().contains(filterRegularExpression()); };
    if (!parent.isValid())
        return matches(sourceModel()->index(row, SeriesModel::Name));
    if (matches(parent.siblingAtColumn(SeriesModel::Name)))
        return true;
    for (const int column : {SeriesModel::Name, SeriesModel::Tokens, SeriesModel::State})
        if (matches(sourceModel()->index(row, column, parent)))
            return true;
    return false;
}

SeriesDock::SeriesDock(StudySession& session, Actions& actions, QWidget* parent)
    : QDockWidget(tr("Series"), parent)
    , m_session(session)
    , m_actions(actions)
    , m_proxy(this)
    , m_filter(new QLineEdit)
    , m_tree(new QTreeView)
    , m_tokensPerStep(new TokensPerStep(session))
    , m_remark(new QLabel)
    , m_summary(new QLabel) {
    setObjectName(QStringLiteral("seriesDock"));
    setupTree();
    setupLayout();
    connectSignals();
}

void SeriesDock::setupTree() {
    m_proxy.setSourceModel(&m_model);
    m_proxy.setFilterCaseSensitivity(Qt::CaseInsensitive);
    m_proxy.setRecursiveFilteringEnabled(true);
    m_tree->setModel(&m_proxy);
    m_tree->setAccessibleName(tr("Checkpoints"));
    m_tree->setUniformRowHeights(true);
    m_tree->setTextElideMode(Qt::ElideRight);
    m_tree->setItemDelegateForColumn(SeriesModel::Name, new NameDelegate(m_tree));
    m_tree->setAlternatingRowColors(true);
    m_tree->setContextMenuPolicy(Qt::CustomContextMenu);
    m_tree->setEditTriggers(QAbstractItemView::DoubleClicked | QAbstractItemView::EditKeyPressed);
    m_tree->setIndentation(kRhythm + kRhythm / 2);
    QHeaderView* header = m_tree->header();
    header->setStretchLastSection(false);
    header->setMinimumSectionSize(5 * kRhythm);
    header->setSectionResizeMode(QHeaderView::ResizeToContents);
    for (const int column : {SeriesModel::Name, SeriesModel::State})
        header->setSectionResizeMode(column, QHeaderView::Interactive);
    header->moveSection(header->visualIndex(SeriesModel::State), 2); // what matters first, where the dock is narrow
    header->moveSection(header->visualIndex(SeriesModel::Measured), 3);
    for (const int column : {SeriesModel::Step, SeriesModel::Size, SeriesModel::Stage}) {
        auto* shown = new QAction(m_model.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString(), header);
        shown->setCheckable(true);
        connect(shown, &QAction::toggled, this, [this, column](bool on) { m_tree->setColumnHidden(column, !on); });
        m_tree->setColumnHidden(column, true);
        header->addAction(shown);
    }
    header->setContextMenuPolicy(Qt::ActionsContextMenu);
    header->setToolTip(tr("Right click: more columns"));
    m_tree->viewport()->installEventFilter(this);
    header->viewport()->installEventFilter(this);
    connect(header, &QHeaderView::sectionResized, this, [this](int column) {
        if (m_fitting)
            return;
        if (m_headerIsHeld && (column == SeriesModel::Name || column == SeriesModel::State)) // a header has sizes of its own at first
            m_byHand.insert(column);
        fitColumns();
        // Several columns change in one go: what the header still sets after this is seen when it is through.
        QMetaObject::invokeMethod(this, &SeriesDock::fitColumns, Qt::QueuedConnection);
    });
    // What is told of checkpoints changes without a column of its own being resized.
    connect(&m_proxy, &QAbstractItemModel::modelReset, this, &SeriesDock::fitColumns, Qt::QueuedConnection);
}

/// What the column's rows and its title ask for.
int SeriesDock::widthOf(int column) const {
    const QAbstractItemView* view = m_tree;
    return std::max(view->sizeHintForColumn(column), m_tree->header()->sectionSizeHint(column));
}

/// Name and state share what the other columns leave, and are cut where that is little: long names in their middle, reasons at their
/// end, both whole in the tooltip. Neither is cut to nothing: then the tree scrolls. A width that the user has chosen stays.
void SeriesDock::fitColumns() {
    if (m_fitting)
        return;
    const QScopedValueRollback<bool> fitting(m_fitting, true);
    QHeaderView* header = m_tree->header();
    int room = m_tree->viewport()->width();
    for (int column = 0; column < SeriesModel::ColumnCount; ++column)
        if (column != SeriesModel::Name && column != SeriesModel::State)
            room -= header->sectionSize(column); // 0 where it is hidden
    const auto fit = [&](int column, int width) {
        if (!m_byHand.contains(column) && width != header->sectionSize(column))
            header->resizeSection(column, width);
    };
    const int wanted = std::min(widthOf(SeriesModel::State), kMostState), least = std::min(wanted, kLeastState);
    const int enough = std::clamp(widthOf(SeriesModel::Name), kLeastName, kEnoughName);
    const int name = m_byHand.contains(SeriesModel::Name) ? header->sectionSize(SeriesModel::Name)
                                                          : std::clamp(room - least, kLeastName, enough);
    fit(SeriesModel::State, std::clamp(room - name, least, wanted));
    fit(SeriesModel::Name, std::max(name, room - header->sectionSize(SeriesModel::State)));
}

bool SeriesDock::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_tree->viewport() && event->type() == QEvent::Resize)
        fitColumns();
    if (watched == m_tree->header()->viewport() && (event->type() == QEvent::MouseButtonPress || event->type() == QEvent::MouseButtonDblClick))
        m_headerIsHeld = true;
    if (watched == m_tree->header()->viewport() && event->type() == QEvent::MouseButtonRelease)
        m_headerIsHeld = false;
    return QDockWidget::eventFilter(watched, event);
}

void SeriesDock::setupLayout() {
    m_filter->setPlaceholderText(tr("Filter by name, tokens, state"));
    m_filter->setClearButtonEnabled(true);
    m_filter->setAccessibleName(tr("Filter checkpoints"));
    m_filter->addAction(icon(QStringLiteral("search")), QLineEdit::LeadingPosition);
    m_remark->setWordWrap(true);
    m_remark->setTextFormat(Qt::PlainText);
    m_remark->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_remark->setAccessibleName(tr("Why the selected checkpoint is marked"));
    m_remark->hide();
    m_summary->setWordWrap(true);
    m_summary->setText(tr("No study is open."));
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(kRhythm, kRhythm, kRhythm, kRhythm);
    column->setSpacing(kRhythm);
    column->addWidget(m_filter);
    column->addWidget(m_tree, 1);
    column->addWidget(m_remark);
    column->addWidget(m_tokensPerStep);
    column->addWidget(m_summary);
    content->setMinimumWidth(23 * kRhythm); // tokens and state stay in sight in a small window
    setWidget(content);
}

void SeriesDock::connectSignals() {
    connect(m_filter, &QLineEdit::textChanged, this, &SeriesDock::filterBy);
    m_whenTyped.setSingleShot(true);
    m_whenTyped.setInterval(kWhenTypedMs);
    connect(&m_whenTyped, &QTimer::timeout, this, &SeriesDock::showSeries);
    connect(&m_session, &StudySession::seriesChanged, this, &SeriesDock::showSeries);
    connect(&m_session, &StudySession::closed, this, &SeriesDock::showSeries);
    connect(&m_session, &StudySession::runsChanged, this, [this] { m_model.refreshMeasured(); });
    connect(&m_session, &StudySession::scanProgress, this, [this](int found, bool finished) {
        if (!finished)
            m_summary->setText(tr("Looking for checkpoints: %1 found").arg(found));
    });
    connect(&m_session, &StudySession::checkpointsFound, this, &SeriesDock::showFound);
    connect(&m_session, &StudySession::fingerprintProgress, this, [this](int done, int total) {
        m_printed = done;
        m_toPrint = total;
        showSummary();
    });
    connect(&m_model, &SeriesModel::edited, this, &SeriesDock::takeEdit);
    connect(&m_model, &SeriesModel::refused, m_summary, &QLabel::setText);
    connect(m_tree->selectionModel(), &QItemSelectionModel::currentChanged, this, &SeriesDock::selectionChanged);
    // A click makes a row the current one before it selects it, a key the other way round.
    connect(m_tree->selectionModel(), &QItemSelectionModel::currentChanged, this, &SeriesDock::tellChosen);
    connect(m_tree->selectionModel(), &QItemSelectionModel::selectionChanged, this, &SeriesDock::tellChosen);
    connect(&m_session, &StudySession::closed, this, [this] { m_chosen.clear(); });
    connect(this, &SeriesDock::selectionChanged, this, &SeriesDock::showRemark);
    connect(m_tree, &QTreeView::customContextMenuRequested, this, &SeriesDock::showMenu);
    connect(m_actions.at(ActionId::Exclude), &QAction::triggered, this, [this] { setSelectedExcluded(true); });
    connect(m_actions.at(ActionId::Include), &QAction::triggered, this, [this] { setSelectedExcluded(false); });
}

QSet<QString> SeriesDock::collapsedSeries() const {
    QSet<QString> collapsed;
    for (int row = 0; row < m_proxy.rowCount(); ++row)
        if (const QModelIndex index = m_proxy.index(row, 0); m_proxy.rowCount(index) > 0 && !m_tree->isExpanded(index))
            collapsed.insert(index.data(SeriesModel::SeriesNameRole).toString());
    return collapsed;
}

void SeriesDock::expandAllBut(const QSet<QString>& collapsed) {
    for (int row = 0; row < m_proxy.rowCount(); ++row)
        if (const QModelIndex index = m_proxy.index(row, 0); !collapsed.contains(index.data(SeriesModel::SeriesNameRole).toString()))
            m_tree->expand(index);
}

/// What is found is seen; afterwards the tree is as it was.
void SeriesDock::filterBy(const QString& text) {
    if (m_proxy.filterRegularExpression().pattern().isEmpty())
        m_collapsedUnfiltered = collapsedSeries();
    m_proxy.setFilterRegularExpression(
        QRegularExpression(QRegularExpression::escape(text), QRegularExpression::CaseInsensitiveOption));
    expandAllBut(text.isEmpty() ? m_collapsedUnfiltered : QSet<QString>());
}

void SeriesDock::showSeries() {
    // Fingerprints come twice a second, and a tree that is built anew would close the editor of a cell.
    if (m_session.isOpen() && m_tree->viewport()->findChild<QLineEdit*>()) {
        m_whenTyped.start();
        return;
    }
    const QString series = selectedSeries(), checkpoint = selected() ? selected()->checkpoint : QString();
    const QSet<QString> collapsed = collapsedSeries();
    m_model.setEditable(m_session.writable());
    m_model.setSeries(m_session.series(), [this](const QString& name) { return m_session.measuredResults(name); });
    expandAllBut(collapsed);
    select(series, checkpoint);
    showSummary();
    Q_EMIT selectionChanged();
}

void SeriesDock::showFound(const QString& series, const std::vector<series::Checkpoint>& checkpoints) {
    m_model.appendFound(series, checkpoints);
    m_tree->expandAll();
}

/// The row stays selected when the tree is built anew.
void SeriesDock::select(const QString& series, const QString& checkpoint) {
    for (int row = 0; row < m_proxy.rowCount(); ++row) {
        const QModelIndex parent = m_proxy.index(row, 0);
        if (parent.data(SeriesModel::SeriesNameRole).toString() != series || series.isEmpty())
            continue;
        if (checkpoint.isEmpty())
            m_tree->setCurrentIndex(parent);
        for (int child = 0; child < m_proxy.rowCount(parent) && !checkpoint.isEmpty(); ++child)
            if (const QModelIndex index = m_proxy.index(child, 0, parent);
                index.data(SeriesModel::CheckpointNameRole).toString() == checkpoint)
                return m_tree->setCurrentIndex(index);
    }
}

/// Not where the keyboard only comes to the tree, nor where that is built anew.
void SeriesDock::tellChosen() {
    const QString series = selectedSeries();
    if (series.isEmpty() || series == m_chosen || !m_tree->selectionModel()->isSelected(m_tree->currentIndex()))
        return;
    m_chosen = series;
    Q_EMIT seriesChosen(series);
}

void SeriesDock::showSummary() {
    if (!m_session.isOpen())
        return m_summary->setText(tr("No study is open."));
    std::size_t count = 0, usable = 0;
    for (const series::Series& one : m_session.series())
        for (const series::Checkpoint& checkpoint : one.checkpoints) {
            ++count;
            usable += series::isUsable(checkpoint);
        }
    QString text = tr("%1 of %2 can be measured").arg(usable).arg(countText(count, "checkpoint"));
    if (m_printed < m_toPrint)
        text += tr("; weights compared: %1 of %2").arg(m_printed).arg(m_toPrint);
    m_summary->setText(text);
}

/// The whole reason of the selected row: its column shows the beginning.
void SeriesDock::showRemark() {
    const QModelIndex row = m_tree->currentIndex();
    const bool marked = selected() && row.data(SeriesModel::HasRemarkRole).toBool();
    if (marked)
        m_remark->setText(row.siblingAtColumn(SeriesModel::Name).data().toString() + u'\n' +
                          row.siblingAtColumn(SeriesModel::State).data().toString());
    m_remark->setVisible(marked);
}

/// What was typed over a cell becomes a correction in the study.
void SeriesDock::takeEdit(const QString& series, const QString& checkpoint, int column, const QString& text) {
    series::CheckpointCorrection correction = m_session.correction(series, checkpoint);
    if (column == SeriesModel::Name)
        correction.name = text == checkpoint ? std::string() : text.toStdString();
    else if (column == SeriesModel::Tokens)
        correction.tokens = text.isEmpty() ? std::nullopt : tokensFromText(text);
    else if (column == SeriesModel::Stage)
        correction.stage = text.isEmpty() ? std::nullopt : std::optional(text.toInt());
    // The editor is still open: the tree is built anew when it has closed.
    QMetaObject::invokeMethod(
        this, [this, series, checkpoint, correction] { m_session.correct(series, checkpoint, correction); },
        Qt::QueuedConnection);
}

std::optional<SeriesDock::Selected> SeriesDock::selected() const {
    const QModelIndex index = m_tree->currentIndex();
    const QVariant name = index.data(SeriesModel::CheckpointNameRole);
    if (!name.isValid())
        return std::nullopt;
    return Selected{index.data(SeriesModel::SeriesNameRole).toString(), name.toString(),
                    static_cast<series::CheckpointState>(index.data(SeriesModel::CheckpointStateRole).toInt())};
}

QString SeriesDock::selectedSeries() const {
    return m_tree->currentIndex().data(SeriesModel::SeriesNameRole).toString();
}

void SeriesDock::focusFilter() {
    show();
    m_filter->setFocus(Qt::ShortcutFocusReason);
    m_filter->selectAll();
}

void SeriesDock::reveal(const QString& series, const QString& checkpoint) {
    show();
    raise();
    m_filter->clear();
    select(series, checkpoint);
    m_tree->scrollTo(m_tree->currentIndex());
    m_tree->setFocus(Qt::OtherFocusReason);
}

void SeriesDock::addCorrections(QMenu& menu) {
    const auto chosen = selected();
    const QString series = selectedSeries();
    const auto edit = [this](int column) {
        const QModelIndex current = m_tree->currentIndex();
        m_tree->setColumnHidden(column, false);
        m_tree->edit(current.siblingAtColumn(column));
    };
    const auto add = [&](const QString& text, bool enabled, const std::function<void()>& act) {
        connect(menu.addAction(text), &QAction::triggered, this, act);
        menu.actions().last()->setEnabled(enabled && m_session.writable());
    };
    add(tr("Correct tokens"), chosen.has_value(), [edit] { edit(SeriesModel::Tokens); });
    add(tr("Correct stage"), chosen.has_value(), [edit] { edit(SeriesModel::Stage); });
    add(tr("Rename"), chosen.has_value(), [edit] { edit(SeriesModel::Name); });
    add(tr("Take corrections back"), chosen && !m_session.correction(chosen->series, chosen->checkpoint).isEmpty(),
        [this, chosen] { m_session.correct(chosen->series, chosen->checkpoint, {}); });
    add(tr("Tokens per step..."), !series.isEmpty(), [this, series] { m_tokensPerStep->askFor(series); });
}

void SeriesDock::showMenu(const QPoint& at) {
    QMenu menu(this);
    menu.addAction(m_actions.at(ActionId::Exclude));
    menu.addAction(m_actions.at(ActionId::Include));
    menu.addSeparator();
    addCorrections(menu);
    menu.addSeparator();
    menu.addAction(m_actions.at(ActionId::Locate));
    menu.addAction(m_actions.at(ActionId::AddSeries));
    menu.addAction(m_actions.at(ActionId::Rescan));
    menu.exec(m_tree->viewport()->mapToGlobal(at));
}

void SeriesDock::setSelectedExcluded(bool excluded) {
    if (const auto wanted = selected())
        m_session.setExcluded(wanted->series, wanted->checkpoint, excluded);
}

} // namespace crest::ui
