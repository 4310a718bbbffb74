// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/samples_model.h"

#include <QGuiApplication>
#include <QPalette>

#include "ui/data/format.h"

namespace crest::ui {

void SamplesModel::setView(std::shared_ptr<const SamplesView> view) {
    beginResetModel();
    const bool samePrompts = table() && view && view->table && table()->documents == view->table->documents &&
                             table()->task == view->table->task;
    m_view = std::move(view);
    if (!samePrompts)
        m_prompts.clear();
    endResetModel();
}

void SamplesModel::setPrompts(QStringList prompts) {
    m_prompts = std::move(prompts);
    if (rowCount() > 0)
        Q_EMIT dataChanged(index(0, Prompt), index(rowCount() - 1, Prompt));
}

const analysis::SampleTable* SamplesModel::table() const {
    return m_view && m_view->table ? &*m_view->table : nullptr;
}

QString SamplesModel::text(int prompt, int checkpoint) const {
    if (!table() || prompt < 0 || prompt >= rowCount() || checkpoint < 0 ||
        checkpoint >= static_cast<int>(table()->columns.size()))
        return {};
    return toQString(table()->text(static_cast<std::size_t>(prompt), static_cast<std::size_t>(checkpoint)));
}

QString SamplesModel::textBefore(int prompt, int checkpoint) const {
    return text(prompt, checkpoint - 1);
}

QString SamplesModel::prompt(int row) const {
    return row >= 0 && row < m_prompts.size() ? m_prompts[row] : QString();
}

QString SamplesModel::checkpointText(int checkpoint) const {
    if (!table() || checkpoint < 0 || checkpoint >= static_cast<int>(table()->columns.size()))
        return {};
    return toQString(placeHeading(table()->columns[static_cast<std::size_t>(checkpoint)].checkpoint));
}

int SamplesModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() || !table() ? 0 : static_cast<int>(table()->documents.size());
}

int SamplesModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() || !table() ? 0 : FixedColumns + static_cast<int>(table()->columns.size());
}

QVariant SamplesModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid())
        return {};
    if (role == Qt::DisplayRole || role == Qt::ToolTipRole || role == Qt::AccessibleTextRole) {
        if (index.column() == Prompt) {
            const QString known = prompt(index.row());
            return known.isEmpty()
                       ? tr("prompt %1").arg(table()->documents[static_cast<std::size_t>(index.row())])
                       : known;
        }
        const QString written = text(index.row(), checkpointAt(index.column()));
        return written.isEmpty() ? tr("nothing written") : written;
    }
    if (role == Qt::ForegroundRole && index.column() != Prompt &&
        text(index.row(), checkpointAt(index.column())).isEmpty())
        return QGuiApplication::palette().color(QPalette::PlaceholderText);
    if (role == Qt::TextAlignmentRole)
        return static_cast<int>(Qt::AlignLeft | Qt::AlignTop);
    return {};
}

QVariant SamplesModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= columnCount())
        return {};
    if (role == Qt::DisplayRole)
        return section == Prompt ? tr("Prompt") : checkpointText(checkpointAt(section));
    if (role == Qt::ToolTipRole && section != Prompt)
        return toQString(table()->columns[static_cast<std::size_t>(checkpointAt(section))].checkpoint.name);
    return {};
}

} // namespace crest::ui
