// SPDX-License-Identifier: GPL-3.0-or-later
// The series dock's tree: series, below each its checkpoints. Holds a snapshot. Name, tokens and stage of a checkpoint
// can be typed over: the model only tells what was typed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <QAbstractItemModel>

#include "core/series/series.h"

namespace crest::ui {

class SeriesModel : public QAbstractItemModel {
    Q_OBJECT
public:
    enum Column { Name, Tokens, Step, Size, State, Measured, Stage, ColumnCount };
    /// CheckpointNameRole: the found name, by which the study keeps what is said of a checkpoint. BriefNameRole: as shown, but
    /// without the token count that stands in the next column.
    enum Role { SeriesNameRole = Qt::UserRole + 20, CheckpointNameRole, CheckpointStateRole, HasRemarkRole, BriefNameRole };
    using QAbstractItemModel::QAbstractItemModel;

    /// `measured` tells the stored results of "series/checkpoint".
    void setSeries(const std::vector<series::Series>& series, std::function<int(const QString&)> measured);
    /// Rows that a scan has found so far: added to the series of this name, which is made where it is new. setSeries
    /// replaces them.
    void appendFound(const QString& series, const std::vector<series::Checkpoint>& checkpoints);
    void setEditable(bool editable);
    /// Numbers of stored results may have changed.
    void refreshMeasured();

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    /// Tells what was typed by edited(); false where it is no name, count or stage (refused() says why).
    bool setData(const QModelIndex& index, const QVariant& value, int role) override;

Q_SIGNALS:
    /// `checkpoint` is the found name. An empty text takes the correction back.
    void edited(const QString& series, const QString& checkpoint, int column, const QString& text);
    void refused(const QString& why);

private:
    QVariant seriesData(const series::Series& one, int column, int role) const;
    QVariant checkpointData(const std::string& owner, const series::Checkpoint& checkpoint, int column, int role) const;

    void markEqualNames();
    int resultsOf(const std::string& owner, const series::Checkpoint& checkpoint) const;
    /// A checkpoint with the same weights that has results; count 0 where there is none.
    struct Twin {
        std::string name; ///< "series/checkpoint"
        int count = 0;
    };
    Twin measuredTwin(const series::Checkpoint& checkpoint) const;
    QString sharedText(const std::string& owner, const series::Checkpoint& checkpoint) const;

    std::vector<series::Series> m_series;
    std::map<std::string, QString> m_marks; ///< by path: what tells a checkpoint from others that would read alike
    std::function<int(const QString&)> m_measured;
    bool m_editable = false;
};

} // namespace crest::ui
