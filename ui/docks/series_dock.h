// SPDX-License-Identifier: GPL-3.0-or-later
// The checkpoints of the study as a tree: tokens, step, size, state and why, what has been measured; filter, exclude
// and include, correct by hand.
#pragma once

#include <optional>

#include <QDockWidget>
#include <QSet>
#include <QSortFilterProxyModel>
#include <QTimer>

#include "ui/data/series_model.h"
#include "ui/data/study_session.h"

class QLabel;
class QLineEdit;
class QMenu;
class QTreeView;

namespace crest::ui {

class Actions;
class TokensPerStep;

/// Filters by name, tokens and state, and adds state icons and colours.
class SeriesProxy : public QSortFilterProxyModel {
    Q_OBJECT
public:
    using QSortFilterProxyModel::QSortFilterProxyModel;
    QVariant data(const QModelIndex& index, int role) const override;

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override;
};

class SeriesDock : public QDockWidget {
    Q_OBJECT
public:
    SeriesDock(StudySession& session, Actions& actions, QWidget* parent);

    struct Selected {
        QString series, checkpoint; ///< the checkpoint's found name
        series::CheckpointState state;
    };
    /// The checkpoint that is selected, if one is.
    std::optional<Selected> selected() const;
    /// The series that is selected, or whose checkpoint is; "" where none is.
    QString selectedSeries() const;
    void focusFilter();
    /// Selects the checkpoint of this found name and brings it into sight.
    void reveal(const QString& series, const QString& checkpoint);

Q_SIGNALS:
    void selectionChanged();
    /// Another series than the one before was selected, or a checkpoint of it.
    void seriesChosen(const QString& series);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void setupTree();
    void fitColumns();
    int widthOf(int column) const;
    void setupLayout();
    void connectSignals();
    QSet<QString> collapsedSeries() const;
    void expandAllBut(const QSet<QString>& collapsed);
    void filterBy(const QString& text);
    void showSeries();
    void showSummary();
    void showRemark();
    void showFound(const QString& series, const std::vector<series::Checkpoint>& checkpoints);
    void select(const QString& series, const QString& checkpoint);
    void tellChosen();
    void takeEdit(const QString& series, const QString& checkpoint, int column, const QString& text);
    void addCorrections(QMenu& menu);
    void showMenu(const QPoint& at);
    void setSelectedExcluded(bool excluded);

    StudySession& m_session;
    Actions& m_actions;
    SeriesModel m_model;
    SeriesProxy m_proxy;
    QLineEdit* m_filter;
    QTreeView* m_tree;
    TokensPerStep* m_tokensPerStep;
    QLabel *m_remark, *m_summary;
    QSet<QString> m_collapsedUnfiltered; ///< series, before something was typed into the filter
    QString m_chosen; ///< as seriesChosen told last
    QSet<int> m_byHand;      ///< columns whose width the user has chosen
    bool m_fitting = false, m_headerIsHeld = false;
    QTimer m_whenTyped; ///< shows the series again when nothing is being typed any more
    int m_printed = 0, m_toPrint = 0;
};

} // namespace crest::ui
