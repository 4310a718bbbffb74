// SPDX-License-Identifier: GPL-3.0-or-later
// Every scored item of a task: what each checkpoint answered, when it was learned and forgotten; the base compared with
// the modified checkpoints; one item in full below the table.
#pragma once

#include <memory>
#include <optional>

#include <QTimer>
#include <QWidget>

#include "ui/data/background.h"
#include "ui/data/item_texts.h"
#include "ui/data/items_model.h"
#include "ui/data/study_session.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QTableView;
class QTextBrowser;

namespace crest::ui {

class ItemsPage : public QWidget {
    Q_OBJECT
public:
    ItemsPage(StudySession& session, QWidget* parent);

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    void setupBar();
    void setupTable();
    void setupLayout();
    void connectSession();

    void fillChoices();
    void ask();
    void take(const std::shared_ptr<const ItemsView>& view);
    void readTexts();
    QStringList questionsOf(const analysis::ItemTable& table) const;
    void showSummary();
    void showDetail();
    void copyTable();

    StudySession& m_session;
    ItemsModel m_model;
    std::shared_ptr<const ItemTexts> m_texts;
    QString m_textsOf; ///< run and task whose texts are read or being read
    std::optional<analysis::ItemTableOptions> m_wanted; ///< that the session was asked for
    Background m_reading;
    QTimer m_filterTimer;

    QWidget* m_bar;
    QComboBox *m_task, *m_metric, *m_strength, *m_run, *m_kind;
    QLabel *m_runLabel = nullptr, *m_strengthLabel = nullptr;
    QLineEdit* m_search;
    QTableView* m_table;
    QLabel *m_summary, *m_empty;
    QTextBrowser* m_detail;
    QWidget* m_content;
};

} // namespace crest::ui
