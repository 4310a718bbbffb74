// SPDX-License-Identifier: GPL-3.0-or-later
// The series dock's tree: series, below each its checkpoints. Holds a snapshot.
#pragma once

#include <functional>
#include <vector>

#include <QAbstractItemModel>

#include "core/series/series.h"

namespace crest::ui {

class SeriesModel : public QAbstractItemModel {
    Q_OBJECT
public:
    enum Column { Name, Tokens, Step, Size, State, Measured, ColumnCount };
    enum Role { SeriesNameRole = Qt::UserRole + 20, CheckpointNameRole, CheckpointStateRole };
    using QAbstractItemModel::QAbstractItemModel;

    /// `measured` tells the stored results of "series/checkpoint".
    void setSeries(const std::vector<series::Series>& series, std::function<int(const QString&)> measured);
    /// Numbers of stored results may have changed.
    void refreshMeasured();

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    QVariant seriesData(const series::Series& one, int column, int role) const;
    QVariant checkpointData(const std::string& owner, const series::Checkpoint& checkpoint, int column, int role) const;

    std::vector<series::Series> m_series;
    std::function<int(const QString&)> m_measured;
};

} // namespace crest::ui
