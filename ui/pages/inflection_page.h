// SPDX-License-Identifier: GPL-3.0-or-later
// The inflection points of the shown run as a table: point, interval, method, evidence, and why none is supported.
#pragma once

#include <QSortFilterProxyModel>
#include <QWidget>

#include "ui/data/study_session.h"
#include "ui/data/table_models.h"

class QLabel;
class QTableView;

namespace crest::ui {

class InflectionPage : public QWidget {
    Q_OBJECT
public:
    InflectionPage(StudySession& session, QWidget* parent);

private:
    void setupTable();
    void setupLayout();
    void showRows();
    void showDetail();
    void copyTable();

    StudySession& m_session;
    InflectionModel m_model;
    QSortFilterProxyModel m_sorted;
    QTableView* m_table;
    QLabel *m_summary, *m_detail;
    quint64 m_version = 0;
};

} // namespace crest::ui
