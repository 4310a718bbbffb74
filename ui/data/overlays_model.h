// SPDX-License-Identifier: GPL-3.0-or-later
// The overlays of a study: what they are called, where they are from, and over which tasks they are drawn.
#pragma once

#include <vector>

#include <QAbstractTableModel>
#include <QString>

#include "core/study/types.h"

namespace crest::ui {

class OverlaysModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Name, Points, Drawn, Source, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;
    void setStudy(const study::Study& study);
    QString nameAt(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<study::Overlay> m_overlays;
    std::vector<QString> m_drawn;
};

/// "arc_easy, piqa", or "no task of this study is called arc_easy, piqa".
QString overlayTasksText(const study::Overlay& overlay, const std::vector<study::Task>& tasks);

} // namespace crest::ui
