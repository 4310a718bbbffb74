// SPDX-License-Identifier: GPL-3.0-or-later
// Flat item models of the window: each holds a snapshot and replaces it as a whole, row by row where rows keep their
// identity.
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "ui/data/study_session.h"

namespace crest::ui {

enum TableRole { SortRole = Qt::UserRole + 1, RunIdRole, StateRole, ProgressRole };

/// Runs, newest first.
class RunsModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Name, Progress, Phase, Rate, Left, Elapsed, State, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;
    /// `words`: of each run what tells it from others (StudySession::trainingWordsOf), or "".
    void setRuns(const std::vector<study::RunStatus>& runs, const QStringList& words = {});
    const study::RunStatus* at(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<study::RunStatus> m_runs;
    QStringList m_words; ///< as the runs, newest first
};

class IssuesModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Where, Message, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;
    void setIssues(const std::vector<Issue>& issues); ///< RunIdRole: Issue::run
    const Issue* at(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<Issue> m_issues;
};

class InflectionModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Task, Role, Strength, Point, Interval, Scope, Evidence, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;
    void setRows(const std::vector<analysis::InflectionRow>& rows);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<analysis::InflectionRow> m_rows;
};

} // namespace crest::ui
