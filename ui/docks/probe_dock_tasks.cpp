// SPDX-License-Identifier: GPL-3.0-or-later
// What the probe dock adds to a study: texts, tasks of suites, prompts, fine-tuning data.
#include <algorithm>

#include <QComboBox>
#include <QFileDialog>

#include "core/series/series_rules.h"
#include "ui/data/format.h"
#include "ui/dialogs/prompts_dialog.h"
#include "ui/dialogs/suite_dialog.h"
#include "ui/dialogs/text_dialog.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"

namespace crest::ui {
namespace {

/// The first checkpoint that can be used, of the probe's series where that has one; null where there is none at all.
const series::Checkpoint* firstCheckpoint(const StudySession& session, const std::string& series) {
    const series::Checkpoint* found = nullptr;
    for (const series::Series& one : session.series())
        for (const series::Checkpoint& candidate : one.checkpoints) {
            if (!series::isUsable(candidate) || !candidate.spec)
                continue;
            if (one.name == series)
                return &candidate;
            found = found ? found : &candidate;
        }
    return found;
}

std::filesystem::path pathOf(const series::Checkpoint* checkpoint) {
    return checkpoint ? checkpoint->path : std::filesystem::path();
}
std::int64_t contextOf(const series::Checkpoint* checkpoint) {
    return checkpoint ? checkpoint->spec->contextLength : 0;
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
    auto* dialog = new TextDialog(file, taken, contextOf(firstCheckpoint(m_session, m_probe.series)), this);
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
    dialog->setCheckpoint(pathOf(firstCheckpoint(m_session, m_probe.series)));
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
    dialog->setCheckpoint(pathOf(firstCheckpoint(m_session, m_probe.series)));
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
    const series::Checkpoint* first = firstCheckpoint(m_session, m_probe.series);
    auto* dialog = new TuningDialog(file, m_session.study().tasks, pathOf(first), contextOf(first), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] {
        if (const int at = m_kind->findData(QString::fromLatin1(study::kFineTuning)); !trains()) {
            m_kind->setCurrentIndex(at);
            loadProbe();
        }
        const study::Task task = dialog->task();
        setDataTask(m_probe, task.name);
        addToProbe({task}, study::Role::InDistribution);
    });
    dialog->open();
}

} // namespace crest::ui
