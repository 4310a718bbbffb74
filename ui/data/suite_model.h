// SPDX-License-Identifier: GPL-3.0-or-later
// The tasks of a suite to choose from: which are wanted, and whether their data are there.
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "core/data/suite.h"

namespace crest::ui {

/// What was found of one task's data.
struct TaskDataState {
    enum class State { Unknown, Ready, Missing } state = State::Unknown;
    QString text; ///< "data found", or which file is wanted
};

class SuiteModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Task, Metrics, Shots, Data, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;

    void setSuite(const data::Suite& suite); ///< every task unwanted, its data unknown
    void setDataState(int row, const TaskDataState& state);
    const data::Suite& suite() const { return m_suite; }
    std::vector<int> wanted() const;
    void setAllWanted(bool wanted); ///< those whose data are missing only where `wanted` is false
    bool isKnown(int row) const; ///< its data were looked for
    bool isMissing(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role) override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

Q_SIGNALS:
    void wantedChanged();

private:
    data::Suite m_suite;
    std::vector<TaskDataState> m_states;
    std::vector<char> m_wanted;
};

/// Looks for a task's data; reads no more than its first item. Any thread.
TaskDataState findTaskData(const data::TaskDefinition& task, const std::filesystem::path& folder, const JobContext& job);

} // namespace crest::ui
