// SPDX-License-Identifier: GPL-3.0-or-later
// Edits of the study: its tasks, probes and overlays, new and moved series. All go through the undo stack.
#include <algorithm>

#include "ui/data/format.h"
#include "ui/data/locating.h"
#include "ui/data/moved_checkpoints.h"
#include "ui/data/study_session_private.h"
#include "ui/data/undo_commands.h"

namespace crest::ui {

void StudySession::Private::applyStudy(const study::Study& changed) {
    if (!folder->writable())
        return report({ErrorKind::Io,
                       "This study can only be looked at: its folder cannot be written, or another window holds it.",
                       folder->path().string()});
    writer.save(changed);
    const bool corrected = changed.series != study.series, elsewhere = !haveSamePlaces(changed, study);
    study = changed;
    if (reader)
        reader->setOverlays(study.overlays);
    Q_EMIT q->studyChanged();
    if (elsewhere)
        scan();
    else if (corrected)
        judge();
}

void StudySession::Private::edit(const QString& text, study::Study changed) {
    if (!folder || changed == study)
        return;
    undo.push(
        new EditStudyCommand(text, study, std::move(changed), [this](const study::Study& next) { applyStudy(next); }));
}

void StudySession::addSeries(const QString& folder) {
    if (!d->folder)
        return;
    d->adding.start([folder, study = d->study](const JobContext& job) { return seriesBelow(folder, study, job); },
                    [this](Result<std::vector<study::StudySeries>> found) {
                        if (!found)
                            return d->report(found.error());
                        study::Study changed = d->study;
                        changed.series.insert(changed.series.end(), found->begin(), found->end());
                        d->edit(tr("add series"), std::move(changed));
                    });
}

void StudySession::locate(const QString& name, const QString& folder) {
    const auto wanted = std::find_if(d->study.series.begin(), d->study.series.end(),
                                     [&](const study::StudySeries& one) { return toQString(one.name) == name; });
    if (!d->folder || wanted == d->study.series.end())
        return;
    LocateInput input{*wanted, folder, {}, {}};
    const std::string prefix = wanted->name + "/";
    for (const auto& [place, fingerprint] : d->weights)
        if (place.starts_with(prefix))
            input.measured[place.substr(prefix.size())] = fingerprint;
    for (const series::Series& one : d->series)
        if (one.name == wanted->name && !one.checkpoints.empty())
            for (const std::string& missing : missingCheckpoints(one, d->weights))
                input.missing[missing] = input.measured[missing];
    const auto done = [this](const Result<Located>& found) {
        Q_EMIT checkProgress(0, 0);
        if (!found)
            return d->report(found.error());
        if (!found->moved.empty())
            return d->keepMoved(*found);
        study::Study changed = d->study;
        for (study::StudySeries& one : changed.series)
            if (one.name == found->series.name) {
                one.path = found->series.path;
                one.foundAs = found->series.foundAs;
            }
        d->edit(tr("locate series"), std::move(changed));
        QString message =
            found->verified > 0
                ? tr("%1 was found again: the weights of %2 measured checkpoints are the same. Its results "
                     "stay.")
                      .arg(toQString(found->series.name))
                      .arg(found->verified)
                : tr("%1 was found. Nothing of it had been measured, so there was nothing to compare.")
                      .arg(toQString(found->series.name));
        if (found->missing > 0)
            message += tr(" %1 measured checkpoints are not in the new folder.").arg(found->missing);
        Q_EMIT located(message);
    };
    d->locating.start([input](const JobContext& job) { return locateSeries(input, job); }, done, d->checkSink());
}

/// Single checkpoints that were found elsewhere; undoable.
void StudySession::Private::keepMoved(const Located& found) {
    const std::filesystem::path where = folder->path();
    const MovedCheckpoints before = readMovedCheckpoints(where);
    MovedCheckpoints after = before;
    for (const auto& [name, path] : found.moved)
        after[found.series.name][name] = path;
    undo.push(new MoveCheckpointsCommand(StudySession::tr("locate checkpoint"), before, after, [this](const MovedCheckpoints& moved) {
        locating.start([path = folder->path(), moved](const JobContext&) { return writeMovedCheckpoints(path, moved); },
                       [this](const Result<void>& written) {
                           if (!written)
                               return report(written.error());
                           scan();
                       });
    }));
    QString message = found.verified == 1
                          ? StudySession::tr("%1 was found again by its weights. Its results stay.")
                                .arg(toQString(found.moved.begin()->first))
                          : StudySession::tr("%1 checkpoints were found again by their weights. Their results stay.").arg(found.verified);
    if (found.missing > 0)
        message += found.missing == 1 ? StudySession::tr(" 1 other is still missing.") : StudySession::tr(" %1 others are still missing.").arg(found.missing);
    Q_EMIT q->located(message);
}

namespace {

/// Replaces the one of that name, or adds it.
void put(std::vector<study::Task>& all, const study::Task& one) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const study::Task& other) { return other.name == one.name; });
    if (at == all.end())
        all.push_back(one);
    else
        *at = one;
}

/// Probes are in the order in which they were last touched: a study that is opened stands at the last.
void putLast(std::vector<study::Probe>& all, const study::Probe& one) {
    std::erase_if(all, [&](const study::Probe& other) { return other.name == one.name; });
    all.push_back(one);
}

} // namespace

void StudySession::setProbe(const study::Probe& probe) {
    study::Study changed = d->study;
    const auto& known = d->study.probes;
    const bool same = std::find(known.begin(), known.end(), probe) != known.end();
    putLast(changed.probes, probe);
    if (same && d->folder && changed != d->study)
        return d->applyStudy(changed); // it only comes last: nothing to take back
    d->edit(tr("edit probe"), std::move(changed));
}

void StudySession::addTask(const study::Task& task) {
    study::Study changed = d->study;
    changed.tasks.push_back(task);
    d->edit(tr("add task"), std::move(changed));
}

void StudySession::addTasks(const std::vector<study::Task>& tasks, const std::optional<study::Probe>& probe) {
    study::Study changed = d->study;
    for (const study::Task& task : tasks)
        put(changed.tasks, task);
    if (probe)
        putLast(changed.probes, *probe);
    d->edit(tasks.size() == 1 ? tr("add task") : tr("add tasks"), std::move(changed));
}

void StudySession::removeTask(const QString& task) {
    const std::string name = task.toStdString();
    study::Study changed = d->study;
    std::erase_if(changed.tasks, [&](const study::Task& one) { return one.name == name; });
    for (study::Probe& probe : changed.probes)
        std::erase_if(probe.tasks, [&](const study::TaskInProbe& one) { return one.task == name; });
    d->edit(tr("remove task"), std::move(changed));
}

void StudySession::readOverlay(const QStringList& files) {
    if (!d->folder)
        return;
    std::vector<std::filesystem::path> paths;
    for (const QString& file : files)
        paths.emplace_back(file.toStdString());
    d->importing.start([paths](const JobContext& job) { return analysis::readOverlay(paths, job); },
                       [this](Result<analysis::OverlayImport> read) {
                           if (!read)
                               return d->report(read.error());
                           Q_EMIT overlayRead(*read);
                       });
}

void StudySession::addOverlay(study::Overlay overlay) {
    study::Study changed = d->study;
    const std::string wanted = overlay.name;
    const auto taken = [&](const std::string& name) {
        return std::any_of(changed.overlays.begin(), changed.overlays.end(),
                           [&](const study::Overlay& one) { return one.name == name; });
    };
    for (int number = 2; taken(overlay.name); ++number)
        overlay.name = wanted + " " + std::to_string(number);
    changed.overlays.push_back(std::move(overlay));
    d->edit(tr("import to overlay"), std::move(changed));
}

void StudySession::removeOverlay(const QString& name) {
    study::Study changed = d->study;
    std::erase_if(changed.overlays, [&](const study::Overlay& one) { return toQString(one.name) == name; });
    d->edit(tr("remove overlay"), std::move(changed));
}

} // namespace crest::ui
