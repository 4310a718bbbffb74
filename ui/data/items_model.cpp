// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/items_model.h"

#include <algorithm>
#include <cmath>

#include "core/base/units.h"
#include "ui/data/format.h"

namespace crest::ui {

using analysis::ItemTable;

QString itemStateText(ItemState state) {
    switch (state) {
    case ItemState::Missing:
        return QObject::tr("not measured");
    case ItemState::Right:
        return QObject::tr("right");
    case ItemState::Wrong:
        return QObject::tr("wrong");
    case ItemState::Lost:
        return QObject::tr("lost by the modification");
    case ItemState::Gained:
        return QObject::tr("gained by the modification");
    case ItemState::Number:
        break;
    }
    return {};
}

QString choiceLetter(int choice) {
    if (choice < 0)
        return {};
    return choice < 26 ? QString(QChar(u'A' + choice)) : QString::number(choice + 1);
}

void ItemsModel::setView(std::shared_ptr<const ItemsView> view) {
    beginResetModel();
    const bool sameItems = table() && view && view->table && table()->documents == view->table->documents &&
                           table()->task == view->table->task;
    m_view = std::move(view);
    if (!sameItems)
        m_questions.clear();
    refill();
    endResetModel();
}

void ItemsModel::setQuestions(QStringList questions) {
    beginResetModel();
    m_questions = std::move(questions);
    refill();
    endResetModel();
}

void ItemsModel::setFilter(ItemKind kind, const QString& text) {
    if (kind == m_kind && text == m_text)
        return;
    beginResetModel();
    m_kind = kind;
    m_text = text;
    refill();
    endResetModel();
}

const ItemTable* ItemsModel::table() const {
    return m_view && m_view->table ? &*m_view->table : nullptr;
}

int ItemsModel::itemAt(int row) const {
    return row >= 0 && static_cast<std::size_t>(row) < m_rows.size() ? m_rows[static_cast<std::size_t>(row)] : -1;
}

/// Of the modified checkpoints where these are compared, else of the base.
const analysis::ItemHistory* ItemsModel::history(int item) const {
    const ItemTable* all = table();
    const auto& histories = all->modifiedHistories.empty() ? all->baseHistories : all->modifiedHistories;
    return static_cast<std::size_t>(item) < histories.size() ? &histories[static_cast<std::size_t>(item)] : nullptr;
}

ItemState ItemsModel::state(int item, int checkpoint) const {
    const ItemTable& all = *table();
    const std::size_t at = all.at(static_cast<std::size_t>(item), static_cast<std::size_t>(checkpoint));
    const bool compared = !all.modified.empty();
    const float base = all.base[at], shown = compared ? all.modified[at] : base;
    if (!std::isfinite(shown))
        return ItemState::Missing;
    if (!all.measure.isShare)
        return ItemState::Number;
    const bool right = analysis::isRight(shown);
    if (compared && std::isfinite(base) && analysis::isRight(base) != right)
        return right ? ItemState::Gained : ItemState::Lost;
    return right ? ItemState::Right : ItemState::Wrong;
}

bool ItemsModel::isOf(int item, ItemKind kind) const {
    if (kind == ItemKind::All)
        return true;
    const analysis::ItemHistory* one = history(item);
    if (!one)
        return false;
    switch (kind) {
    case ItemKind::Never:
        return one->measured > 0 && one->right == 0;
    case ItemKind::Learned:
        return one->learned >= 0;
    case ItemKind::Forgotten:
        return one->forgotten >= 0;
    case ItemKind::Flipping:
        return one->flips >= 2;
    case ItemKind::Lost:
    case ItemKind::Gained: {
        const std::vector<std::int32_t>& counts = kind == ItemKind::Lost ? table()->lost : table()->gained;
        return static_cast<std::size_t>(item) < counts.size() && counts[static_cast<std::size_t>(item)] > 0;
    }
    case ItemKind::All:
        break;
    }
    return true;
}

int ItemsModel::count(ItemKind kind) const {
    int number = 0;
    for (int item = 0; table() && item < static_cast<int>(table()->items()); ++item)
        number += isOf(item, kind);
    return number;
}

double ItemsModel::sortKey(int item, int column) const {
    const analysis::ItemHistory* one = history(item);
    const auto last = [](int value) { return value < 0 ? 1e9 : static_cast<double>(value); };
    switch (column) {
    case Learned:
        return one ? last(one->learned) : 0;
    case Forgotten:
        return one ? last(one->forgotten) : 0;
    case Flips:
        return one ? one->flips : 0;
    case Item:
        return table()->documents[static_cast<std::size_t>(item)];
    default:
        break;
    }
    const std::size_t at = table()->at(static_cast<std::size_t>(item), static_cast<std::size_t>(checkpointAt(column)));
    const float value = table()->modified.empty() ? table()->base[at] : table()->modified[at];
    return std::isfinite(value) ? static_cast<double>(value) : 1e9;
}

void ItemsModel::refill() {
    m_rows.clear();
    if (!table())
        return;
    const auto question = [&](int item) { return item < m_questions.size() ? m_questions[item] : QString(); };
    for (int item = 0; item < static_cast<int>(table()->items()); ++item) {
        const bool named = m_text.isEmpty() || question(item).contains(m_text, Qt::CaseInsensitive) ||
                           QString::number(table()->documents[static_cast<std::size_t>(item)]) == m_text;
        if (named && isOf(item, m_kind))
            m_rows.push_back(item);
    }
    if (m_sortColumn < 0 || m_sortColumn >= columnCount())
        return;
    const bool down = m_order == Qt::DescendingOrder;
    if (m_sortColumn == Question) {
        std::stable_sort(m_rows.begin(), m_rows.end(), [&](int a, int b) {
            const int order = question(a).compare(question(b), Qt::CaseInsensitive);
            return down ? order > 0 : order < 0;
        });
        return;
    }
    std::vector<double> keys(table()->items());
    for (const int item : m_rows)
        keys[static_cast<std::size_t>(item)] = sortKey(item, m_sortColumn);
    std::stable_sort(m_rows.begin(), m_rows.end(), [&](int a, int b) {
        const double x = keys[static_cast<std::size_t>(a)], y = keys[static_cast<std::size_t>(b)];
        return down ? x > y : x < y;
    });
}

void ItemsModel::sort(int column, Qt::SortOrder order) {
    // Rows move, and what is selected or looked at moves with them.
    Q_EMIT layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    const QModelIndexList before = persistentIndexList();
    std::vector<int> items;
    for (const QModelIndex& index : before)
        items.push_back(itemAt(index.row()));
    m_sortColumn = column;
    m_order = order;
    refill();
    std::vector<int> rowOf(table() ? table()->items() : 0, -1);
    for (std::size_t row = 0; row < m_rows.size(); ++row)
        rowOf[static_cast<std::size_t>(m_rows[row])] = static_cast<int>(row);
    QModelIndexList after;
    for (qsizetype i = 0; i < before.size(); ++i)
        after << index(rowOf[static_cast<std::size_t>(items[static_cast<std::size_t>(i)])], before[i].column());
    changePersistentIndexList(before, after);
    Q_EMIT layoutChanged({}, QAbstractItemModel::VerticalSortHint);
}

int ItemsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int ItemsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() || !table() ? 0 : FixedColumns + static_cast<int>(table()->columns.size());
}

QVariant ItemsModel::fixedText(int item, int column) const {
    const ItemTable& all = *table();
    const analysis::ItemHistory* one = history(item);
    const auto placeAt = [&](int at) {
        return at < 0 ? QString() : toQString(placeHeading(all.columns[static_cast<std::size_t>(at)].checkpoint));
    };
    switch (column) {
    case Item:
        return QString::number(all.documents[static_cast<std::size_t>(item)]);
    case Question:
        return item < m_questions.size() ? m_questions[item].simplified() : QString();
    case Learned:
        return one ? placeAt(one->learned) : QString();
    case Forgotten:
        return one ? placeAt(one->forgotten) : QString();
    case Flips:
        return one ? QString::number(one->flips) : QString();
    default:
        return {};
    }
}

QString ItemsModel::cellText(int item, int checkpoint) const {
    const ItemTable& all = *table();
    const std::size_t at = all.at(static_cast<std::size_t>(item), static_cast<std::size_t>(checkpoint));
    const bool compared = !all.modified.empty();
    const float shown = compared ? all.modified[at] : all.base[at];
    const int answer = compared ? all.modifiedAnswers[at] : all.baseAnswers[at];
    const auto draws = all.columns[static_cast<std::size_t>(checkpoint)].modified.size();
    switch (state(item, checkpoint)) {
    case ItemState::Missing:
        return {};
    case ItemState::Number:
        return toQString(formatNumber(static_cast<double>(shown), 3));
    default:
        break;
    }
    if (compared && draws > 1)
        return QStringLiteral("%1 %").arg(std::lround(static_cast<double>(shown) * 100));
    return choiceLetter(answer);
}

QString ItemsModel::cellTip(int item, int checkpoint) const {
    const ItemTable& all = *table();
    const auto index = static_cast<std::size_t>(item);
    const std::size_t at = all.at(index, static_cast<std::size_t>(checkpoint));
    QString text = tr("Item %1 at %2: %3")
                       .arg(all.documents[index])
                       .arg(toQString(placeText(all.columns[static_cast<std::size_t>(checkpoint)].checkpoint)),
                            itemStateText(state(item, checkpoint)));
    const int answer = all.modified.empty() ? all.baseAnswers[at] : all.modifiedAnswers[at];
    if (answer >= 0)
        text += tr(", answered %1").arg(choiceLetter(answer));
    if (all.gold[index] >= 0)
        text += tr(", right is %1").arg(choiceLetter(all.gold[index]));
    if (!all.modified.empty() && std::isfinite(all.modified[at]))
        text += tr("\n%1 of %2 right")
                    .arg(std::lround(static_cast<double>(all.modified[at]) *
                                     static_cast<double>(all.columns[static_cast<std::size_t>(checkpoint)].modified.size())))
                    .arg(countText(all.columns[static_cast<std::size_t>(checkpoint)].modified.size(), "draw"));
    return text;
}

QVariant ItemsModel::data(const QModelIndex& index, int role) const {
    const int item = itemAt(index.row());
    if (!index.isValid() || item < 0)
        return {};
    const int checkpoint = checkpointAt(index.column());
    if (checkpoint < 0) {
        if (role == Qt::DisplayRole)
            return fixedText(item, index.column());
        if (role == Qt::ToolTipRole && index.column() == Question && item < m_questions.size())
            return m_questions[item].left(2000);
        if (role == Qt::TextAlignmentRole && index.column() != Question)
            return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
        return {};
    }
    switch (role) {
    case Qt::DisplayRole:
        return cellText(item, checkpoint);
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole:
        return cellTip(item, checkpoint);
    case Qt::TextAlignmentRole:
        return static_cast<int>(Qt::AlignCenter);
    case StateRole:
        return static_cast<int>(state(item, checkpoint));
    default:
        return {};
    }
}

QVariant ItemsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || !table() || section < 0 || section >= columnCount())
        return {};
    if (section >= FixedColumns) {
        const analysis::ItemColumn& column = table()->columns[static_cast<std::size_t>(checkpointAt(section))];
        if (role == Qt::DisplayRole)
            return toQString(placeHeading(column.checkpoint));
        if (role == Qt::ToolTipRole)
            return toQString(column.checkpoint.name);
        return role == Qt::TextAlignmentRole ? QVariant(static_cast<int>(Qt::AlignCenter)) : QVariant();
    }
    static const char* const kTitles[] = {QT_TR_NOOP("Item"), QT_TR_NOOP("Question"), QT_TR_NOOP("Learned"),
                                          QT_TR_NOOP("Forgotten"), QT_TR_NOOP("Flips")};
    static const char* const kTips[] = {
        QT_TR_NOOP("Row of the task's data"), QT_TR_NOOP("As the model is asked"),
        QT_TR_NOOP("The first checkpoint from which the item stays right"),
        QT_TR_NOOP("The checkpoint from which an item that was right stays wrong"),
        QT_TR_NOOP("How often it changes between right and wrong from one checkpoint to the next")};
    if (role == Qt::DisplayRole)
        return tr(kTitles[section]);
    if (role == Qt::ToolTipRole)
        return tr(kTips[section]);
    if (role == Qt::TextAlignmentRole) // as the cells below
        return static_cast<int>((section == Question ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    return {};
}

} // namespace crest::ui
