// SPDX-License-Identifier: GPL-3.0-or-later
// Every scored item by checkpoint as a table: what was answered, right or wrong, when learned and forgotten. A virtual
// model over a finished snapshot; filters and sorts over indices of it.
#pragma once

#include <memory>
#include <vector>

#include <QAbstractTableModel>
#include <QStringList>

#include "ui/data/study_session.h"

namespace crest::ui {

/// What a cell says beside its text; painted as colour and as sign.
enum class ItemState { Missing, Right, Wrong, Lost, Gained, Number };
/// "right", "wrong", "lost by the noise" ...
QString itemStateText(ItemState state);
/// The letter of a choice: A, B, ... Z, then numbers; "" for -1.
QString choiceLetter(int choice);

enum class ItemKind { All, Never, Learned, Forgotten, Flipping, Lost, Gained };

class ItemsModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Item, Question, Learned, Forgotten, Flips, FixedColumns };
    enum Role { StateRole = Qt::UserRole + 40 };
    using QAbstractTableModel::QAbstractTableModel;

    /// Replaces everything; filters and order stay.
    void setView(std::shared_ptr<const ItemsView> view);
    /// One text for each item of the table, empty where not known.
    void setQuestions(QStringList questions);
    void setFilter(ItemKind kind, const QString& text);

    const analysis::ItemTable* table() const;
    int itemAt(int row) const; ///< index into the table, -1 outside
    /// Which checkpoint a column stands for, -1 for the fixed ones.
    int checkpointAt(int column) const { return column - FixedColumns; }
    ItemState state(int item, int checkpoint) const;
    /// Items of a kind, whatever is filtered.
    int count(ItemKind kind) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    void sort(int column, Qt::SortOrder order) override;

private:
    bool isOf(int item, ItemKind kind) const;
    const analysis::ItemHistory* history(int item) const;
    double sortKey(int item, int column) const;
    void refill();
    QVariant fixedText(int item, int column) const;
    QString cellText(int item, int checkpoint) const;
    QString cellTip(int item, int checkpoint) const;

    std::shared_ptr<const ItemsView> m_view;
    QStringList m_questions;
    std::vector<int> m_rows;
    ItemKind m_kind = ItemKind::All;
    QString m_text;
    int m_sortColumn = -1;
    Qt::SortOrder m_order = Qt::AscendingOrder;
};

} // namespace crest::ui
