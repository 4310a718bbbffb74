// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/series_model.h"

#include <algorithm>

#include "ui/data/format.h"

namespace crest::ui {
namespace {

/// The internal id of a top-level row is 0, that of a checkpoint its series' row + 1.
constexpr quintptr kTopLevel = 0;

QString tokensToolTip(const series::Checkpoint& checkpoint) {
    if (!checkpoint.tokens)
        return QStringLiteral("The number of pretraining tokens is not known.");
    return QStringLiteral("%1 tokens").arg(*checkpoint.tokens);
}

/// Replicates are named by a path of which a narrow column shows the wrong part: what tells them apart comes first. The
/// tooltip has the path.
QString shortName(const series::Checkpoint& checkpoint) {
    const QString name = toQString(checkpoint.name);
    if (!checkpoint.pretrainSeed || !name.contains(u'/'))
        return name;
    const QString seed = QStringLiteral("seed %1").arg(*checkpoint.pretrainSeed);
    return checkpoint.tokens ? seed : seed + QStringLiteral(", ") + name.section(u'/', -1);
}

} // namespace

void SeriesModel::setSeries(const std::vector<series::Series>& series, std::function<int(const QString&)> measured) {
    beginResetModel();
    m_series = series;
    m_measured = std::move(measured);
    endResetModel();
}

void SeriesModel::refreshMeasured() {
    for (int row = 0; row < rowCount(); ++row)
        if (const QModelIndex parent = index(row, 0); rowCount(parent) > 0)
            Q_EMIT dataChanged(index(0, Measured, parent), index(rowCount(parent) - 1, Measured, parent),
                               {Qt::DisplayRole});
}

QModelIndex SeriesModel::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent))
        return {};
    return createIndex(row, column, parent.isValid() ? static_cast<quintptr>(parent.row()) + 1 : kTopLevel);
}

QModelIndex SeriesModel::parent(const QModelIndex& child) const {
    if (!child.isValid() || child.internalId() == kTopLevel)
        return {};
    return createIndex(static_cast<int>(child.internalId()) - 1, 0, kTopLevel);
}

int SeriesModel::rowCount(const QModelIndex& parent) const {
    if (!parent.isValid())
        return static_cast<int>(m_series.size());
    if (parent.internalId() != kTopLevel || parent.column() != 0)
        return 0;
    return static_cast<int>(m_series[static_cast<std::size_t>(parent.row())].checkpoints.size());
}

int SeriesModel::columnCount(const QModelIndex&) const {
    return ColumnCount;
}

QVariant SeriesModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid())
        return {};
    if (role == Qt::TextAlignmentRole && index.column() != Name && index.column() != State)
        return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    if (index.internalId() == kTopLevel)
        return seriesData(m_series[static_cast<std::size_t>(index.row())], index.column(), role);
    const series::Series& owner = m_series[index.internalId() - 1];
    if (role == SeriesNameRole)
        return toQString(owner.name);
    return checkpointData(owner.name, owner.checkpoints[static_cast<std::size_t>(index.row())], index.column(), role);
}

QVariant SeriesModel::seriesData(const series::Series& one, int column, int role) const {
    if (role == SeriesNameRole)
        return toQString(one.name);
    if (role == CheckpointStateRole && one.checkpoints.empty())
        return static_cast<int>(series::CheckpointState::Broken);
    if (role == Qt::ToolTipRole)
        return toQString(one.path) + (one.checkpoints.empty()
                                          ? QStringLiteral("\nNot there any more. Where it was moved: Locate.")
                                          : QString());
    if (role != Qt::DisplayRole)
        return {};
    if (column == Name)
        return toQString(one.name);
    if (column == State && one.checkpoints.empty())
        return QStringLiteral("not found");
    if (column == State) {
        const auto usable =
            std::count_if(one.checkpoints.begin(), one.checkpoints.end(), [](const series::Checkpoint& checkpoint) {
                return checkpoint.state == series::CheckpointState::Ok ||
                       checkpoint.state == series::CheckpointState::Suspect;
            });
        return QStringLiteral("%1 of %2").arg(usable).arg(one.checkpoints.size());
    }
    return {};
}

QVariant SeriesModel::checkpointData(const std::string& owner, const series::Checkpoint& checkpoint, int column,
                                     int role) const {
    if (role == CheckpointNameRole)
        return toQString(checkpoint.name);
    if (role == CheckpointStateRole)
        return static_cast<int>(checkpoint.state);
    if (role == Qt::ToolTipRole)
        return column == Tokens ? tokensToolTip(checkpoint)
                                : toQString(checkpoint.path) +
                                      (checkpoint.reason.empty() ? QString() : u'\n' + toQString(checkpoint.reason));
    if (role != Qt::DisplayRole)
        return {};
    switch (column) {
    case Name:
        return shortName(checkpoint);
    case Tokens:
        return tokensText(checkpoint.tokens);
    case Step:
        return stepText(checkpoint.step);
    case Size:
        return bytesText(checkpoint.weightBytes);
    case State:
        return stateText(checkpoint.state) +
               (checkpoint.reason.empty() ? QString() : QStringLiteral(": ") + toQString(checkpoint.reason));
    case Measured: {
        const int count = m_measured ? m_measured(toQString(owner + "/" + checkpoint.name)) : 0;
        return count > 0 ? QString::number(count) : QString();
    }
    default:
        return {};
    }
}

QVariant SeriesModel::headerData(int section, Qt::Orientation orientation, int role) const {
    static const char* const kTitles[] = {"Checkpoint", "Tokens", "Step", "Size", "State", "Results"};
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= ColumnCount)
        return {};
    return QString::fromLatin1(kTitles[section]);
}

} // namespace crest::ui
