// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/issues.h"

#include <map>
#include <string>
#include <utility>

#include <QStringList>

#include "ui/data/format.h"

namespace crest::ui {
namespace {

constexpr std::size_t kMostRows = 200;
constexpr std::size_t kMostNamed = 20; ///< cells in a tool tip

struct Group {
    QString checkpoint; ///< "series/checkpoint"
    QString reason;
    std::vector<int> cells;
};

/// By checkpoint and reason, each where its first cell stands.
std::vector<Group> grouped(const std::vector<study::FailedCell>& failed, const study::Plan& plan) {
    std::vector<Group> groups;
    std::map<std::pair<QString, std::string>, std::size_t> known;
    for (const study::FailedCell& one : failed) {
        const bool isPlanned = one.cell >= 0 && static_cast<std::size_t>(one.cell) < plan.cells.size();
        QString checkpoint;
        if (isPlanned) {
            const auto at = static_cast<std::size_t>(plan.cells[static_cast<std::size_t>(one.cell)].checkpoint);
            checkpoint = toQString(plan.checkpoints[at].series + "/" + plan.checkpoints[at].name);
        }
        const auto [at, isNew] = known.try_emplace({checkpoint, one.message}, groups.size());
        if (isNew)
            groups.push_back({checkpoint, toQString(one.message), {}});
        groups[at->second].cells.push_back(one.cell);
    }
    return groups;
}

QString asSentence(const QString& text) {
    return text.isEmpty() || text.endsWith(u'.') || text.endsWith(u'!') || text.endsWith(u'?') ? text : text + u'.';
}

QString cellNames(const Group& group, const study::Plan& plan) {
    QStringList names;
    for (std::size_t i = 0; i < std::min(kMostNamed, group.cells.size()); ++i)
        names << failedCellText(plan, group.cells[i]);
    if (group.cells.size() > kMostNamed)
        names << QObject::tr("and %1 more: the run's log has them all").arg(group.cells.size() - kMostNamed);
    return names.join(u'\n');
}

bool isBelow(const QString& path, const std::filesystem::path& folder) {
    const QString parent = toQString(folder);
    return path == parent || (path.startsWith(parent) && path.size() > parent.size() && path[parent.size()] == u'/');
}

} // namespace

std::vector<Issue> failedCellIssues(const study::RunStatus& run, const study::Plan& plan) {
    std::vector<Issue> issues;
    std::size_t told = 0;
    for (const Group& group : grouped(run.failed, plan)) {
        if (issues.size() == kMostRows) {
            issues.push_back({QObject::tr("run %1").arg(toQString(run.id)),
                              QObject::tr("%1 failed besides these; the run's log has them all.")
                                  .arg(countText(run.failed.size() - told, "cell")),
                              toQString(run.id)});
            break;
        }
        const std::size_t count = group.cells.size();
        told += count;
        Issue& issue = issues.emplace_back();
        const QString place = group.checkpoint.isEmpty() ? QObject::tr("run %1").arg(toQString(run.id)) : group.checkpoint;
        issue.where = count == 1 ? failedCellText(plan, group.cells.front())
                                 : QObject::tr("%1, %2").arg(place, countText(count, "cell"));
        issue.message = QObject::tr("%1 The other cells are kept. Mend this, then click Re-run failed in Runs.")
                            .arg(asSentence(group.reason));
        issue.run = toQString(run.id);
        issue.checkpoint = group.checkpoint;
        issue.details = cellNames(group, plan);
    }
    return issues;
}

std::optional<CheckpointPlace> checkpointOf(const Issue& issue, const std::vector<series::Series>& series) {
    for (const series::Series& one : series)
        for (const series::Checkpoint& checkpoint : one.checkpoints) {
            const bool isMeant = issue.checkpoint.isEmpty()
                                     ? isBelow(issue.where, checkpoint.path)
                                     : issue.checkpoint == toQString(one.name + "/" + checkpoint.name);
            if (isMeant)
                return CheckpointPlace{toQString(one.name), toQString(checkpoint.foundName.empty() ? checkpoint.name
                                                                                                   : checkpoint.foundName)};
        }
    return std::nullopt;
}

} // namespace crest::ui
