// SPDX-License-Identifier: GPL-3.0-or-later
// Edits of the study: its tasks and probes, new and moved series. All go through the undo stack.
#include <algorithm>

#include "ui/data/format.h"
#include "ui/data/locating.h"
#include "ui/data/study_opening.h"
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
    LocateInput input{*wanted, folder, {}};
    const std::string prefix = wanted->name + "/";
    for (const auto& [place, fingerprint] : d->weights)
        if (place.starts_with(prefix))
            input.measured[place.substr(prefix.size())] = fingerprint;
    const auto done = [this](const Result<Located>& found) {
        Q_EMIT checkProgress(0, 0);
        if (!found)
            return d->report(found.error());
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

void StudySession::setProbe(const study::Probe& probe) {
    study::Study changed = d->study;
    const auto at =
        std::find_if(changed.probes.begin(), changed.probes.end(), [&](const auto& p) { return p.name == probe.name; });
    if (at == changed.probes.end())
        changed.probes.push_back(probe);
    else
        *at = probe;
    d->edit(tr("edit probe"), std::move(changed));
}

void StudySession::addTask(const study::Task& task) {
    study::Study changed = d->study;
    changed.tasks.push_back(task);
    d->edit(tr("add task"), std::move(changed));
}

} // namespace crest::ui
