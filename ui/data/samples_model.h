// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts by checkpoints: what each wrote. A virtual model over a finished snapshot.
#pragma once

#include <memory>

#include <QAbstractTableModel>
#include <QStringList>

#include "ui/data/study_session.h"

namespace crest::ui {

class SamplesModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Prompt, FixedColumns };
    using QAbstractTableModel::QAbstractTableModel;

    void setView(std::shared_ptr<const SamplesView> view);
    /// One text for each prompt, empty where not known.
    void setPrompts(QStringList prompts);

    const analysis::SampleTable* table() const;
    /// What a checkpoint wrote, and what the one before it wrote ("" for the first).
    QString text(int prompt, int checkpoint) const;
    QString textBefore(int prompt, int checkpoint) const;
    QString prompt(int row) const;
    QString checkpointText(int checkpoint) const; ///< "16M"
    int checkpointAt(int column) const { return column - FixedColumns; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::shared_ptr<const SamplesView> m_view;
    QStringList m_prompts;
};

} // namespace crest::ui
