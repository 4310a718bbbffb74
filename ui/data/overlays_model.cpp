// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/overlays_model.h"

#include <algorithm>

#include <QStringList>

#include "core/analysis/overlay.h"
#include "ui/data/format.h"

namespace crest::ui {

QString overlayTasksText(const study::Overlay& overlay, const std::vector<study::Task>& tasks) {
    QStringList drawn, missing;
    for (const study::OverlayCurve& curve : overlay.curves) {
        const std::string wanted = analysis::comparableTaskName(curve.task);
        const auto at = std::find_if(tasks.begin(), tasks.end(), [&](const study::Task& task) {
            return analysis::comparableTaskName(task.name) == wanted;
        });
        QStringList& list = at == tasks.end() ? missing : drawn;
        if (const QString name = toQString(at == tasks.end() ? curve.task : at->name); !list.contains(name))
            list << name;
    }
    if (!drawn.isEmpty())
        return drawn.join(QStringLiteral(", "));
    constexpr qsizetype kMost = 6;
    QString names = missing.mid(0, kMost).join(QStringLiteral(", "));
    if (missing.size() > kMost)
        names += QObject::tr(" and %1 more").arg(missing.size() - kMost);
    return QObject::tr("none: this study has no task %1").arg(names);
}

void OverlaysModel::setStudy(const study::Study& study) {
    std::vector<QString> drawn;
    for (const study::Overlay& overlay : study.overlays)
        drawn.push_back(overlayTasksText(overlay, study.tasks));
    if (study.overlays == m_overlays && drawn == m_drawn)
        return;
    beginResetModel();
    m_overlays = study.overlays;
    m_drawn = std::move(drawn);
    endResetModel();
}

QString OverlaysModel::nameAt(int row) const {
    return row >= 0 && row < rowCount() ? toQString(m_overlays[static_cast<std::size_t>(row)].name) : QString();
}

int OverlaysModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_overlays.size());
}

int OverlaysModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(ColumnCount);
}

QVariant OverlaysModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount())
        return {};
    const study::Overlay& overlay = m_overlays[static_cast<std::size_t>(index.row())];
    if (role == Qt::TextAlignmentRole)
        return static_cast<int>((index.column() == Points ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole)
        return {};
    switch (index.column()) {
    case Name:
        return toQString(overlay.name);
    case Points: {
        std::size_t points = 0;
        for (const study::OverlayCurve& curve : overlay.curves)
            points += curve.points.size();
        return role == Qt::DisplayRole ? QString::number(points)
                                       : tr("%1 of %2").arg(countText(points, "point"), countText(overlay.curves.size(), "curve"));
    }
    case Drawn:
        return m_drawn[static_cast<std::size_t>(index.row())];
    case Source:
        return toQString(overlay.source.empty() ? overlay.file : overlay.source);
    default:
        return {};
    }
}

QVariant OverlaysModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Name:
        return tr("Overlay");
    case Points:
        return tr("Points");
    case Drawn:
        return tr("Drawn over");
    case Source:
        return tr("Source");
    default:
        return {};
    }
}

} // namespace crest::ui
