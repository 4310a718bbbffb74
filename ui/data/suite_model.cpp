// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/suite_model.h"

#include "ui/data/format.h"

namespace crest::ui {

TaskDataState findTaskData(const data::TaskDefinition& task, const std::filesystem::path& folder,
                           const JobContext& job) {
    data::ItemOptions options;
    options.limit = 1;
    options.withoutChat = true;
    const auto items = data::makeItems(task, folder, options, job);
    if (!items)
        return {TaskDataState::State::Missing, toQString(items.error().message)};
    return {TaskDataState::State::Ready, QObject::tr("data found")};
}

void SuiteModel::setSuite(const data::Suite& suite) {
    beginResetModel();
    m_suite = suite;
    m_states.assign(suite.tasks.size(), {});
    m_wanted.assign(suite.tasks.size(), 0);
    endResetModel();
    Q_EMIT wantedChanged();
}

void SuiteModel::setDataState(int row, const TaskDataState& state) {
    if (row < 0 || row >= rowCount())
        return;
    m_states[static_cast<std::size_t>(row)] = state;
    Q_EMIT dataChanged(index(row, 0), index(row, ColumnCount - 1));
    Q_EMIT wantedChanged();
}

bool SuiteModel::isKnown(int row) const {
    return m_states[static_cast<std::size_t>(row)].state != TaskDataState::State::Unknown;
}

bool SuiteModel::isMissing(int row) const {
    return m_states[static_cast<std::size_t>(row)].state == TaskDataState::State::Missing;
}

std::vector<int> SuiteModel::wanted() const {
    std::vector<int> rows;
    for (int row = 0; row < rowCount(); ++row)
        if (m_wanted[static_cast<std::size_t>(row)])
            rows.push_back(row);
    return rows;
}

void SuiteModel::setAllWanted(bool wanted) {
    for (int row = 0; row < rowCount(); ++row)
        m_wanted[static_cast<std::size_t>(row)] = wanted && !isMissing(row) ? 1 : 0;
    if (rowCount() > 0)
        Q_EMIT dataChanged(index(0, Task), index(rowCount() - 1, Task), {Qt::CheckStateRole});
    Q_EMIT wantedChanged();
}

int SuiteModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_suite.tasks.size());
}
int SuiteModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(ColumnCount);
}

QVariant SuiteModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount())
        return {};
    const auto row = static_cast<std::size_t>(index.row());
    const data::TaskDefinition& task = m_suite.tasks[row];
    if (role == Qt::CheckStateRole && index.column() == Task)
        return static_cast<int>(m_wanted[row] ? Qt::Checked : Qt::Unchecked);
    if (role == Qt::TextAlignmentRole && index.column() == Shots)
        return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && index.column() == Data)
        return m_states[row].text;
    if (role != Qt::DisplayRole)
        return {};
    switch (index.column()) {
    case Task:
        return toQString(task.name);
    case Metrics: {
        QStringList names;
        for (const std::string& metric : task.metrics)
            names << toQString(metric);
        return names.join(QStringLiteral(", "));
    }
    case Shots:
        return QString::number(task.shots);
    case Data:
        return m_states[row].text;
    default:
        return {};
    }
}

bool SuiteModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    if (!index.isValid() || role != Qt::CheckStateRole || index.column() != Task)
        return false;
    m_wanted[static_cast<std::size_t>(index.row())] = value.toInt() == Qt::Checked ? 1 : 0;
    Q_EMIT dataChanged(index, index, {Qt::CheckStateRole});
    Q_EMIT wantedChanged();
    return true;
}

Qt::ItemFlags SuiteModel::flags(const QModelIndex& index) const {
    const Qt::ItemFlags base = QAbstractTableModel::flags(index);
    return index.isValid() && index.column() == Task ? base | Qt::ItemIsUserCheckable : base;
}

QVariant SuiteModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Task:
        return tr("Task");
    case Metrics:
        return tr("Metrics");
    case Shots:
        return tr("Shots");
    case Data:
        return tr("Data");
    default:
        return {};
    }
}

} // namespace crest::ui
