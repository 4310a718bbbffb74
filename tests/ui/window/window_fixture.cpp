// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/window/window_fixture.h"

#include <chrono>

#include <QDir>
#include <QDropEvent>
#include <QElapsedTimer>
#include <QFile>
#include <QMimeData>
#include <QUrl>

#include "tests/core/series/make_checkpoint.h"

namespace crest::test {
namespace {

double threadCpuMs() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

void write(const QString& path, const QByteArray& content) {
    QFile file(path);
    if (file.open(QIODevice::WriteOnly))
        file.write(content);
}

} // namespace

bool WatchedApplication::notify(QObject* receiver, QEvent* event) {
    if (!m_watching || m_depth > 0)
        return QApplication::notify(receiver, event);
    ++m_depth;
    const double cpuBefore = threadCpuMs();
    QElapsedTimer wall;
    wall.start();
    const QString what = QStringLiteral("%1 to %2 %3")
                             .arg(static_cast<int>(event->type()))
                             .arg(QLatin1String(receiver->metaObject()->className()), receiver->objectName());
    const bool handled = QApplication::notify(receiver, event);
    const double cpu = threadCpuMs() - cpuBefore;
    m_wallMs = std::max(m_wallMs, static_cast<double>(wall.nsecsElapsed()) * 1e-6);
    if (cpu > m_cpuMs) {
        m_cpuMs = cpu;
        m_what = what;
    }
    --m_depth;
    return handled;
}

void WatchedApplication::startWatching() {
    m_watching = true;
    m_wallMs = m_cpuMs = 0;
    m_what.clear();
}

SeriesFixture::SeriesFixture()
    : seriesFolder(dir.filePath(QStringLiteral("series")))
    , textFile(dir.filePath(QStringLiteral("heldout.jsonl")))
    , pidFile(dir.filePath(QStringLiteral("pid"))) {
    const std::filesystem::path series = seriesFolder.toStdString();
    for (int i = 0; i < kCheckpoints; ++i) {
        const std::int64_t tokens = 1'000'000LL << i;
        const auto folder = series / ("tokens-" + std::to_string(tokens / 1'000'000) + "M");
        makeCheckpoint(folder, tinySpec(), static_cast<unsigned>(i + 1));
        writeRecord(folder, "series", tokens, 1);
    }
    const auto broken = series / "tokens-64M";
    makeCheckpoint(broken);
    writeRecord(broken, "series", 64'000'000, 1);
    std::filesystem::resize_file(broken / "model.safetensors",
                                 std::filesystem::file_size(broken / "model.safetensors") - 10);
    QByteArray lines;
    for (int i = 0; i < 40; ++i)
        lines += "{\"text\": \"The quick brown fox jumps over the lazy dog, for the " + QByteArray::number(i) +
                 "th time in this held-out text.\"}\n";
    write(textFile, lines);
}

void SeriesFixture::useRunner(int micros, const QString& failing) const {
    const QString script = dir.filePath(QStringLiteral("runner.sh"));
    const QString pretend = QStringLiteral(CREST_BINARY_DIR "/tests/crest-pretend-run");
    QFile::remove(script);
    write(script, QStringLiteral("#!/bin/sh\nif [ \"$1\" = devices ]; then echo '%5'; exit; fi\necho $$ > '%1'\n"
                                 "run=\"\"\ncase \"$*\" in *--run*) run=\"--run ${*##*--run }\";; esac\n"
                                 "exec '%2' work \"$2\" --workers 2 --micros %3 %4 $run\n")
                      .arg(pidFile, pretend)
                      .arg(micros)
                      .arg(failing.isEmpty() ? QString() : QStringLiteral("--fail ") + failing,
                           QStringLiteral(R"({"devices":[{"name":"cpu","cores":3,"free_bytes":2e9,"total_bytes":4e9}],)"
                                          R"("reason":"No GPU here."})"))
                      .toUtf8());
    QFile::setPermissions(script, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
    qputenv("CREST_RUN", script.toUtf8());
}

qint64 SeriesFixture::runnerPid() const {
    QFile file(pidFile);
    return file.open(QIODevice::ReadOnly) ? file.readAll().trimmed().toLongLong() : 0;
}

QString smallSeries(const QTemporaryDir& dir) {
    const QString series = dir.filePath(QStringLiteral("small"));
    QDir().mkpath(series);
    const QDir sample(QStringLiteral(CREST_SOURCE_DIR "/resources/sample/series/sample-seed1"));
    for (const QString& name : sample.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name).mid(0, 2))
        QFile::link(sample.filePath(name), series + u'/' + name);
    return series;
}

void dropFolder(QWidget* window, const QString& folder) {
    QMimeData mime;
    mime.setUrls({QUrl::fromLocalFile(folder)});
    QDragEnterEvent enter(QPoint(10, 10), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QCoreApplication::sendEvent(window, &enter);
    if (!enter.isAccepted())
        return;
    QDropEvent drop(QPointF(10, 10), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QCoreApplication::sendEvent(window, &drop);
}

} // namespace crest::test
