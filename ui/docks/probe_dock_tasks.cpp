// SPDX-License-Identifier: GPL-3.0-or-later
// What the probe dock adds to a study: texts, tasks of suites, prompts, fine-tuning data.
#include <algorithm>

#include <QComboBox>
#include <QFileDialog>

#include "ui/data/format.h"
#include "ui/dialogs/prompts_dialog.h"
#include "ui/dialogs/suite_dialog.h"
#include "ui/dialogs/text_dialog.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"

namespace crest::ui {
namespace {

std::int64_t contextOf(const StudySession& session) {
    for (const series::Series& one : session.series())
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (checkpoint.spec)
                return checkpoint.spec->contextLength;
    return 0;
}

/// Empty where none can be used.
std::filesystem::path firstCheckpoint(const StudySession& session) {
    for (const series::Series& one : session.series())
        for (const series::Checkpoint& candidate : one.checkpoints)
            if (candidate.state == series::CheckpointState::Ok)
                return candidate.path;
    return {};
}

} // namespace

void ProbeDock::addText() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Add a text"), {},
                                                      tr("Texts (*.jsonl *.json *.txt *.md);;All files (*)"));
    if (file.isEmpty())
        return;
    QStringList taken;
    for (const study::Task& task : m_session.study().tasks)
        taken << toQString(task.name);
    auto* dialog = new TextDialog(file, taken, contextOf(m_session), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        addToProbe({dialog->task()}, m_probe.tasks.empty() ? study::Role::InDistribution : study::Role::OutOfDistribution);
    });
    dialog->open();
}

/// Tasks into the study and into the probe as it stands, one step of undo.
void ProbeDock::addToProbe(const std::vector<study::Task>& tasks, study::Role role) {
    study::Probe changed = m_probe;
    for (const study::Task& task : tasks) {
        std::erase_if(changed.tasks, [&](const study::TaskInProbe& one) { return one.task == task.name; });
        changed.tasks.push_back({task.name, role});
    }
    const bool known = !changed.series.empty();
    m_session.addTasks(tasks, known ? std::optional(changed) : std::nullopt);
}

void ProbeDock::addSuite() {
    auto* dialog = new SuiteDialog(m_session.study().tasks, this);
    dialog->setCheckpoint(firstCheckpoint(m_session));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { addToProbe(dialog->tasks(), dialog->role()); });
    dialog->open();
}

void ProbeDock::addPrompts() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Add prompts"), {},
                                                      tr("Prompts (*.jsonl *.json *.txt);;All files (*)"));
    if (file.isEmpty())
        return;
    auto* dialog = new PromptsDialog(file, m_session.study().tasks, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { addToProbe({dialog->task()}, study::Role::OutOfDistribution); });
    dialog->open();
}

void ProbeDock::addTuning() {
    const QString file = QFileDialog::getOpenFileName(
        this, tr("Add fine-tuning data"), {},
        tr("Data (*.jsonl *.json *.csv *.tsv *.parquet *.txt *.gz *.zip);;All files (*)"));
    if (file.isEmpty())
        return;
    auto* dialog = new TuningDialog(file, m_session.study().tasks, firstCheckpoint(m_session), contextOf(m_session), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        if (const int at = m_kind->findData(QString::fromLatin1(study::kFineTuning)); !trains()) {
            m_kind->setCurrentIndex(at);
            loadProbe();
        }
        const study::Task task = dialog->task();
        m_probe.settings["data_task"] = task.name;
        addToProbe({task}, study::Role::InDistribution);
    });
    dialog->open();
}

} // namespace crest::ui
