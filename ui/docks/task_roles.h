// SPDX-License-Identifier: GPL-3.0-or-later
// The tasks of the study with their role in a probe: one row each with a box for ID and one for OOD; none checked: not
// measured.
#pragma once

#include <vector>

#include <QWidget>

#include "core/study/types.h"

class QCheckBox;
class QGridLayout;
class QLabel;
class QToolButton;

namespace crest::ui {

class TaskRoles : public QWidget {
    Q_OBJECT
public:
    explicit TaskRoles(QWidget* parent = nullptr);
    /// Rows are made anew only where the texts have changed.
    void setTasks(const std::vector<study::Task>& tasks);
    void setRoles(const std::vector<study::TaskInProbe>& roles);
    std::vector<study::TaskInProbe> roles() const;
    /// Tab goes from `field` through the rows, which are made later than what stands below them.
    void tabBehind(QWidget* field) const;

Q_SIGNALS:
    void rolesEdited();
    void previewAsked(const QString& task);
    void removeAsked(const QString& task);

private:
    struct Row {
        std::string task;
        QCheckBox *id, *ood;
        QToolButton* preview;
    };
    void addRow(const study::Task& task);
    void clear();

    std::vector<study::Task> m_tasks;
    std::vector<Row> m_rows;
    QGridLayout* m_grid;
    QLabel* m_empty;
};

} // namespace crest::ui
