// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/table_models.h"

#include <algorithm>

#include "core/analysis/checkpoint_place.h"
#include "ui/data/format.h"

namespace crest::ui {
namespace {

constexpr int kRight = static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);

QString progressText(const study::RunStatus& run) {
    QString text = QStringLiteral("%1/%2").arg(run.doneCells).arg(run.totalCells);
    if (!run.failed.empty())
        text += QStringLiteral(", %1 failed").arg(run.failed.size());
    return text;
}

bool isAtWork(const study::RunStatus& run) {
    return run.state == study::RunState::Running || run.state == study::RunState::Stopping;
}

QString cellText(const study::RunStatus& run, const QString& words, int column) {
    switch (column) {
    case RunsModel::Name:
        return words.isEmpty() ? runText(run.id) : QStringLiteral("%1 (%2)").arg(words, runText(run.id));
    case RunsModel::Progress:
        return progressText(run);
    case RunsModel::Phase:
        return toQString(run.phase);
    case RunsModel::Rate:
        return run.state == study::RunState::Running ? rateText(run.tokensPerSecond) : QString();
    case RunsModel::Left:
        return run.secondsLeft && isAtWork(run) ? durationText(*run.secondsLeft) : QString();
    case RunsModel::Elapsed:
        return durationText(run.secondsElapsed);
    case RunsModel::State:
        return runStateText(run.state);
    default:
        return {};
    }
}

QString runToolTip(const study::RunStatus& run, const QString& words) {
    QString text = QStringLiteral("Run ") + toQString(run.id);
    if (!words.isEmpty())
        text += u'\n' + words;
    if (!run.message.empty())
        text += u'\n' + toQString(run.message);
    if (!run.notes.empty())
        text += QStringLiteral("\n%1: Show log has %2.").arg(countText(run.notes.size(), "note"), run.notes.size() == 1 ? QStringLiteral("it") : QStringLiteral("them"));
    if (!run.failed.empty())
        text += QStringLiteral("\n%1 failed: Issues says why.").arg(countText(run.failed.size(), "cell"));
    return text;
}

QVariant header(int section, Qt::Orientation orientation, int role, std::initializer_list<const char*> titles) {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 ||
        section >= static_cast<int>(titles.size()))
        return {};
    return QString::fromUtf8(titles.begin()[section]);
}

} // namespace

void RunsModel::setRuns(const std::vector<study::RunStatus>& runs, const QStringList& words) {
    m_words = QStringList(words.rbegin(), words.rend());
    std::vector<study::RunStatus> newest(runs.rbegin(), runs.rend());
    const bool sameRows =
        newest.size() == m_runs.size() && std::equal(newest.begin(), newest.end(), m_runs.begin(),
                                                     [](const auto& a, const auto& b) { return a.id == b.id; });
    if (sameRows) {
        m_runs = std::move(newest);
        if (!m_runs.empty())
            Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
        return;
    }
    beginResetModel();
    m_runs = std::move(newest);
    endResetModel();
}

const study::RunStatus* RunsModel::at(int row) const {
    return row >= 0 && row < rowCount() ? &m_runs[static_cast<std::size_t>(row)] : nullptr;
}

int RunsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_runs.size());
}
int RunsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant RunsModel::data(const QModelIndex& index, int role) const {
    const study::RunStatus* run = index.isValid() ? at(index.row()) : nullptr;
    if (!run)
        return {};
    switch (role) {
    case Qt::DisplayRole:
        return cellText(*run, m_words.value(index.row()), index.column());
    case Qt::ToolTipRole:
        return runToolTip(*run, m_words.value(index.row()));
    case Qt::TextAlignmentRole:
        return index.column() == Rate || index.column() == Left || index.column() == Elapsed ? QVariant(kRight)
                                                                                             : QVariant();
    case RunIdRole:
        return toQString(run->id);
    case StateRole:
        return static_cast<int>(run->state);
    case ProgressRole:
        return run->totalCells > 0 ? static_cast<double>(run->doneCells) / static_cast<double>(run->totalCells) : 0.0;
    default:
        return {};
    }
}

QVariant RunsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    return header(section, orientation, role, {"Run", "Cells", "At work on", "Rate", "Left", "Elapsed", "State"});
}

void IssuesModel::setIssues(const std::vector<Issue>& issues) {
    if (issues == m_issues)
        return;
    if (!issues.empty() && issues.size() == m_issues.size()) { // a row that counts on stays selected
        m_issues = issues;
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
        return;
    }
    beginResetModel();
    m_issues = issues;
    endResetModel();
}

const Issue* IssuesModel::at(int row) const {
    return row >= 0 && row < rowCount() ? &m_issues[static_cast<std::size_t>(row)] : nullptr;
}

int IssuesModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_issues.size());
}
int IssuesModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant IssuesModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || (role != Qt::DisplayRole && role != Qt::ToolTipRole && role != RunIdRole))
        return {};
    const Issue& issue = m_issues[static_cast<std::size_t>(index.row())];
    if (role == RunIdRole)
        return issue.run;
    if (role == Qt::ToolTipRole && index.column() == Where && !issue.details.isEmpty())
        return issue.details;
    return index.column() == Where ? shownText(issue.where.toStdString()) : issue.message;
}

QVariant IssuesModel::headerData(int section, Qt::Orientation orientation, int role) const {
    return header(section, orientation, role, {"Where", "What, and what to do"});
}

void InflectionModel::setRows(const std::vector<analysis::InflectionRow>& rows) {
    beginResetModel();
    m_rows = rows;
    endResetModel();
}

int InflectionModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}
int InflectionModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant InflectionModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid())
        return {};
    const analysis::InflectionRow& row = m_rows[static_cast<std::size_t>(index.row())];
    const analysis::Inflection& found = row.inflection;
    if (role == Qt::TextAlignmentRole && (index.column() == Strength || index.column() == Point))
        return kRight;
    if (role == Qt::ToolTipRole)
        return toQString(found.method + "\n" + found.evidence);
    if (role == SortRole && index.column() == Strength)
        return row.strength;
    if (role != Qt::DisplayRole && role != SortRole)
        return {};
    switch (index.column()) {
    case Task:
        return toQString(row.metric == "loss" ? row.task : row.task + ", " + row.metric);
    case Role:
        return roleText(row.role);
    case Strength:
        return toQString(row.modified);
    case Point:
        return found.supported ? toQString(analysis::budgetHeading(found.tokens, found.overSteps)) : QStringLiteral("none supported");
    case Interval:
        if (!found.supported)
            return {};
        return toQString(analysis::budgetHeading(found.low, found.overSteps)) +
               (found.low == found.high ? QStringLiteral(" only")
                                        : QStringLiteral(" to ") + toQString(analysis::budgetHeading(found.high, found.overSteps)));
    case Scope:
        return toQString(analysis::scopeLabel(found.scope));
    case Evidence:
        return toQString(found.evidence);
    default:
        return {};
    }
}

QVariant InflectionModel::headerData(int section, Qt::Orientation orientation, int role) const {
    return header(section, orientation, role,
                  {"Task", "Role", "Strength", "Inflection", "95 % interval", "Holds for", "Evidence"});
}

} // namespace crest::ui
