// SPDX-License-Identifier: GPL-3.0-or-later
// Opening and closing a study, and the reader of its results.
#include <filesystem>

#include <QThread>

#include "ui/data/format.h"
#include "ui/data/recent_studies.h"
#include "ui/data/study_opening.h"
#include "ui/data/study_session_private.h"

namespace crest::ui {
namespace {

/// Another window that closes may still write its last edit: it is waited for.
constexpr int kLockTries = 25, kLockWaitMs = 20;

/// Runs on a worker: opens, takes the lock and remembers. `held`: the study this window has open.
Result<OpenedStudy> openLocked(const std::function<Result<study::StudyFolder>()>& work,
                               const std::filesystem::path& held, StudyWriter& writer) {
    CREST_CHECK(writer.flush()); // what is opened may be what was just closed
    CREST_TRY(folder, work());
    rememberRecentStudy(toQString(folder.path()), toQString(folder.study().name));
    OpenedStudy opened{std::move(folder), {}, false};
    opened.isOpenAlready = opened.folder.path() == held;
    for (int i = 0; i < kLockTries && opened.folder.writable() && !opened.isOpenAlready && !opened.lock; ++i) {
        if (i > 0)
            QThread::msleep(kLockWaitMs);
        if (auto locked = study::WindowLock::tryLock(opened.folder))
            opened.lock = std::move(*locked);
    }
    return opened;
}

} // namespace

void StudySession::Private::openAt(std::function<Result<study::StudyFolder>()> work, std::function<void()> otherwise,
                                   std::shared_ptr<const QString> checkpoints) {
    const std::filesystem::path held = folder ? folder->path() : std::filesystem::path();
    opening.start(
        [work = std::move(work), held, writer = &writer](const JobContext&) { return openLocked(work, held, *writer); },
        [this, otherwise = std::move(otherwise), checkpoints = std::move(checkpoints)](Result<OpenedStudy> opened) {
            if (opened)
                return adopt(std::move(*opened), checkpoints ? *checkpoints : QString());
            report(opened.error());
            if (otherwise)
                otherwise();
        });
}

void StudySession::Private::adopt(OpenedStudy opened, const QString& checkpoints) {
    if (opened.isOpenAlready) {
        if (!folder || folder->path() != opened.folder.path())
            return q->open(toQString(opened.folder.path())); // closed meanwhile
        Q_EMIT q->opened();
        return scan();
    }
    q->close();
    folder = std::move(opened.folder);
    if (folder->writable() && !opened.lock)
        folder->makeReadOnly();
    study = folder->study();
    unlisted = study.series.empty() && checkpoints != toQString(folder->path()) ? checkpoints : QString();
    writer.begin(*folder, std::move(opened.lock));
    startReader();
    Q_EMIT q->opened();
    Q_EMIT q->studyChanged();
    scan();
}

void StudySession::Private::startReader() {
    stored = std::make_shared<StoredKeys>();
    reader = new StudyReader(*folder, stored);
    reader->moveToThread(&readingThread);
    QObject::connect(reader, &StudyReader::runsRead, q,
                     [this, from = reader](const std::shared_ptr<const RunsSnapshot>& snapshot) {
                         if (from == reader)
                             takeRuns(*snapshot);
                     });
    QObject::connect(reader, &StudyReader::probeRead, q,
                     [this, from = reader](const std::shared_ptr<const ProbeView>& read) {
                         if (from != reader)
                             return;
                         view = *read;
                         Q_EMIT q->probeChanged();
                         takeScores();
                     });
    QObject::connect(reader, &StudyReader::itemsRead, q,
                     [this, from = reader](const std::shared_ptr<const ItemsView>& read) {
                         if (from == reader && wantedItems == read->wanted)
                             Q_EMIT q->itemsChanged(read);
                     });
    QObject::connect(reader, &StudyReader::samplesRead, q,
                     [this, from = reader](const std::shared_ptr<const SamplesView>& read) {
                         if (from == reader && wantedSamples == read->wanted)
                             Q_EMIT q->samplesChanged(read);
                     });
    reader->setOverlays(study.overlays);
    if (!readingThread.isRunning())
        readingThread.start();
    QMetaObject::invokeMethod(reader, &StudyReader::start, Qt::QueuedConnection);
}

void StudySession::Private::stopReader() {
    if (!reader)
        return;
    // Ends after its poll, on its own thread: the window does not wait, and HDF5 stays with one thread.
    StudyReader* ending = std::exchange(reader, nullptr);
    ending->disconnect(q);
    ending->deleteLater();
}

void StudySession::open(const QString& path) {
    auto folder = std::make_shared<QString>();
    d->openAt(
        [path, folder]() -> Result<study::StudyFolder> {
            CREST_TRY(place, folderToOpen(path));
            *folder = std::move(place);
            return openStudyOrCheckpoints(*folder);
        },
        {}, folder);
}

void StudySession::openSample() {
    d->openAt([] { return openSampleStudy(); });
}

void StudySession::close() {
    if (!d->folder)
        return;
    d->scanning.cancel();
    ++d->scanNumber;
    d->fingerprinting.cancel();
    d->checking.cancel();
    d->judgeSoon.stop();
    d->planning.cancel();
    d->adding.cancel();
    d->locating.cancel();
    d->importing.cancel();
    d->stopReader();
    d->writer.end();
    d->folder.reset();
    d->wanted.clear();
    d->resuming.clear();
    d->study = {};
    d->series.clear();
    d->scanned = {};
    d->facts = {};
    d->unlisted.clear();
    d->runs.clear();
    d->probes.clear();
    d->runsKnown = false;
    d->measured.clear();
    d->weights.clear();
    d->scanIssues.clear();
    d->readIssues.clear();
    d->allIssues.clear();
    d->shownRun.clear();
    d->view = {};
    d->wantedItems.reset();
    d->wantedSamples.reset();
    d->undo.clear();
    Q_EMIT closed();
}

void StudySession::saveAs(const QString& target) {
    if (!d->folder)
        return;
    const auto isAtWork = study::anyRunnerLives(*d->folder);
    if (!isAtWork)
        return d->report(isAtWork.error());
    if (*isAtWork)
        return d->report(
            {ErrorKind::Mismatch, "A run is at work in this study. Stop it first, then save the study elsewhere.", ""});
    if (!d->folder->writable())
        return d->report(
            {ErrorKind::Io, "This study can only be looked at, so it cannot be moved.", d->folder->path().string()});
    const std::filesystem::path from = d->folder->path();
    close();
    d->openAt([from, target] { return moveStudy(from, target); },
              [this, from] { open(toQString(from)); }); // it is still there
}

} // namespace crest::ui
