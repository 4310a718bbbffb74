// SPDX-License-Identifier: GPL-3.0-or-later
// What the window asks for and shows in dialogs: folders, names of studies, exports, previews.
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QLabel>
#include <QMessageBox>

#include "ui/data/format.h"
#include "ui/dialogs/export_dialog.h"
#include "ui/dialogs/item_preview.h"
#include "ui/dialogs/text_preview.h"
#include "ui/dialogs/tuning_preview.h"
#include "ui/docks/probe_dock.h"
#include "ui/docks/series_dock.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/theory_page.h"
#include "ui/pages/training_page.h"

namespace crest::ui {

void MainWindow::openFolder() {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a folder of checkpoints, or a study"));
    if (!folder.isEmpty())
        m_session->open(folder);
}

void MainWindow::addSeries() {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Add a folder of checkpoints"));
    if (!folder.isEmpty())
        m_session->addSeries(folder);
}

void MainWindow::locateSeries() {
    const QString series = m_series->selectedSeries();
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Where is %1 now?").arg(series));
    if (!series.isEmpty() && !folder.isEmpty())
        m_session->locate(series, folder);
}

void MainWindow::saveAs() {
    const QString target =
        QFileDialog::getSaveFileName(this, tr("Save the study as"), QDir::homePath() + u'/' + m_session->name());
    if (!target.isEmpty())
        m_session->saveAs(target);
}

void MainWindow::exportFigure() {
    const WindowState now = state();
    const bool theory = now.theory;
    if (!ui::isEnabled(ActionId::Export, now))
        return;
    const analysis::Figure figure = theory         ? m_theory->figure()
                                    : now.training ? m_training->figure()
                                                   : m_curves->figureForExport();
    const bool open = m_session->isOpen();
    const QString name = open && !theory ? m_session->name() + u'-' + toQString(figure.name) : toQString(figure.name);
    const QString folder = open ? m_session->folder() + QStringLiteral("/figures") : QDir::homePath();
    auto* dialog = new ExportDialog(figure, name, folder, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &ExportDialog::exported, this, [this](const QStringList& files) {
        m_status->setText(tr("%1 written to %2").arg(countText(files.size(), "file"), QFileInfo(files.value(0)).absolutePath()));
    });
    dialog->open();
}

/// With the tokenizer of the first checkpoint that can be read; tasks of suites that are asked as plain text need none.
void MainWindow::showTextPreview(const QString& task) {
    std::filesystem::path first; // of the probe's series where that has one
    bool ofProbe = false;
    for (const series::Series& series : m_session->series())
        for (const series::Checkpoint& checkpoint : series.checkpoints)
            if (const bool own = series.name == m_probe->probe().series;
                checkpoint.state == series::CheckpointState::Ok && (first.empty() || (own && !ofProbe))) {
                first = checkpoint.path;
                ofProbe = own;
            }
    for (const study::Task& one : m_session->study().tasks)
        if (toQString(one.name) == task && one.kind == study::TaskKind::Suite)
            return (new ItemPreview(one, std::filesystem::path(m_session->folder().toStdString()), first, this))->open();
    for (const study::Task& one : m_session->study().tasks)
        for (const series::Series& series : m_session->series())
            for (const series::Checkpoint& checkpoint : series.checkpoints)
                if (toQString(one.name) == task && checkpoint.state == series::CheckpointState::Ok) {
                    const std::filesystem::path folder(m_session->folder().toStdString());
                    if (one.kind == study::TaskKind::TuningLoss)
                        (new TuningPreview(one, folder, checkpoint.path, this))->open();
                    else
                        (new TextPreview(one, folder / one.textsPath, checkpoint.path, this))->open();
                    return;
                }
}

void MainWindow::showAbout() {
    QMessageBox::about(this, tr("About Crest"),
                       tr("<b>Crest %1</b><p>A workbench for series of pretraining checkpoints.</p><p>The window is "
                          "distributed under the GPL, version 3 or "
                          "later; the engine under the Apache License 2.0.</p>")
                           .arg(QApplication::applicationVersion()));
}

} // namespace crest::ui
